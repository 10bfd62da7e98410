"""A plan in stages gives what the plan gives, and gradients cost less together."""

from typing import Any

import numpy as np
import pytest
from tests.factor.test_kernel import made

import tnconv
from tnconv import networks
from tnconv.execution.backend import Place
from tnconv.execution.registry import backend
from tnconv.factor import FORMATS, KernelShape, format_network
from tnconv.functions.backward import backward
from tnconv.options import current
from tnconv.planning.stages import stages

HYPER: dict[str, Any] = {"stride": (2, 1), "padding": 1}


@pytest.mark.parametrize("format", FORMATS)
def test_stages_one_after_the_other_are_the_network(format: str) -> None:
    kernel = made(format, (6, 4, 3, 3), 2)
    x = np.random.default_rng(1).normal(size=(2, 4, 7, 6))
    network = networks.conv(x.shape, kernel.network, **HYPER)
    row = stages(tnconv.expression(network, dtype="float64").plan)
    known = {"x": x} | {f"weight.{name}": a for name, a in kernel.arrays().items()}
    for stage in row:
        read = stage.network.arguments
        assert all(known[name].shape == shape for name, shape in read.items())
        known[stage.name] = tnconv.contract(stage.network, *map(known.get, read))
    assert len(row) > 1
    wanted = tnconv.conv(x, kernel.to_dense(), **HYPER)
    np.testing.assert_allclose(known["result"], wanted, rtol=1e-10, atol=1e-10)


def test_one_product_is_one_stage() -> None:
    plain = networks.conv((2, 3, 8, 8), (4, 3, 3, 3))
    twice = networks.kfac_input_factor((2, 3, 8, 8), (3, 3))
    for network in (plain, twice):
        (only,) = stages(tnconv.expression(network).plan)
        assert only.network.arguments == network.arguments


def factor_way(format: str, ranks: Any, place: Place) -> tuple[Any, float]:
    """The way back of a layer, and what its gradients cost one by one."""
    kernel = format_network(format, KernelShape((64, 64, 3, 3)), ranks)
    shape, engine = (8, 64, 28, 28), backend("torch")
    network = networks.conv(shape, kernel, padding=1)
    names = tuple(f"weight.{name}" for name in kernel.arguments)
    apart = sum(
        tnconv.expression(
            networks.conv_factor_vjp(shape, network.shape, kernel, name, padding=1),
            backend="torch",
        ).plan.seconds
        for name in kernel.arguments
    )
    return backward(network, names, engine, place, current()), apart


@pytest.mark.parametrize("format, ranks", [("cp", 32), ("tucker2", (16, 16))])
def test_gradients_together_are_predicted_to_take_less(format: str, ranks: Any) -> None:
    pytest.importorskip("torch")
    way, apart = factor_way(format, ranks, Place("torch", None, "float32", "cpu"))
    assert sum(piece.job.plan.seconds for piece in way.pieces) < 0.95 * apart


def test_where_products_in_the_middle_may_not_be_kept() -> None:
    pytest.importorskip("torch")
    half = Place("torch", None, "bfloat16", "cpu")
    assert factor_way("cp", 32, half)[0] is None
    with tnconv.options(memory_limit=1 << 30):
        single = Place("torch", None, "float32", "cpu")
        assert factor_way("cp", 32, single)[0] is None


def test_half_precision_is_rounded_once_with_gradients_too() -> None:
    torch = pytest.importorskip("torch")
    kernel = made("tucker2", (6, 4, 3, 3), 2)
    factors = [torch.from_numpy(f).bfloat16().requires_grad_() for f in kernel.factors]
    x = torch.randn(2, 4, 7, 8).bfloat16()
    found = tnconv.conv(x, kernel.with_factors(factors))
    wide = [factor.detach().float() for factor in factors]
    wanted = tnconv.conv(x.float(), kernel.with_factors(wide)).bfloat16()
    assert found.requires_grad and torch.equal(found, wanted)
