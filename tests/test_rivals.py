"""Alternatives of a network, searched beside it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from tests.planned import (
    MACHINES,
    TORCH,
    arrays_for,
    plane_layers,
    run_planned,
)

from tnconv import networks
from tnconv.network import Network
from tnconv.options import changed, current
from tnconv.planning.machine import Machine
from tnconv.planning.planner import plan_network
from tnconv.testing import evaluate


def considered(network: Network, machine: Machine) -> dict[str, float]:
    return dict(plan_network(network, machine, 4, current()).considered)


@pytest.mark.parametrize(
    ("network", "names"),
    [
        (networks.conv((8, 3, 31), (4, 3, 5), stride=2, padding=2), {"unit stride"}),
        (networks.conv((8, 3, 31), (4, 3, 3), dilation=2), {"unit dilation"}),
        (networks.conv((8, 3, 32), (4, 3, 2), stride=2), {"as built"}),
        (
            networks.conv_input_vjp((4, 3, 3), (8, 4, 31), (31,), padding=1),
            {"transposed"},
        ),
        (plane_layers(3), set()),
        (
            networks.kfac_input_factor((2, 3, 8, 8, 8), (4, 4, 4), stride=2, padding=1),
            {"unit stride"},
        ),
    ],
)  # fmt: skip
def test_alternatives_are_listed(network: Network, names: set[str]) -> None:
    for machine in MACHINES:
        found = considered(network, machine)
        assert {"simplified"} | names <= found.keys()
        best = plan_network(network, machine, 4, current())
        if best.plan.blocks is None:  # blocks may take longer, to hold less
            assert best.seconds == min(found.values())
        off = plan_network(network, machine, 4, changed(current(), NO_ALTERNATIVES))
        assert min(found.values()) <= min(seconds for _, seconds in off.considered)
        assert [name for name, _ in off.considered] == ["simplified"]


NO_ALTERNATIVES = {"alternatives": False}


def test_padding_once_is_considered_where_a_plan_pads_what_it_made() -> None:
    """A depthwise factor: products along one axis, then windows of the result."""
    network = networks.kfac_input_factor(
        (8, 64, 14, 14), (7, 7), padding=3, groups=64, approximation="expand"
    )
    assert "padded" in considered(network, MACHINES[0])
    plain = networks.conv((8, 16, 28, 28), (16, 16, 3, 3), padding=1)
    assert "padded" not in considered(plain, MACHINES[0])


def test_native_exchanges_kernel_and_output_where_that_is_cheaper() -> None:
    """Rule C: a forward convolution by the backend's weight gradient."""
    pytest.importorskip("torch")
    network = networks.conv((2, 3, 9), (4, 3, 3))
    dear = {
        key: replace(rate, call=1.0) if key[0] == "forward" else rate
        for key, rate in TORCH.native.items()
    }
    opts = changed(current(), {"forms": ("native",)})
    planned = plan_network(network, replace(TORCH, native=dear), 8, opts)
    (step,) = planned.plan.steps
    assert step.variant[:3] == ("weight", False, True)
    arrays = arrays_for(network)
    assert np.array_equal(
        run_planned("torch", planned, arrays), evaluate(network, arrays)
    )
