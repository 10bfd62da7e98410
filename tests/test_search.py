"""What the search promises: the best plan, with nothing lost by its bounds."""

from __future__ import annotations

from dataclasses import replace
from random import Random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.planned import (
    CASES,
    MACHINES,
    scrambled,
)

from tnconv.network import Network
from tnconv.planning.estimator import Estimator
from tnconv.planning.machine import Machine
from tnconv.planning.outline import nothing
from tnconv.planning.planner import form_table
from tnconv.planning.problem import Problem
from tnconv.planning.search import Search
from tnconv.rewrite import simplify
from tnconv.testing import networks as drawn_networks


def searched(network: Network, machine: Machine, floors: bool = True) -> Search:
    """The exact search of one network, with or without floors."""
    forms = list(form_table().values())
    if not floors:
        forms = [replace(form, floor=nothing) for form in forms]
    search = Search(Problem(network), machine, 4, forms, patience=float("inf"))
    assert search.run()
    return search


def whole_seconds(search: Search) -> float:
    return search.states[search.problem.full].seconds


def unpruned(network: Network, machine: Machine) -> float:
    """Seconds of the best plan where no candidate is given up or left waiting."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Estimator, "expect", lambda self, seconds: None)
        patch.setattr(Problem, "mirror", None)
        return whole_seconds(searched(network, machine, floors=False))


@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    network=drawn_networks(),
    seed=st.none() | st.integers(0, 2**32),
    machine=st.sampled_from(MACHINES),
)
def test_floors_never_lose_the_best_plan(
    network: Network, seed: int | None, machine: Machine
) -> None:
    flat = simplify(network).network.without()
    if not flat.operands or 0 in flat.sizes.values():
        return
    if seed is not None:
        machine = scrambled(machine, Random(seed))
    least = unpruned(flat, machine)
    assert whole_seconds(searched(flat, machine)) <= least * (1 + 1e-9)


@pytest.mark.parametrize("machine", MACHINES, ids=lambda machine: machine.name)
@pytest.mark.parametrize("case", CASES)
def test_floors_never_lose_the_best_plan_of_an_operation(
    case: str, machine: Machine
) -> None:
    network = simplify(CASES[case]).network
    for seed in range(4):
        odd = scrambled(machine, Random(seed)) if seed else machine
        found = whole_seconds(searched(network, odd))
        assert found <= unpruned(network, odd) * (1 + 1e-9)


@pytest.mark.parametrize("machine", MACHINES, ids=lambda machine: machine.name)
def test_no_form_is_cheaper_than_its_floor(machine: Machine) -> None:
    """Every state was reached by a form: what it added is not below the floor."""
    checked = 0
    for case in CASES.values():
        search = searched(simplify(case).network, machine)
        for state in search.states.values():
            if not state.parts:
                continue
            subsets = tuple(part.subset for part in state.parts)
            for floor, form in search.offers((subsets, state.constraints)):
                if form.name == state.form:
                    assert floor <= state.seconds * (1 + 1e-12), form.name
                    checked += 1
    assert checked > 50
