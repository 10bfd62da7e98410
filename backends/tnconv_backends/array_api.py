"""Any library that follows the Python array API standard, with no adapter of its own.

Only what the standard guarantees is used; arrays stay in their library and on their
device. This carries array-api-strict as it is, CuPy and JAX with a few lines
more, Dask in its chunks, and is the reference for the others.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import array_api_compat as compat

from tnconv.errors import ArrayError
from tnconv.execution.backend import Place
from tnconv.execution.crew import Crew
from tnconv.execution.program import Program
from tnconv.planning.device import Device, cpu
from tnconv.planning.machine import Machine
from tnconv_backends.kernels import Kernels
from tnconv_backends.measure import sample

Array = Any

#: sums of these run in the wider dtype and are rounded once
WIDER = {"float16": "float32", "bfloat16": "float32"}
KINDS = ("integral", "real floating", "complex floating")


class ArrayAPIBackend:
    """Arrays of any conforming library."""

    name = "array_api"
    windows = False
    native_convolution = False
    in_place = False
    autodiff = False
    spreads = True
    kernels: type[Kernels] = Kernels
    #: the namespace of all arrays, where it is known without one
    library: Any = None

    def accepts(self, kind: type) -> bool:
        """Whether the type has a namespace, its own or one of array-api-compat."""
        if hasattr(kind, "__array_namespace__"):
            return True
        root = kind.__module__.partition(".")[0]
        return root in ("dask", "sparse", "ndonnx")

    def place(self, array: Array) -> Place:
        """Library, dtype and device of an array."""
        xp = compat.array_namespace(array)
        dtype = dtype_name(array.dtype)
        if not is_number(xp, array.dtype):
            raise ArrayError(f"dtype {dtype} is not a number to multiply and add")
        return Place(self.name, xp, dtype, compat.device(array))

    def machine(self, place: Place) -> Machine:
        """The constants for the device of a place, less what the library lacks."""
        from tnconv.execution.calibration import machine_for

        machine = machine_for(self.name, self.device_class(place))
        lacks = _lacks(place.library or self.library)
        return machine.with_dtype(place.dtype).without(*lacks)

    def device_class(self, place: Place) -> Device:
        """The processor, with as many threads as a BLAS takes."""
        return cpu()

    def home(self, dtype: str, device: Any = None) -> Place:
        """NumPy's namespace stands for any library that follows the standard."""
        import array_api_compat.numpy as xp

        return Place(self.name, xp, dtype, device or "cpu")

    def sample(self, place: Place, shape: Sequence[int], seed: int) -> Array:
        """An array of varied values, the same for the same seed."""
        return sample(place.library, place, tuple(shape), seed)

    def wait(self, array: Array) -> None:
        """Return when the array has been computed, where the library can tell."""
        ready = getattr(array, "block_until_ready", None)
        if ready is not None:
            ready()

    def compile(
        self, program: Program, place: Place, crew: Crew | None = None
    ) -> Callable[[Sequence[Array]], Array]:
        """A closure that runs the program on arrays at that place."""
        xp: Any = place.library
        wide = WIDER.get(place.dtype)
        dtype = getattr(xp, wide or place.dtype)
        run = self.kernels(xp, dtype, place.device, crew).bind_program(program)
        if wide is None:
            return run
        narrow = getattr(xp, place.dtype)

        def widened(arrays: Sequence[Array]) -> Array:
            return xp.astype(run([xp.astype(a, dtype) for a in arrays]), narrow)

        return widened

    def call(
        self, run: Callable[[Sequence[Array]], Array], job: Any, arrays: Sequence[Array]
    ) -> Array:
        """Run; differentiation is the library's own business."""
        return run(arrays)


def _lacks(xp: Any) -> tuple[str, ...]:
    """Rates of what a namespace does not offer, or may not on all of its arrays.

    Dask transforms no axis that lies in several chunks.
    """
    fft = hasattr(xp, "fft") and "dask" not in xp.__name__
    offers = {"fft": fft, "cumulative": hasattr(xp, "cumulative_sum")}
    return tuple(name for name, has in offers.items() if not has)


def dtype_name(dtype: Any) -> str:
    """The standard's name of a dtype: float32, complex64, int64, ..."""
    name = getattr(dtype, "name", None)
    return str(name) if name else str(dtype).rpartition(".")[2]


def is_number(xp: Any, dtype: Any) -> bool:
    """Whether a dtype is an integer, real or complex number."""
    try:
        return bool(xp.isdtype(dtype, KINDS))
    except (TypeError, ValueError):
        return False
