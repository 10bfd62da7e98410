"""How long planning takes."""

from __future__ import annotations

import time
from collections.abc import Callable
from statistics import median

import pytest
from tests.planned import (
    kfac,
    plane_layers,
)

import tnconv
from tnconv import networks
from tnconv.network import Network


def planning_seconds(network: Network, name: str) -> float:
    """Median over first calls, in processor time."""
    times = []
    for _ in range(3):
        tnconv.clear_caches()
        start = time.process_time()
        tnconv.expression(network, backend=name)
        times.append(time.process_time() - start)
    return median(times)


PLANE: Callable[[], Network] = lambda: networks.conv(  # noqa: E731
    (8, 64, 56, 56), (64, 64, 3, 3), padding=1
)
TIMES = {
    "forward": (PLANE, 0.08),
    "weight": (
        lambda: networks.conv_weight_vjp(
            (8, 64, 56, 56), (8, 64, 56, 56), (3, 3), padding=1
        ),
        0.08,
    ),
    "input": (
        lambda: networks.conv_input_vjp(
            (64, 64, 3, 3), (8, 64, 56, 56), (56, 56), padding=1
        ),
        0.08,
    ),
    "expand": (lambda: kfac("expand"), 0.06),
    "reduce": (lambda: kfac("reduce"), 0.06),
    "input in 3-d": (
        lambda: networks.conv_input_vjp(
            (32, 16, 3, 3, 3), (4, 32, 8, 28, 28), (8, 28, 28), padding=1
        ),
        0.25,
    ),
    "three layers": (lambda: plane_layers(3), 0.6),
    "ten layers": (lambda: plane_layers(10), 4.0),
}


@pytest.mark.parametrize("name", ["numpy", "torch"])
@pytest.mark.parametrize("case", TIMES)
def test_planning_is_quick(case: str, name: str) -> None:
    pytest.importorskip(name)
    make, limit = TIMES[case]
    assert planning_seconds(make(), name) < limit
