"""Kronecker factors: other libraries, exact cases, dtypes, derivatives, bad input."""

from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from tests import oracles
from tests.factor_cases import FACTORS
from tests.libraries import NUMPY, TORCH, Library
from tests.positions import pairs, per_axis
from tests.strategies import Limits, cases, seeds

import tnconv
from tnconv import functions
from tnconv.errors import ArgumentError, ArrayError

torch = pytest.importorskip("torch")
Array = NDArray[Any]
QUICK = settings(
    max_examples=12,
    deadline=None,
    suppress_health_check=(HealthCheck.filter_too_much, HealthCheck.too_slow),
)
FEATURES = ("approximation", "normalization", "grouping", "outermost", "bias")


# ---- the patches of other libraries


@QUICK
@given(data=st.data())
def test_transposed_patches_are_those_of_unfoldnd(data: Any) -> None:
    unfold_nd = pytest.importorskip("unfoldNd")
    drawn = cases("unfolded_transpose_inputs", Limits((1, 2, 3), filled=True))
    case = data.draw(drawn)
    x = case.normals(data.draw(seeds()))["x"]
    axes = x.ndim - 2
    kernel = per_axis(case.extra[0], axes)
    hyper = {k: per_axis(case.hyper[k], axes) for k in ("stride", "dilation")}
    ends = pairs(case.hyper["padding"], kernel, hyper["dilation"])
    assume(all(low == high >= 0 for low, high in ends))
    peer = unfold_nd.unfold_transposeNd(
        torch.from_numpy(x),
        kernel,
        padding=tuple(low for low, _ in ends),
        output_padding=per_axis(case.hyper["output_padding"], axes),
        **hyper,
    ).numpy()
    known = {k: v for k, v in case.hyper.items() if k not in FEATURES}
    known["groups"] = 1
    ours = functions.unfolded_transpose_inputs(x, kernel, **known)
    np.testing.assert_array_equal(ours[:, 0].swapaxes(1, 2), peer)


@QUICK
@given(data=st.data())
def test_input_factors_are_those_of_einconv(data: Any) -> None:
    from einconv.expressions import convNd_kfac_reduce, convNd_kfc

    drawn = cases("kfac_input_factor", Limits((1, 2), ("zeros",), filled=True))
    case = data.draw(drawn)
    x = case.normals(data.draw(seeds()))["x"].astype("float32")
    kernel = per_axis(case.extra[0], x.ndim - 2)
    known = {k: v for k, v in case.hyper.items() if k not in FEATURES}
    ends = pairs(known["padding"], kernel, per_axis(known["dilation"], len(kernel)))
    assume(all(low == high >= 0 for low, high in ends))
    theirs: dict[str, Any] = {"groups": known["groups"]}
    theirs["padding"] = tuple(low for low, _ in ends)
    for name in ("stride", "dilation"):
        theirs[name] = per_axis(known[name], len(kernel))
    rows: tuple[tuple[Any, dict[str, Any]], ...] = (
        (convNd_kfc, {"normalization": "batch"}),
        (convNd_kfac_reduce, {"approximation": "reduce"}),
    )
    for module, how in rows:
        equation, operands, shape = module.einsum_expression(
            torch.from_numpy(x), kernel, simplify=True, **theirs
        )
        want = torch.einsum(equation, *operands).reshape(shape).numpy()
        found = functions.kfac_input_factor(x, kernel, **known, **how)
        limit = 1e-5 * max(1.0, float(np.abs(want).max()))
        np.testing.assert_allclose(found, want, rtol=0, atol=limit)


# ---- exact cases: a linear network behind the layer, a squared loss


def curvature(layer: Any, parameters: list[Any], mean: bool) -> Any:
    """Rows of the Jacobian of what the loss squares, in all parameters, flattened."""

    def outputs(*values: Any) -> Any:
        found = layer(*values).flatten(2)
        return found.mean(2) if mean else found

    parts = torch.autograd.functional.jacobian(outputs, tuple(parameters))
    shape = outputs(*parameters).shape
    count = int(np.prod(shape))
    return [part.reshape(count, *part.shape[len(shape) :]) for part in parts]


@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize("transposed", [False, True])
@pytest.mark.parametrize("approximation", ["expand", "reduce"])
@pytest.mark.parametrize("groups", [1, 2])
def test_exact_for_deep_linear_networks(
    approximation: str, transposed: bool, bias: bool, groups: int
) -> None:
    generator = torch.Generator().manual_seed(0)

    def normal(*shape: int) -> Any:
        return torch.randn(shape, generator=generator, dtype=torch.float64)

    x, shift, mix = normal(3, 4, 5, 4), normal(6), normal(3, 6)
    hyper: dict[str, Any] = {"stride": 2, "padding": 1, "groups": groups}
    weight = normal(*((4, 6 // groups) if transposed else (6, 4 // groups)), 3, 2)
    own = torch.nn.functional
    run = own.conv_transpose2d if transposed else own.conv2d

    def layer(weight: Any, shift: Any) -> Any:
        found = run(x, weight, shift, **hyper)
        return torch.einsum("ed,nd...->ne...", mix, found)

    mean = approximation == "reduce"
    in_weight, in_bias = curvature(layer, [weight, shift], mean)
    if transposed:  # (rows, groups, in, out, k0, k1), out to the front
        split = in_weight.reshape(-1, groups, 4 // groups, *weight.shape[1:])
        split = split.movedim(3, 2)
    else:
        split = in_weight.reshape(-1, groups, 6 // groups, *weight.shape[1:])
    split = split.flatten(3)
    if bias:
        split = torch.cat([split, in_bias.reshape(-1, groups, 6 // groups, 1)], -1)
    rows = split.flatten(2)
    exact = torch.einsum("rga,rgb->gab", rows, rows)

    output = run(x, weight, shift, **hyper)
    columns = mix[:, None, :, None, None].expand(3, 3, 6, *output.shape[2:])
    if mean:
        columns = columns / output[0, 0].numel()
    operation = "kfac_transpose_input_factor" if transposed else "kfac_input_factor"
    how: Any = {"approximation": approximation}
    a = getattr(tnconv, operation)(x, (3, 2), bias=bias, **how, **hyper)
    b = tnconv.kfac_output_factor(columns, columns=True, groups=groups, **how)
    for block in range(groups):
        found = torch.kron(b[block], a[block])
        torch.testing.assert_close(found, exact[block], rtol=1e-10, atol=1e-10)


# ---- numbers


@pytest.mark.parametrize(
    ("library", "dtype"),
    [(NUMPY, "float16"), (TORCH, "float16"), (TORCH, "bfloat16")],
    ids=str,
)
def test_half_types_are_summed_wide(library: Library, dtype: str) -> None:
    x = library.array(np.full((4, 1, 1000), 1.5), dtype)
    found = library.values(tnconv.kfac_input_factor(x, 2, bias=True))
    want = np.array([[[2.25, 2.25, 1.5], [2.25, 2.25, 1.5], [1.5, 1.5, 1.0]]])
    np.testing.assert_array_equal(found.astype(float), want)
    found = library.values(tnconv.kfac_output_factor(x, normalization="both"))
    np.testing.assert_array_equal(found.astype(float), [[[2.25]]])


def test_complex_factors_are_hermitian() -> None:
    rng = np.random.default_rng(0)
    x = rng.standard_normal((3, 4, 6)) + 1j * rng.standard_normal((3, 4, 6))
    for found in (
        tnconv.kfac_input_factor(x, 3, padding=1, bias=True, groups=2),
        tnconv.kfac_transpose_input_factor(x, 3, stride=2, bias=True),
        tnconv.kfac_output_factor(x, approximation="reduce"),
    ):
        np.testing.assert_allclose(found, found.conj().swapaxes(1, 2), rtol=1e-14)
        assert np.abs(found.imag).max() > 0.1
        assert np.linalg.eigvalsh(found).min() > -1e-12


def test_a_bias_does_not_see_the_padding() -> None:
    found = tnconv.kfac_input_factor(
        np.ones((2, 1, 4)), 3, padding=5, normalization="none", bias=True
    )
    assert found[0, -1, -1] == 2 * 12
    np.testing.assert_array_equal(found[0, -1, :3], [2 * 4] * 3)


@pytest.mark.parametrize("operation", FACTORS)
@QUICK
@given(data=st.data())
def test_jax(operation: str, data: Any) -> None:
    jax = pytest.importorskip("jax")
    case = data.draw(cases(operation, Limits((1, 2), filled=True)))
    arrays = {k: v / 4 for k, v in case.integers(data.draw(seeds())).items()}

    def run(*values: Any) -> Any:
        return case.apply(functions, dict(zip(arrays, values, strict=True)))

    given = [jax.numpy.asarray(v, "float32") for v in arrays.values()]
    want = case.apply(oracles, arrays)
    scale = 1e-5 * np.max(np.abs(want), initial=1.0)
    for found in (run(*given), jax.jit(run)(*given)):
        np.testing.assert_allclose(np.asarray(found), want, rtol=0, atol=scale)


# ---- bad input


@pytest.mark.parametrize(
    ("operation", "how", "message"),
    [
        ("kfac_input_factor", {"normalization": "mean"}, "both"),
        ("kfac_input_factor", {"approximation": "kfc"}, "reduce"),
        ("kfac_input_factor", {"grouping": "joint"}, "average"),
        ("unfolded_inputs", {"outermost": "last"}, "kernel"),
        ("unfolded_inputs", {"approximation": "sum"}, "expand"),
        ("unfolded_inputs", {"dilation": 9}, "positions"),
        ("kfac_transpose_input_factor", {"groups": 3}, "groups"),
        ("kfac_output_factor", {"groups": 3}, "out_channels"),
        ("kfac_output_factor", {"loss_average": "mean"}, "loss_average"),
    ],
)
def test_what_does_not_fit_is_refused(
    operation: str, how: dict[str, Any], message: str
) -> None:
    x, size = np.ones((2, 4, 6)), () if operation == "kfac_output_factor" else (3,)
    with pytest.raises(ArgumentError, match=message):
        getattr(tnconv, operation)(x, *size, **how)
    with pytest.raises(ArgumentError, match="batched"):
        tnconv.kfac_output_factor(x[0, 0])


def test_booleans_are_refused() -> None:
    with pytest.raises(ArrayError, match="bool"):
        tnconv.kfac_output_factor(np.ones((2, 4, 6), bool))
