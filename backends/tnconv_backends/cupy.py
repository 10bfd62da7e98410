"""CuPy: NumPy's strided views and in-place writes, on the device of the arrays.

CuPy imports without a GPU and fails when an array is made, so what its backend has to
add is a clear error, and the device made current around a run.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import cupy
from cupy.lib.stride_tricks import as_strided

from tnconv.errors import ArrayError
from tnconv.execution.backend import Place
from tnconv.execution.crew import Crew
from tnconv.execution.program import Program
from tnconv.planning.device import Device
from tnconv.planning.machine import Machine
from tnconv_backends.array_api import ArrayAPIBackend
from tnconv_backends.strided_kernels import StridedKernels

Array = Any


class CuPyKernels(StridedKernels):
    """The kernels of strided libraries."""

    library = cupy
    as_strided = staticmethod(as_strided)


class CuPyBackend(ArrayAPIBackend):
    """Arrays of CuPy."""

    name = "cupy"
    windows = True
    in_place = True
    kernels = CuPyKernels

    def accepts(self, kind: type) -> bool:
        """CuPy's arrays, subclasses included."""
        return issubclass(kind, cupy.ndarray)

    def place(self, array: Array) -> Place:
        """Library, dtype and device; by number, as CuPy's devices have no hash."""
        found = super().place(array)
        number = int(getattr(found.device, "id", 0))
        return Place(found.backend, found.library, found.dtype, number)

    def machine(self, place: Place) -> Machine:
        """The constants for the GPU; raises ArrayError without a CUDA device."""
        check_device()
        return super().machine(place)

    def device_class(self, place: Place) -> Device:
        """The GPU by its name."""
        number: Any = place.device or 0
        facts = cupy.cuda.runtime.getDeviceProperties(int(number))
        return Device("cuda", str(facts["name"].decode()))

    def home(self, dtype: str, device: Any = None) -> Place:
        """The place of new arrays, on the first GPU for None."""
        check_device()
        import array_api_compat.cupy as xp

        return Place(self.name, xp, dtype, int(device or 0))

    def sample(self, place: Place, shape: Sequence[int], seed: int) -> Array:
        """An array of varied values, on the device of the place."""
        anywhere = Place(place.backend, place.library, place.dtype, None)
        with cupy.cuda.Device(place.device):
            return super().sample(anywhere, shape, seed)

    def wait(self, array: Array) -> None:
        """Return when the array's device has computed everything asked of it."""
        with array.device:
            cupy.cuda.get_current_stream().synchronize()

    def compile(
        self, program: Program, place: Place, crew: Crew | None = None
    ) -> Callable[[Sequence[Array]], Array]:
        """A closure that runs the program with the arrays' device current."""
        check_device()
        device = cupy.cuda.Device(place.device)
        with device:
            run = super().compile(program, place, crew)

        def on_device(arrays: Sequence[Array]) -> Array:
            with device:
                return run(arrays)

        return on_device


def check_device() -> None:
    """Raise ArrayError where CuPy is installed and there is no device to use it on."""
    try:
        usable, why = bool(cupy.is_available()), "cupy.is_available() is False"
    except RuntimeError as error:  # a driver that is there and does not work
        usable, why = False, str(error)
    if not usable:
        raise ArrayError(
            f"CuPy sees no CUDA device ({why}); run on a machine with an NVIDIA GPU "
            "and a driver that fits this CuPy, or plan for another backend and pass "
            "that library's arrays"
        )
