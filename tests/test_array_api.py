"""The Python array API standard to the letter, on a device that is not the default.

array-api-strict refuses whatever the standard does not guarantee; here it also refuses
everything optional, and every conversion to NumPy or to a Python number.
"""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from tests import oracles
from tests.strategies import OPERATIONS, Case, cases, seeds

import tnconv
from tnconv import functions
from tnconv.errors import ArrayError

strict = pytest.importorskip("array_api_strict")

Array = NDArray[Any]
NEWEST = strict.get_array_api_strict_flags()["api_version"]
DEVICES = ("device1", "no_x64")  # the second has neither float64 nor int64
FEW = settings(
    deadline=None,
    max_examples=8,
    suppress_health_check=(HealthCheck.too_slow, HealthCheck.data_too_large),
    phases=(Phase.explicit, Phase.reuse, Phase.generate),
)
#: ways out of an array: to NumPy, to another library, to a Python number
EXITS = (
    *("__array__", "__buffer__", "__dlpack__", "__bool__", "__int__", "__float__"),
    *("__complex__", "__index__", "__iter__", "to_device"),
)
DOORS = ("array", "asarray", "ascontiguousarray", "asanyarray", "from_dlpack")


@contextmanager
def sealed(version: str = NEWEST) -> Iterator[None]:
    """Nothing optional, and no way out of an array."""
    flags = strict.ArrayAPIStrictFlags(
        api_version=version,
        boolean_indexing=False,
        data_dependent_shapes=False,
        enabled_extensions=(),
    )
    kind = type(strict.asarray(0.0))
    with pytest.MonkeyPatch.context() as patch, flags:
        for name in EXITS:
            patch.setattr(kind, name, _refused(name), raising=False)
        for name in DOORS:
            patch.setattr(np, name, _guarded(name, getattr(np, name)))
        yield


def _refused(name: str) -> Callable[..., Any]:
    def way_out(self: Any, *arguments: Any, **keywords: Any) -> Any:
        raise AssertionError(f"an array was converted by {name}")

    return way_out


def _guarded(name: str, real: Callable[..., Any]) -> Callable[..., Any]:
    """NumPy's function, closed to tnconv: the strict library is made of NumPy."""

    def door(*arguments: Any, **keywords: Any) -> Any:
        caller = str(sys._getframe(1).f_globals.get("__name__"))
        assert not caller.startswith("tnconv"), f"{caller} called numpy.{name}"
        return real(*arguments, **keywords)

    return door


def on(device: str, values: Array, dtype: str = "float32") -> Any:
    """``values`` as an array on one of the strict library's devices."""
    array = np.array(values, dtype=dtype)
    return strict.asarray(array, device=strict.Device(device))


def check(case: Case, device: str, version: str, seed: int) -> None:
    """One call, sealed, on a device, against the oracle; sums are exact."""
    tnconv.clear_caches()  # so that everything is planned and bound under the flags
    values = case.integers(seed)
    arrays = {k: on(device, v) for k, v in values.items()}
    with sealed(version):
        found = case.apply(functions, arrays)
    assert type(found).__module__.startswith("array_api_strict")
    assert found.device == strict.Device(device)
    assert found.dtype == strict.float32
    expected = case.apply(oracles, {k: v.astype(float) for k, v in values.items()})
    inside = np.asarray(found.to_device(strict.Device("CPU_DEVICE")))
    assert inside.shape == expected.shape
    rounded = "approximation" in case.hyper  # thirds are
    scale = np.max(np.abs(expected), initial=0.0) if rounded else 0.0
    np.testing.assert_allclose(inside, expected, rtol=0, atol=1e-6 * scale)


@pytest.mark.parametrize("operation", OPERATIONS)
@FEW
@given(data=st.data())
def test_every_operation(operation: str, data: Any) -> None:
    device = data.draw(st.sampled_from(DEVICES))
    version = data.draw(st.sampled_from((NEWEST, "2023.12")))
    check(data.draw(cases(operation)), device, version, data.draw(seeds()))


LAYER: dict[str, tuple[int, ...]] = {"x": (2, 4, 7, 6), "weight": (6, 2, 3, 2)}
HYPER = {"stride": (2, 1), "padding": 1, "dilation": (1, 2), "groups": 2}


@pytest.mark.parametrize("mode", ["zeros", "reflect", "replicate", "circular"])
@pytest.mark.parametrize("version", [NEWEST, "2023.12"])
@pytest.mark.parametrize(
    "forms", [[], ["window", "gemm"], ["taps"], ["fold"], ["gather", "window"]]
)
def test_every_form(forms: list[str], version: str, mode: str) -> None:
    case = Case("conv", LAYER, (), {**HYPER, "padding_mode": mode})
    with tnconv.options(forms=forms):
        check(case, "no_x64", version, 1)


def test_within_a_memory_limit() -> None:
    case = Case("conv", {"x": (2, 4, 30, 30), "weight": (8, 4, 3, 3)})
    with tnconv.options(memory_limit=40_000):
        check(case, "device1", NEWEST, 2)


@pytest.mark.parametrize("dtype", ["int32", "int64", "float64", "complex64"])
def test_other_dtypes_stay_as_they_are(dtype: str) -> None:
    case = Case("conv", LAYER, (), HYPER)
    values = case.integers(3)
    arrays = {k: on("device2", v, dtype) for k, v in values.items()}
    with sealed():
        found = case.apply(functions, arrays)
    assert found.dtype == getattr(strict, dtype)
    inside = np.asarray(found.to_device(strict.Device("CPU_DEVICE")))
    np.testing.assert_array_equal(inside, case.apply(oracles, values))


def test_the_seal_holds() -> None:
    x = on("CPU_DEVICE", np.ones(2))
    with sealed():
        for leave in (np.asarray, float, list, np.from_dlpack):
            with pytest.raises(AssertionError, match="converted by"):
                leave(x if leave is not float else x[0])
        with pytest.raises(RuntimeError, match="data_dependent_shapes"):
            strict.nonzero(x)
    code = compile("numpy.asarray([1])", "", "eval")
    with sealed(), pytest.raises(AssertionError, match=r"called numpy\.asarray"):
        eval(code, {"numpy": np, "__name__": "tnconv_backends.kernels"})


def test_devices_are_not_mixed() -> None:
    x, weight = (on(d, np.ones((1, 1, 2))) for d in ("device1", "device2"))
    with pytest.raises(ArrayError, match=r"weight has device .*device2.*x has .*1"):
        tnconv.conv(x, weight)
