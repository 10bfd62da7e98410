"""Curvature operations against dense Jacobians, on every library."""

from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, assume, given, settings
from hypothesis import strategies as st
from tests import dense
from tests.curvature_cases import OPERATIONS, curvature_cases
from tests.libraries import LIBRARIES, NUMPY, TORCH, Library
from tests.strategies import seeds
from tests.windows import Case

import tnconv
from tnconv import functions, networks
from tnconv.errors import ArgumentError

UNSHRUNK = settings(
    deadline=None,
    suppress_health_check=(HealthCheck.too_slow, HealthCheck.data_too_large),
    phases=(Phase.explicit, Phase.reuse, Phase.generate),
)
#: a few roundings of a half type, relative to the sum of absolute values
ROUNDED = {"float16": 2**-9, "bfloat16": 2**-6}
by_library = pytest.mark.parametrize("library", LIBRARIES, ids=str)
by_operation = pytest.mark.parametrize("operation", OPERATIONS)


def check(case: Case, library: Library, dtype: str, seed: int) -> None:
    """The function against the definition; complex data are conjugated once."""
    arrays = case.normals(seed)
    if dtype == "complex128":
        arrays = {k: v + 1j * case.normals(seed + 1)[k] for k, v in arrays.items()}
    expected = case.apply(dense, arrays)
    given_arrays = {k: library.array(v, dtype) for k, v in arrays.items()}
    result = case.apply(functions, given_arrays)
    scalar = isinstance(result, np.generic)  # what NumPy makes of the shape ()
    library.check(np.asarray(result) if scalar else result, dtype)
    assert tuple(result.shape) == expected.shape
    bound = case.apply(dense, {k: np.abs(v) for k, v in arrays.items()})
    limit = 1e-10 * np.max(bound, initial=1.0)
    np.testing.assert_allclose(library.values(result), expected, rtol=0, atol=limit)


@by_library
@by_operation
@settings(UNSHRUNK, max_examples=4)
@given(data=st.data())
def test_float64(library: Library, operation: str, data: Any) -> None:
    case = data.draw(curvature_cases(operation))
    check(case, library, "float64", data.draw(seeds()))


@pytest.mark.parametrize("library", (NUMPY, TORCH), ids=lambda lib: lib.name)
@settings(UNSHRUNK, max_examples=20)
@given(data=st.data())
def test_complex(library: Library, data: Any) -> None:
    operation = data.draw(st.sampled_from(OPERATIONS))
    case = data.draw(curvature_cases(operation))
    check(case, library, "complex128", data.draw(seeds()))


@pytest.mark.parametrize("library", (NUMPY, TORCH), ids=lambda lib: lib.name)
@settings(UNSHRUNK, max_examples=40)
@given(data=st.data())
def test_other_dtypes(library: Library, data: Any) -> None:
    """Halves are summed wide; what is made on the way is rounded as they are."""
    dtype = data.draw(st.sampled_from((*library.dtypes, "int64")))
    case = data.draw(curvature_cases(data.draw(st.sampled_from(OPERATIONS))))
    whole = dtype.startswith("int")
    values = {
        k: v / (1 if whole else 16)
        for k, v in case.integers(data.draw(seeds())).items()
    }
    bound = case.apply(dense, {k: np.abs(v) for k, v in values.items()})
    assume(np.max(bound, initial=0.0) < 2**15)  # what a float16 holds
    given_arrays = {k: library.array(v, dtype) for k, v in values.items()}
    result = case.apply(functions, given_arrays)
    scalar = isinstance(result, np.generic)
    library.check(np.asarray(result) if scalar else result, dtype)
    away = np.abs(library.values(result) - case.apply(dense, values))
    limit = ROUNDED.get(dtype, 0.0 if whole else 1e-5) * np.max(bound, initial=0.0)
    assert np.max(away, initial=0.0) <= limit, case


@pytest.mark.parametrize("name", ["conv_weight_vjp_squared_norm", "gram"])
@pytest.mark.parametrize("padding_mode", ["circular", "reflect", "replicate"])
def test_gradients_of_torch(name: str, padding_mode: str) -> None:
    """Norms and inner products of torch.func's own per-example gradients."""
    torch = pytest.importorskip("torch")
    layer = torch.nn.Conv2d(
        4, 6, (3, 2), stride=(1, 2), padding=(1, 1), groups=2, bias=False,
        padding_mode=padding_mode, dtype=torch.float64,
    )  # fmt: skip
    x = torch.randn(3, 4, 6, 5, dtype=torch.float64)
    cotangent = torch.randn_like(layer(x))

    def pulled(weight: Any, one: Any, back: Any) -> Any:
        out = torch.func.functional_call(layer, {"weight": weight}, one[None])
        return (out[0] * back).sum()

    each = torch.func.vmap(torch.func.grad(pulled), (None, 0, 0))
    rows = each(layer.weight.detach(), x, cotangent).flatten(1)
    known: dict[str, Any] = {"stride": (1, 2), "padding": 1, "groups": 2}
    known["padding_mode"] = padding_mode
    if name == "gram":
        found, expected = (
            functions.gram(x, cotangent[None], (3, 2), **known),
            rows @ rows.T,
        )
    else:
        found = getattr(functions, name)(x, cotangent, (3, 2), **known)
        expected = rows.square().sum(1)
    torch.testing.assert_close(found, expected, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize(
    ("shapes", "spoiled"),
    [
        ({"x": (2, 4, 7), "cotangent": (2, 6, 6)}, "cotangent"),
        ({"x": (2, 4, 7), "cotangent": (6, 5)}, "cotangent"),
        ({"x": (2, 3, 7), "cotangent": (2, 6, 5)}, "groups"),
    ],
)
def test_sizes_that_do_not_fit_are_refused(
    shapes: dict[str, tuple[int, ...]], spoiled: str
) -> None:
    x, cotangent = np.ones(shapes["x"]), np.ones(shapes["cotangent"])
    with pytest.raises(ArgumentError, match=f"conv_weight_vjp_squared_norm.*{spoiled}"):
        functions.conv_weight_vjp_squared_norm(x, cotangent, 3, groups=2)


def test_the_order_follows_the_cost() -> None:
    """Few positions: their Gram matrices. Many: the gradients, squared."""
    channels, kernel, batch = 64, 3, 4
    forming = 2 * channels * channels * kernel * batch  # flops at each position
    ratios = []
    for positions in (4, 20_000):
        shape = (batch, channels, positions)
        network = networks.conv_weight_vjp_squared_norm(shape, shape, (3,), padding=1)
        flops = tnconv.expression(network, backend="numpy").planned.flops
        ratios.append(flops / (forming * positions))
    assert ratios[0] < 0.5 < ratios[1] < 1.5


@pytest.mark.parametrize(
    "case",
    [
        Case("hessian_diagonal", {"x": (1, 1, 1), "diagonal": (1, 1, 1)}, (1,), {}),
        Case(
            "input_hessian_diagonal",
            {"weight": (1, 1, 2, 3), "diagonal": (1, 1, 1, 2)},
            ((1, 4),),
            {
                "stride": (4, 3),
                "padding": ((1, 1), (4, 4)),
                "dilation": (1, 3),
                "padding_mode": "circular",
            },
        ),
    ],
    ids=lambda case: case.operation,
)
def test_patterns_with_a_leg_in_common_are_no_dimensions(case: Case) -> None:
    """One output or one input for both: not two axes of one convolution."""
    check(case, NUMPY, "float64", 0)
