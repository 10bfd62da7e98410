"""Copies: what their loops cost, and in which order matrices are copied."""

from __future__ import annotations

from dataclasses import replace

import pytest
from tests.planned import TORCH, arrays_for, run_planned

from tnconv import networks
from tnconv.execution.probes import interleaved
from tnconv.execution.program import View
from tnconv.network import Network
from tnconv.options import changed, current
from tnconv.planning.fit import predicted
from tnconv.planning.planner import plan_network
from tnconv.planning.strides import Run, inner_run, row_major
from tnconv.testing import evaluate

MACHINE = replace(TORCH, nest=1e-8)


def copied_dims(network: Network) -> list[tuple[int, ...]]:
    """The dimensions of the copies in a plan of one matrix product."""
    opts = changed(current(), {"forms": ("window", "gemm"), "alternatives": False})
    planned = plan_network(network, MACHINE, 4, opts)
    arrays = arrays_for(network)
    found, expected = run_planned("numpy", planned, arrays), evaluate(network, arrays)
    assert abs(found - expected).max() < 1e-9 * abs(expected).max()
    steps = planned.program.steps
    return [s.dims for s in steps if isinstance(s, View) and s.copy]


def test_windows_side_by_side_are_copied_along_the_map() -> None:
    """Runs of two along a window, in the order of memory, take longer."""
    network = networks.conv_weight_vjp((2, 64, 16, 16), (2, 80, 8, 8), (2, 2), stride=2)
    assert (64, 2, 2, 2, 8, 8) in copied_dims(network)


def test_channels_are_never_copied_one_line_apart() -> None:
    """A longer loop over channels would touch a cache line for each element."""
    network = networks.conv_weight_vjp(
        (8, 128, 14, 14), (8, 64, 7, 7), (1, 1), stride=2
    )
    assert (8, 7, 7, 128) not in copied_dims(network)


@pytest.mark.parametrize(
    ("dims", "there", "run"),
    [
        ((4, 3, 5), (15, 5, 1), Run(60, True, 60)),
        ((4, 3, 5), (30, 10, 1), Run(5, True, 60)),
        ((4, 3, 5), (50, 10, 1), Run(5, True, 15)),
        ((4, 3, 5), (1, 90, 20), Run(5, False, 15)),
        ((1, 1), (7, 3), Run(1, True)),
    ],
)
def test_loops_of_a_copy(
    dims: tuple[int, ...], there: tuple[int, ...], run: Run
) -> None:
    assert inner_run(dims, there, row_major(dims)) == run


def test_a_loop_over_inner_loops_has_its_price() -> None:
    program, none = interleaved(2, 2), replace(MACHINE, nest=0.0)
    more = predicted(program, MACHINE, 4) - predicted(program, none, 4)
    assert more == pytest.approx((1 << 19) / 4 * 1e-8)
