"""Curvature operations against dense Jacobians, on every library."""

from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from tests import dense
from tests.curvature_cases import OPERATIONS, curvature_cases
from tests.libraries import LIBRARIES, NUMPY, TORCH, Library
from tests.strategies import Case, seeds

from tnconv import functions

UNSHRUNK = settings(
    deadline=None,
    suppress_health_check=(HealthCheck.too_slow, HealthCheck.data_too_large),
    phases=(Phase.explicit, Phase.reuse, Phase.generate),
)
by_library = pytest.mark.parametrize("library", LIBRARIES, ids=lambda lib: lib.name)
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
