"""Plans: every form, twins and layers in a row; values against the definition."""

from __future__ import annotations

from random import Random
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.planned import (
    CASES,
    arrays_for,
    gram,
    layers,
    run_planned,
    scrambled,
)

import tnconv
from tnconv import networks
from tnconv.axis import Axis
from tnconv.execution.program import Matmul, Native, View
from tnconv.network import Network
from tnconv.options import changed, current
from tnconv.planning.constants import nearest
from tnconv.planning.device import cpu
from tnconv.planning.planner import form_table, plan_network
from tnconv.testing import evaluate
from tnconv.testing import networks as drawn_networks


@pytest.mark.parametrize("name", ["numpy", "torch"])
def test_every_form_is_right_whatever_it_costs(name: str) -> None:
    random, seen, machine = Random(1), set(), nearest(name, cpu(2))
    if name == "torch":
        pytest.importorskip("torch")
    for turn in range(40):
        for network in CASES.values():
            forms = list(form_table())
            some = tuple(random.sample(forms, random.randint(1, len(forms))))
            opts = changed(current(), {"forms": some if turn % 2 else None})
            planned = plan_network(network, scrambled(machine, random), 8, opts)
            arrays = arrays_for(network, turn)
            found = run_planned(name, planned, arrays)
            used = {step.form for step in planned.plan.steps}
            wrong = np.abs(found - evaluate(network, arrays))
            rounds = 1e-10 if "fourier" in used else 0.0
            assert np.max(wrong, initial=0.0) <= rounds, planned.lines
            seen |= used
    expected = set(form_table()) - (set() if name == "torch" else {"native"})
    assert seen == expected


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("gone", sorted(form_table()))
def test_removing_a_form_only_changes_times(case: str, gone: str) -> None:
    network = CASES[case]
    left = tuple(name for name in form_table() if name != gone)
    arrays = arrays_for(network)
    found = tnconv.expression(network, dtype="float64", forms=left)(**arrays)
    assert np.array_equal(found, evaluate(network, arrays))


def test_torch_chooses_its_native_convolution_for_a_dense_layer() -> None:
    pytest.importorskip("torch")
    network = networks.conv((8, 64, 56, 56), (64, 64, 3, 3), padding=1)
    program = tnconv.expression(network, backend="torch").planned.program
    assert [type(step) for step in program.steps] == [Native]


def test_pointwise_convolution_is_one_matrix_product() -> None:
    network = networks.conv((8, 64, 56, 56), (32, 64, 1, 1))
    program = tnconv.expression(network).planned.program
    kinds = [type(step) for step in program.steps if not isinstance(step, View)]
    assert kinds == [Matmul]


def test_twins_are_contracted_once() -> None:
    network = gram(200)
    expression = tnconv.expression(network, dtype="float64", forms=["window", "gemm"])
    steps = expression.planned.program.steps
    copied = [step for step in steps if isinstance(step, View) and step.copy]
    assert len(copied) == 1  # one window matrix serves both sides
    arrays = arrays_for(network)
    assert np.array_equal(expression(**arrays), evaluate(network, arrays))


def test_a_padding_mode_and_its_pattern_are_no_two_marginals() -> None:
    hyper: dict[str, Any] = {"padding": ((3, -2),), "padding_mode": "replicate"}
    shapes = (3, 2, 14), (6, 1, 5)
    network = networks.conv(*shapes, stride=3, dilation=3, groups=2, **hyper)
    arrays = arrays_for(network)
    found = tnconv.expression(network, dtype="float64")(**arrays)
    assert np.allclose(found, evaluate(network, arrays))


@pytest.mark.parametrize("planner", ["exact", "cotengra", "opt_einsum"])
@pytest.mark.parametrize("count", [2, 3])
def test_layers_in_a_row(planner: str, count: int) -> None:
    network = layers(count)
    arrays = arrays_for(network)
    expression = tnconv.expression(network, dtype="float64", planner=planner)
    value = arrays["x"]
    for layer in range(count):
        weight = arrays[f"w{layer}"]
        value = evaluate(
            networks.conv(value.shape, weight.shape, padding=1, stride=1 + layer % 2),
            {"x": value, "weight": weight},
        )
    assert np.array_equal(expression(**arrays), value)


def test_a_number_and_a_broadcast() -> None:
    network = tnconv.parse("x: i -> ", shapes={"x": (5,)})
    assert tnconv.contract(network, np.arange(5.0)) == 10.0
    axes = (Axis(3, (("a", 1),)), Axis(5, (("i", 1),)))
    wide = Network.build(network.operands, axes, {"a": 3, "i": 5})
    assert np.array_equal(
        tnconv.contract(wide, np.arange(5.0)), np.tile(np.arange(5.0), (3, 1))
    )


def test_padding_that_leaves_nothing_to_read_gives_zeros() -> None:
    x, weight = np.ones((3, 1, 1, 3)), np.ones((3, 1, 1, 1))
    found = tnconv.conv(x, weight, stride=(4, 3), padding=((2, 3), (2, -3)))
    assert found.shape == (3, 3, 2, 1)
    assert not found.any()


def test_output_padding_beyond_the_stride_on_native_convolutions() -> None:
    torch = pytest.importorskip("torch")
    rng = np.random.default_rng(0)
    x, weight = (
        rng.integers(-3, 4, (2, 3, 4)) * 1.0,
        rng.integers(-3, 4, (3, 2, 3)) * 1.0,
    )
    how = {"stride": 2, "dilation": 3, "output_padding": 2}
    found = tnconv.conv_transpose(torch.from_numpy(x), torch.from_numpy(weight), **how)
    assert np.array_equal(found.numpy(), tnconv.conv_transpose(x, weight, **how))


@pytest.mark.parametrize("planner", ["auto", "cotengra", "opt_einsum"])
@pytest.mark.parametrize("forms", [["window", "gemm"], ["native"], ["fold"], None])
def test_any_forms_under_any_planner(planner: str, forms: list[str] | None) -> None:
    for network in (layers(2), CASES["reflect"], CASES["forward"], CASES["circular"]):
        arrays = arrays_for(network)
        expression = tnconv.expression(
            network, dtype="float64", planner=planner, forms=forms
        )
        assert np.array_equal(expression(**arrays), evaluate(network, arrays))


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(network=drawn_networks(), planner=st.sampled_from(["cotengra", "opt_einsum"]))
def test_drawn_networks_along_trees(network: Network, planner: str) -> None:
    arrays = arrays_for(network)
    expression = tnconv.expression(network, dtype="float64", planner=planner)
    assert np.array_equal(expression(**arrays), evaluate(network, arrays))
