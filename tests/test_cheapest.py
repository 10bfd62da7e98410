"""The cheapest plan, in one piece or in blocks, where fresh memory has a price."""

from dataclasses import replace
from math import inf

import numpy as np
import pytest

import tnconv
from tnconv import networks
from tnconv.options import changed, current
from tnconv.planning.charge import Charge
from tnconv.planning.constants import nearest
from tnconv.planning.device import Device
from tnconv.planning.looped import looped
from tnconv.planning.machine import Machine
from tnconv.planning.planner import plan_network
from tnconv.planning.rivals import race, unlimited

#: one class of processors, whichever runs this
MACHINE = nearest("numpy", Device("cpu", "AMD EPYC (26/2)", 2))
#: few channels on a large map: unfolding it makes an array of 93 MB
IMAGE = networks.conv((1, 3, 604, 516), (8, 3, 5, 5))
OPTIONS = changed(current(), {"memory_share": inf})


def charged(machine: Machine) -> tuple[float, float]:
    """What the plan is charged, and what the best path in one piece is, in blocks."""
    found = plan_network(IMAGE, machine, 4, OPTIONS)
    charge = Charge.of(found.network, machine, 4, inf)
    single = looped(unlimited(IMAGE, machine, 4, OPTIONS), charge).planned
    prices = [charge.price(p.seconds, charge.held(p.program)) for p in (found, single)]
    return prices[0], prices[1]


def test_a_path_that_is_cheap_in_blocks_only_is_found() -> None:
    found, single = charged(replace(MACHINE, fresh=3e9))
    assert found < 0.9 * single


@pytest.mark.parametrize("fresh", [3e9, 6e9, 3e10, inf])
def test_two_paths_are_never_dearer_than_one(fresh: float) -> None:
    found, single = charged(replace(MACHINE, fresh=fresh))
    assert found <= single * (1 + 1e-9)


def test_small_networks_are_searched_once(monkeypatch: pytest.MonkeyPatch) -> None:
    searched = []

    def counted(*args: object) -> object:
        searched.append(args)
        return race(*args)  # type: ignore[arg-type]

    monkeypatch.setattr("tnconv.planning.rivals.race", counted)
    plan_network(networks.conv((2, 3, 32, 32), (4, 3, 3, 3)), MACHINE, 4, current())
    assert len(searched) == 1
    plan_network(IMAGE, replace(MACHINE, fresh=3e9), 4, current())
    assert len(searched) == 3


def test_blocks_of_another_path_give_the_same_numbers() -> None:
    """The layer of the plans above, against the plan of a library of one form."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(1, 3, 604, 516))
    weight = rng.normal(size=(8, 3, 5, 5))
    with tnconv.options(forms=["window", "gemm", "taps"]):
        found = tnconv.conv(x, weight)
    expected = np.einsum(
        "ncijkl,dckl->ndij",
        np.lib.stride_tricks.sliding_window_view(x, (5, 5), (2, 3)),
        weight,
    )
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-11)


def test_nothing_to_add_up_has_no_second_price() -> None:
    found = plan_network(networks.conv((2, 0, 9, 9), (4, 0, 3, 3)), MACHINE, 4, OPTIONS)
    assert found.seconds == 0
    assert not found.plan.steps
