"""Dask: a chunk is a part of the network, and a task for the library inside."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from tnconv.errors import ArrayError
from tnconv.execution.backend import Place
from tnconv.execution.crew import Crew
from tnconv.execution.program import Program
from tnconv.execution.registry import backend as backend_named
from tnconv.planning.machine import Machine
from tnconv_backends.array_api import ArrayAPIBackend
from tnconv_backends.dask.chunks import contracted

Array = Any


class DaskBackend(ArrayAPIBackend):
    """Arrays of ``dask.array``; results are lazy."""

    name = "dask"
    spreads = False

    def accepts(self, kind: type) -> bool:
        """Dask's arrays."""
        return kind.__module__.startswith("dask.array") and kind.__name__ == "Array"

    def place(self, array: Array) -> Place:
        """As any library's; chunks of unknown size are refused."""
        if any(size != size for size in array.shape):
            raise ArrayError(
                "its chunks have unknown sizes; call its compute_chunk_sizes() first"
            )
        return super().place(array)

    def machine(self, place: Place) -> Machine:
        """What is inside of chunks, unless they say otherwise: NumPy's arrays."""
        return backend_named("numpy").machine(Place("numpy", None, place.dtype, "cpu"))

    def compile(
        self, program: Program, place: Place, crew: Crew | None = None
    ) -> Callable[[Sequence[Array]], Array]:
        """The program on whole arrays by Dask's own functions; :meth:`call` contracts
        chunks instead. Dask's scheduler is the executor."""
        compiled = super().compile
        return lambda arrays: compiled(program, place)(arrays)

    def call(
        self, run: Callable[[Sequence[Array]], Array], job: Any, arrays: Sequence[Array]
    ) -> Array:
        """A task for each part that the chunks make of the network."""
        return contracted(job.searched, job.options, arrays)
