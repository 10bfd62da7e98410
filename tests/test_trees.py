"""Plans along contraction trees, beside those of the exact search."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from tests.planned import (
    arrays_for,
    gram,
    kfac,
    layers,
    plane_layers,
)

import tnconv
from tnconv.testing import evaluate

TREES = {
    **{f"{count} layers in 1-d": layers(count, 40) for count in (2, 3, 4)},
    **{f"{count} layers in 2-d": plane_layers(count) for count in (2, 3, 4)},
    "gram": gram(30),
    "expand": kfac("expand"),
}


@pytest.mark.parametrize("name", ["numpy", "torch"])
@pytest.mark.parametrize("planner", ["cotengra", "opt_einsum"])
@pytest.mark.parametrize("case", TREES)
def test_plans_along_trees_are_near_the_exact_ones(
    case: str, planner: str, name: str
) -> None:
    pytest.importorskip(name)
    how: dict[str, Any] = {"backend": name, "alternatives": False}
    exact = tnconv.expression(TREES[case], planner="exact", **how).plan
    tree = tnconv.expression(TREES[case], planner=planner, **how).plan
    assert tree.source == f"{planner}'s tree"
    # the exact search keeps one layout of each subset, so a tree that takes the axes in
    # another order may end up cheaper, a few percent at most in these
    assert exact.seconds / 1.1 <= tree.seconds <= 1.2 * exact.seconds


def test_large_networks_follow_a_tree() -> None:
    network = plane_layers(10)
    assert tnconv.expression(network).plan.source == "cotengra's tree"
    assert tnconv.expression(layers(7, 40)).plan.source == "exact search"


def test_a_search_without_patience_follows_a_tree() -> None:
    network = layers(2)
    arrays = arrays_for(network)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("tnconv.planning.rivals.PATIENCE", 3)
        tnconv.clear_caches()
        expression = tnconv.expression(network, dtype="float64")
    tnconv.clear_caches()
    assert expression.plan.source == "cotengra's tree"
    assert np.array_equal(expression(**arrays), evaluate(network, arrays))


@pytest.mark.parametrize("planner", ["auto", "cotengra", "opt_einsum"])
def test_the_same_network_gets_the_same_plan(planner: str) -> None:
    for network in (layers(3, 40), plane_layers(2), kfac("expand")):
        plans = []
        for _ in range(3):
            tnconv.clear_caches()
            plans.append(tnconv.expression(network, planner=planner).plan)
        assert plans[0] == plans[1] == plans[2]
