"""The loops of the oracle against PyTorch (1 to 3 axes) and JAX (4 axes)."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from tests import oracles
from tests.positions import pairs, per_axis
from tests.strategies import Case, Limits, cases, seeds

Array = NDArray[Any]
QUICK = settings(
    max_examples=40,
    deadline=None,
    suppress_health_check=(HealthCheck.filter_too_much, HealthCheck.too_slow),
)


def spelled_out(case: Case, axes: int, kernel: tuple[int, ...]) -> dict[str, Any]:
    """The hyper-parameters of a case, one entry per axis."""
    hyper = {k: v for k, v in case.hyper.items() if k not in ("per_example",)}
    for key in ("stride", "dilation", "output_padding"):
        if key in hyper:
            hyper[key] = per_axis(hyper[key], axes)
    hyper["padding"] = pairs(hyper["padding"], kernel, hyper["dilation"])
    return hyper


def torch_pad(x: Any, ends: list[tuple[int, int]], mode: str) -> Any:
    """Pad, then crop where padding is negative."""
    torch = pytest.importorskip("torch")
    order = ends[::-1]
    wide = [max(0, end) for pair in order for end in pair]
    crop = [min(0, end) for pair in order for end in pair]
    if any(wide):
        kind = "constant" if mode == "zeros" else mode
        x = torch.nn.functional.pad(x, wide, mode=kind)
    return torch.nn.functional.pad(x, crop)


def torch_conv(hyper: dict[str, Any], axes: int) -> Callable[[Any, Any], Any]:
    torch = pytest.importorskip("torch")
    run = getattr(torch.nn.functional, f"conv{axes}d")
    known = {k: hyper[k] for k in ("stride", "dilation", "groups")}

    def conv(x: Any, weight: Any) -> Any:
        padded = torch_pad(x, hyper["padding"], hyper["padding_mode"])
        return run(padded, weight, **known)

    return conv


def torch_transposed(hyper: dict[str, Any], axes: int) -> Callable[[Any, Any], Any]:
    torch = pytest.importorskip("torch")
    run = getattr(torch.nn.functional, f"conv_transpose{axes}d")
    known = {k: hyper[k] for k in ("stride", "dilation", "groups")}
    cut = [
        end
        for (low, high), extra in zip(
            hyper["padding"][::-1], hyper["output_padding"][::-1], strict=True
        )
        for end in (-low, extra - high)
    ]
    return lambda x, weight: torch.nn.functional.pad(run(x, weight, **known), cut)


@pytest.mark.parametrize("operation", ["conv", "conv_transpose"])
@QUICK
@given(data=st.data())
def test_oracle_agrees_with_torch(operation: str, data: Any) -> None:
    torch = pytest.importorskip("torch")
    case = data.draw(cases(operation, Limits((1, 2, 3), filled=True)))
    arrays = case.integers(data.draw(seeds()))
    axes, kernel = arrays["weight"].ndim - 2, arrays["weight"].shape[2:]
    hyper = spelled_out(case, axes, kernel)
    run = (torch_conv if operation == "conv" else torch_transposed)(hyper, axes)
    x, weight = (
        torch.tensor(arrays[k], dtype=torch.float64).requires_grad_()
        for k in ("x", "weight")
    )
    out = run(x, weight)
    found = getattr(oracles, operation)(arrays["x"], arrays["weight"], **case.hyper)
    np.testing.assert_array_equal(found, out.detach().numpy())
    cotangent = np.random.default_rng(0).integers(-4, 5, found.shape)
    x_vjp, weight_vjp = torch.autograd.grad(
        out, (x, weight), torch.tensor(cotangent, dtype=torch.float64)
    )
    sizes = arrays["x"].shape[2:]
    back = getattr(oracles, f"{operation}_input_vjp")
    ours = back(arrays["weight"], cotangent, sizes, **case.hyper)
    np.testing.assert_array_equal(ours, x_vjp.numpy())
    back = getattr(oracles, f"{operation}_weight_vjp")
    ours = back(arrays["x"], cotangent, kernel, **case.hyper)
    np.testing.assert_array_equal(ours, weight_vjp.numpy())


@QUICK
@given(data=st.data())
def test_unfold_and_fold_agree_with_torch(data: Any) -> None:
    torch = pytest.importorskip("torch")
    case = data.draw(cases("unfold", Limits((2,), ("zeros",), filled=True)))
    kernel = per_axis(case.extra[0], 2)
    hyper = spelled_out(case, 2, kernel)
    assume(all(low == high >= 0 for low, high in hyper["padding"]))
    known = {k: hyper[k] for k in ("stride", "dilation")}
    known["padding"] = tuple(low for low, _ in hyper["padding"])
    x = case.integers(data.draw(seeds()))["x"]
    ours = oracles.unfold(x, *case.extra, **case.hyper)
    peer = torch.nn.functional.unfold(torch.tensor(x).double(), kernel, **known)
    np.testing.assert_array_equal(ours, peer.numpy())
    back = torch.nn.functional.fold(peer, x.shape[2:], kernel, **known)
    folded = oracles.fold(ours, x.shape[2:], *case.extra, **case.hyper)
    np.testing.assert_array_equal(folded, back.numpy())


@QUICK
@given(data=st.data())
def test_toeplitz_times_input_is_the_convolution(data: Any) -> None:
    case = data.draw(cases("toeplitz"))
    weight = case.integers(data.draw(seeds()))["weight"]
    sizes = per_axis(case.extra[0], weight.ndim - 2)
    shape = (weight.shape[1] * case.hyper["groups"], *sizes)
    x = np.random.default_rng(0).integers(-4, 5, shape)
    matrix = oracles.toeplitz(weight, *case.extra, **case.hyper)
    expected = oracles.conv(x, weight, **case.hyper)
    np.testing.assert_array_equal(matrix @ x.ravel(), expected.ravel())


@QUICK
@given(data=st.data())
def test_weight_times_unfold_transpose_is_the_transposed_convolution(data: Any) -> None:
    case = data.draw(cases("conv_transpose"))
    arrays = case.integers(data.draw(seeds()))
    x, weight = arrays["x"], arrays["weight"]
    assume(case.hyper["groups"] == 1)
    hyper = {k: v for k, v in case.hyper.items() if k != "groups"}
    columns = oracles.unfold_transpose(x, weight.shape[2:], **hyper)
    expected = oracles.conv_transpose(x, weight, **hyper)
    matrix = np.swapaxes(weight, 0, 1).reshape(weight.shape[1], columns.shape[-2])
    found = (matrix @ columns).reshape(expected.shape)
    np.testing.assert_array_equal(found, expected)


@settings(QUICK, max_examples=6)
@given(data=st.data())
def test_oracle_agrees_with_jax_in_four_dimensions(data: Any) -> None:
    pytest.importorskip("jax")
    from jax import lax

    case = data.draw(cases("conv", Limits((4,), ("zeros",), filled=True)))
    arrays = case.integers(data.draw(seeds()))
    x, weight = arrays["x"], arrays["weight"]
    hyper = spelled_out(case, 4, weight.shape[2:])
    peer = lax.conv_general_dilated(
        x.astype(np.float32),
        weight.astype(np.float32),
        hyper["stride"],
        hyper["padding"],
        rhs_dilation=hyper["dilation"],
        feature_group_count=hyper["groups"],
    )
    found = oracles.conv(x, weight, **case.hyper)
    np.testing.assert_array_equal(found, np.asarray(peer))
