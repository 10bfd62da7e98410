"""Builders give the networks their operations are: evaluated by definition, exactly."""

from importlib import import_module
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests import oracles
from tests.semantics import evaluate
from tests.strategies import OPERATIONS, Case, cases, seeds

from tnconv import networks
from tnconv.network import Network, Pattern, Reindex

TWINS = tuple(name for name in OPERATIONS if not name.endswith("jvp"))
SLOW = (HealthCheck.too_slow, HealthCheck.data_too_large)


def built(case: Case) -> tuple[Network, ...]:
    """The networks of a case, to be added; an array of a bias is no part of it."""
    shapes = {k: s for k, s in case.shapes.items() if k != "bias"}
    builder = getattr(networks, case.operation)
    network: Network = builder(*shapes.values(), *case.extra, **case.hyper)
    assert list(network.arguments) == list(shapes)  # in the order of the arguments
    if not case.hyper.get("bias"):
        return (network,)
    module = import_module(builder.__module__)
    of_terms = getattr(module, f"{case.operation}_terms")
    terms: tuple[Network, ...] = of_terms(*shapes.values(), *case.extra, **case.hyper)
    assert terms[0] == network
    return terms


def check_twin(case: Case, seed: int) -> None:
    arrays = case.integers(seed)
    arrays.pop("bias", None)
    terms = built(case)
    if any(network.scale.denominator > 1 for network in terms):
        arrays = {k: v.astype(float) for k, v in arrays.items()}
    expected = case.apply(oracles, arrays)
    assert {network.shape for network in terms} == {expected.shape}
    found = sum(evaluate(network, arrays, expected.dtype) for network in terms)
    np.testing.assert_allclose(found, expected, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("operation", TWINS)
@settings(max_examples=25, deadline=None, suppress_health_check=SLOW)
@given(data=st.data())
def test_network_is_its_operation(operation: str, data: Any) -> None:
    check_twin(data.draw(cases(operation)), data.draw(seeds()))


@pytest.mark.sweep
@pytest.mark.parametrize("operation", TWINS)
@settings(max_examples=300, deadline=None, suppress_health_check=SLOW)
@given(data=st.data())
def test_network_is_its_operation_sweep(operation: str, data: Any) -> None:
    check_twin(data.draw(cases(operation)), data.draw(seeds()))


@pytest.mark.parametrize("operation", ["conv_jvp", "conv_transpose_jvp"])
@settings(max_examples=25, deadline=None, suppress_health_check=SLOW)
@given(data=st.data())
def test_jvp_parts_add_up(operation: str, data: Any) -> None:
    case = data.draw(cases(operation))
    arrays = case.integers(data.draw(seeds()))
    prefix = operation.removesuffix("jvp")
    x, weight = case.shapes["x"], case.shapes["weight"]
    total = None
    for name in case.by_keyword:
        role = {"x_tangent": "input"}.get(name, name.removesuffix("_tangent"))
        part = getattr(networks, f"{prefix}{role}_jvp")
        own = (case.shapes[name],) if role == "bias" else ()
        shapes = (*own, x, weight)
        network = part(*shapes, **case.hyper)
        order = {"x_tangent": (name, "weight"), "weight_tangent": ("x", name)}
        assert tuple(network.arguments) == order.get(name, (name,))
        value = evaluate(network, arrays, np.int64)
        total = value if total is None else total + value
    np.testing.assert_array_equal(total, case.apply(oracles, arrays))


def test_labels_name_their_roles() -> None:
    network = networks.conv((2, 4, 8, 9), (6, 2, 3, 2), groups=2)
    assert network.sizes == {
        **{"n": 2, "g": 2, "c": 2, "d": 3},
        **{"i0": 8, "i1": 9, "o0": 6, "o1": 8, "k0": 3, "k1": 2},
    }
    assert list(network.arguments) == ["x", "weight"]


def test_groups_stay_named_where_there_is_one() -> None:
    network = networks.conv((2, 4, 8), (6, 4, 3))
    assert network.sizes["g"] == 1
    assert network.inputs[0].axes[1].labels == ("g", "c")


def test_unbatched_networks_have_no_batch_label() -> None:
    assert "n" not in networks.conv((4, 8), (6, 4, 3)).sizes


def test_a_padding_mode_is_an_operand_only_where_it_pads() -> None:
    network = networks.conv(
        (1, 1, 6, 6), (1, 1, 3, 3), padding=((1, 1), (-1, 0)), padding_mode="reflect"
    )
    assert [op.output for op in network.operands if isinstance(op, Reindex)] == ["p0"]
    padding = {
        op.input: op.index.padding for op in network.operands if isinstance(op, Pattern)
    }
    assert padding == {"p0": 0, "i1": -1}


def test_same_padding_puts_the_odd_one_high() -> None:
    network = networks.conv((1, 1, 6), (1, 1, 4), padding="same")
    assert network.patterns[0].index.padding == 1
    assert network.shape == (1, 1, 6)
