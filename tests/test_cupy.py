"""CuPy: everything that holds without a GPU, on the real package; results with one."""

import ast
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests import oracles

import tnconv
from tnconv.errors import ArrayError
from tnconv.execution.backend import Place
from tnconv.execution.program import Program
from tnconv.execution.registry import backend, backend_for

cupy = pytest.importorskip("cupy")

NETWORK = tnconv.networks.conv((2, 3, 8), (4, 3, 3))
KERNELS = ("kernels.py", "standard.py", "constants.py", "array_api.py")


def usable() -> bool:
    """Whether there is a device to use CuPy on."""
    try:
        return bool(cupy.is_available())
    except RuntimeError:
        return False


without_device = pytest.mark.skipif(usable(), reason="there is a CUDA device")
with_device = pytest.mark.skipif(not usable(), reason="there is no CUDA device")


def test_importing_and_using_tnconv_does_not_import_cupy() -> None:
    code = (
        "import sys, numpy, tnconv\n"
        "tnconv.conv(numpy.ones((1, 2, 9)), numpy.ones((3, 2, 3)))\n"
        "tnconv.expression(tnconv.networks.unfold((1, 1, 4), 2), backend='array_api')\n"
        "assert 'cupy' not in sys.modules"
    )
    path = os.pathsep.join(filter(None, sys.path))
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": path},
    )
    assert not done.returncode, done.stderr


def test_the_backend_has_views_and_writes_in_place_as_numpy_has() -> None:
    from tnconv_backends.array_api import ArrayAPIBackend
    from tnconv_backends.cupy import CuPyKernels
    from tnconv_backends.numpy import NumPyKernels

    found = backend_for(cupy.ndarray)
    assert isinstance(found, ArrayAPIBackend)
    assert found is backend("cupy")
    assert (found.windows, found.in_place) == (True, True)
    assert not found.native_convolution
    for name in ("pad", "view", "add_into", "loop"):
        assert getattr(CuPyKernels, name) is getattr(NumPyKernels, name)
    assert not found.accepts(np.ndarray)


def test_subclasses_of_arrays_are_taken() -> None:
    class Mine(cupy.ndarray):  # type: ignore
        pass

    assert backend_for(Mine) is backend("cupy")


def test_the_namespace_has_every_function_the_kernels_call() -> None:
    xp = pytest.importorskip("array_api_compat.cupy")
    called = functions_called()
    assert {"matmul", "permute_dims", "concat", "astype", "zeros"} <= called
    assert [name for name in sorted(called) if not hasattr(xp, name)] == []
    for name in ("float32", "complex128"):
        assert xp.isdtype(getattr(xp, name), ("real floating", "complex floating"))


def test_the_library_has_every_function_the_strided_kernels_call() -> None:
    from tnconv_backends.cupy import CuPyKernels

    called = functions_called(("strided_kernels.py",), ("library",))
    assert {"zeros", "empty", "einsum"} <= called
    assert [name for name in sorted(called) if not hasattr(cupy, name)] == []
    assert CuPyKernels.library is cupy
    assert CuPyKernels.as_strided is cupy.lib.stride_tricks.as_strided


def functions_called(
    files: tuple[str, ...] = KERNELS, names: tuple[str, ...] = ("xp",)
) -> set[str]:
    """Attributes of ``xp`` (or other names) in the sources of kernels."""
    import tnconv_backends.kernels

    folder = Path(tnconv_backends.kernels.__file__).parent
    found = set()
    for name in files:
        for node in ast.walk(ast.parse((folder / name).read_text("utf-8"))):
            if isinstance(node, ast.Attribute) and _is_namespace(node.value, names):
                found.add(node.attr)
    return found


def _is_namespace(node: ast.expr, names: tuple[str, ...]) -> bool:
    if isinstance(node, ast.Attribute):
        return node.attr in names
    return isinstance(node, ast.Name) and node.id in names


def test_a_place_can_be_a_key() -> None:
    """CuPy's devices have no hash, so a place keeps the number."""

    class Stand(cupy.ndarray):  # type: ignore
        """What an array says of itself, without memory on a device."""

        def __new__(cls) -> Any:
            return cupy.ndarray.__base__.__new__(cls)

        dtype = np.dtype("float32")
        device = cupy.cuda.Device(1)

    place = backend("cupy").place(Stand())
    assert (place.backend, place.dtype, place.device) == ("cupy", "float32", 1)
    assert place in {place}


@without_device
def test_planning_without_a_device_is_one_clear_error() -> None:
    with pytest.raises(ArrayError, match=r"no CUDA device.*run on a machine with"):
        tnconv.expression(NETWORK, backend="cupy")
    with pytest.raises(ArrayError, match="no CUDA device"):
        backend("cupy").machine(Place("cupy", None, "float32", None))
    with pytest.raises(ArrayError, match="no CUDA device"):
        program = Program((("x", (1,)),), (), 0)
        backend("cupy").compile(program, Place("cupy", None, "float32", 0))


@without_device
def test_a_driver_that_fails_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    def fails() -> bool:
        raise RuntimeError("cudaErrorNoDevice: nothing is plugged in")

    monkeypatch.setattr(cupy, "is_available", fails)
    with pytest.raises(ArrayError, match=r"no CUDA device \(cudaErrorNoDevice"):
        tnconv.expression(NETWORK, backend="cupy")


@without_device
def test_plans_for_a_device_read_strided_windows(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(cupy, "is_available", lambda: True)
    facts = {"name": b"a GPU that nobody knows"}
    monkeypatch.setattr(cupy.cuda.runtime, "getDeviceProperties", lambda number: facts)
    planned = tnconv.expression(NETWORK, backend="cupy")
    assert planned.backend.machine(Place("cupy", None, "float32", 0)).strided
    assert "for         cupy, float32" in str(planned)


@with_device
@pytest.mark.parametrize("forms", [None, ["constant"], ["window", "gemm"], ["taps"]])
def test_results_on_a_device(forms: list[str] | None) -> None:
    rng = np.random.default_rng(0)
    x, weight = rng.standard_normal((2, 4, 9, 8)), rng.standard_normal((6, 2, 3, 2))
    hyper: dict[str, Any] = {"stride": 2, "padding": 1, "groups": 2}
    with tnconv.options(forms=forms):
        found = tnconv.conv(cupy.asarray(x), cupy.asarray(weight), **hyper)
    assert isinstance(found, cupy.ndarray)
    expected = oracles.conv(x, weight, **hyper)
    np.testing.assert_allclose(cupy.asnumpy(found), expected, rtol=1e-12, atol=1e-12)
