"""JAX: the reference kernels; works inside its transformations, which trace arrays."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy

from tnconv.execution.backend import Place
from tnconv.execution.crew import Crew
from tnconv.execution.program import Program
from tnconv.planning.device import Device
from tnconv_backends.array_api import ArrayAPIBackend

Array = Any


class JAXBackend(ArrayAPIBackend):
    """Arrays of JAX, and what stands for them under jit, grad and vmap."""

    name = "jax"
    autodiff = True
    library = jax.numpy

    def accepts(self, kind: type) -> bool:
        """JAX's arrays and tracers."""
        return issubclass(kind, (jax.Array, jax.core.Tracer))

    def place(self, array: Array) -> Place:
        """Library, dtype and device: None where it is traced, or on many devices."""
        found = super().place(array)
        device = found.device if isinstance(found.device, jax.Device) else None
        return Place(found.backend, found.library, found.dtype, device)

    def home(self, dtype: str, device: Any = None) -> Place:
        """The place of new arrays, on JAX's default device for None."""
        return Place(self.name, jax.numpy, dtype, device)

    def device_class(self, place: Place) -> Device:
        """The processor, or an accelerator by its name."""
        device: Any = place.device or jax.devices()[0]
        if getattr(device, "platform", "cpu") == "cpu":
            return super().device_class(place)
        return Device(device.platform, device.device_kind)

    def compile(
        self, program: Program, place: Place, crew: Crew | None = None
    ) -> Callable[[Sequence[Array]], Array]:
        """A closure that runs the program on arrays wherever they are.

        Zeros are made on no device in particular: JAX brings them to the arguments.
        Constants are computed now even if a function is being traced, as a traced one
        is worth nothing to the next call.
        """
        anywhere = Place(place.backend, place.library, place.dtype, None)
        with jax.ensure_compile_time_eval():
            here = super().compile(program, anywhere)
            if crew is None:
                return here
            there = super().compile(program, anywhere, crew)

        def run(arrays: Sequence[Array]) -> Array:
            traced = any(isinstance(x, jax.core.Tracer) for x in arrays)
            return here(arrays) if traced else there(arrays)

        return run
