"""What the search promises: the best plan, quickly, the same one every time."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from random import Random
from statistics import median
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.test_planning import CASES, arrays_for, gram, layers, run_planned, scrambled

import tnconv
from tnconv import networks
from tnconv.axis import Axis
from tnconv.edits import rename_inputs, without_conjugates
from tnconv.edits import replace as put
from tnconv.network import Input, Network
from tnconv.options import changed, current
from tnconv.planning.constants import nearest
from tnconv.planning.device import cpu
from tnconv.planning.estimator import Estimator
from tnconv.planning.machine import Machine
from tnconv.planning.mirror import find_mirror
from tnconv.planning.outline import nothing
from tnconv.planning.planner import form_table, plan_network
from tnconv.planning.problem import Problem
from tnconv.planning.search import Search
from tnconv.rewrite import simplify
from tnconv.testing import evaluate
from tnconv.testing import networks as drawn_networks

NUMPY, TORCH = MACHINES = (nearest("numpy", cpu(2)), nearest("torch", cpu(2)))


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


# ---- nothing is lost


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


# ---- copies of one sub-network


def kfac(approximation: Any) -> Network:
    hyper: dict[str, Any] = {"padding": 1, "approximation": approximation}
    network = networks.kfac_input_factor((8, 64, 28, 28), (3, 3), **hyper)
    return simplify(tnconv.edits.without_conjugates(network)).network


@pytest.mark.parametrize("approximation", ["expand", "reduce"])
def test_copies_are_mirror_images(approximation: str) -> None:
    network = kfac(approximation)
    mirror = find_mirror(network)
    assert mirror is not None
    for j, op in enumerate(network.operands):
        image = network.operands[mirror.operands[j]]
        assert image != op
        assert type(image) is type(op)
        assert mirror.operands[mirror.operands[j]] == j
        assert tuple(mirror.labels[a] for a in op.labels) == image.labels


def test_a_product_of_different_arrays_has_no_mirror() -> None:
    network = kfac("expand")
    first, *others = network.operands
    assert isinstance(first, Input)
    other = Network.build(
        [replace(first, name="y"), *others], network.output, network.sizes
    )
    assert find_mirror(network) is not None
    assert find_mirror(other) is None


def test_an_output_that_tells_copies_apart_has_no_mirror() -> None:
    network = tnconv.parse("x: n c, x: n d -> c d", shapes={"x": (5, 4)})
    assert find_mirror(network) is not None
    trace = tnconv.parse("x: n c, x: n d -> c", shapes={"x": (5, 4)})
    assert find_mirror(trace) is None


# ---- along trees


def plane_layers(count: int) -> Network:
    """Two-dimensional layers in a row."""
    network: Network | None = None
    shape: tuple[int, ...] = (8, 16, 32, 32)
    for layer in range(count):
        step = networks.conv(shape, (16, shape[1], 3, 3), padding=1)
        step = rename_inputs(step, {"weight": f"w{layer}"})
        shape = step.shape
        network = step if network is None else put(step, "x", network)
    assert network is not None
    return network


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


# ---- alternatives


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
    assert step.variant == ("weight", False, True)
    arrays = arrays_for(network)
    assert np.array_equal(
        run_planned("torch", planned, arrays), evaluate(network, arrays)
    )


def test_axes_rename_both_ways() -> None:
    mirror = find_mirror(kfac("expand"))
    assert mirror is not None
    axes = (Axis(9, (("c", 1),)), Axis(9, (("i0", 1), ("n", 2))))
    assert mirror.axes(mirror.axes(axes)) == axes
    assert mirror.axes(axes) != axes
    assert mirror.named(("gemm", ("c", 1))) == ("gemm", ("c'", 1))


def test_copies_with_a_label_in_common_are_told_apart() -> None:
    factor = networks.kfac_input_factor(
        (1, 1, 11, 4), (3, 2), stride=(2, 1), dilation=(3, 2), normalization="none"
    )
    network = simplify(without_conjugates(factor)).network
    first, second = network.inputs
    assert set(first.labels) & set(second.labels)
    planned = plan_network(network, MACHINES[0], 8, current())
    arrays = arrays_for(network)
    assert np.array_equal(
        run_planned("numpy", planned, arrays), evaluate(network, arrays)
    )


# ---- how long planning takes; limits are four times what the slower backend needs


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
