"""The backend protocol: who accepts an array, who compiles a program."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

if TYPE_CHECKING:
    from tnconv.execution.crew import Crew
    from tnconv.execution.program import Program
    from tnconv.planning.machine import Machine

Array = Any


@dataclass(frozen=True, slots=True)
class Place:
    """Where arrays live: backend, library, dtype and device; part of every cache key.

    ``library`` and ``device`` are whatever the backend needs to find them again.
    """

    backend: str
    library: Hashable
    dtype: str
    device: Hashable


class Backend(Protocol):
    """One array library, or a family of them.

    ``windows``, ``native_convolution``, ``in_place`` and ``autodiff`` say what its
    arrays can do, for readers and tests; the planner goes by :meth:`machine`.
    """

    name: str
    windows: bool
    native_convolution: bool
    in_place: bool
    autodiff: bool

    def accepts(self, kind: type) -> bool:
        """Whether arrays of this type are the backend's; imports nothing."""
        ...

    def place(self, array: Array) -> Place:
        """Library, dtype and device of an array; raises ArrayError for odd dtypes."""
        ...

    def machine(self, place: Place) -> Machine:
        """The cost model's constants for arrays at a place."""
        ...

    def compile(
        self, program: Program, place: Place
    ) -> Callable[[Sequence[Array]], Array]:
        """A closure that runs the program on arrays at that place."""
        ...

    def call(
        self, run: Callable[[Sequence[Array]], Array], job: Any, arrays: Sequence[Array]
    ) -> Array:
        """Run a compiled program, differentiably where the library does that."""
        ...


@runtime_checkable
class Measurable(Backend, Protocol):
    """A backend that can be timed: it makes arrays itself, and waits for results."""

    def home(self, dtype: str, device: Any = None) -> Place:
        """The place of new arrays, on the library's default device for None."""
        ...

    def sample(self, place: Place, shape: Sequence[int], seed: int) -> Array:
        """An array of varied values, the same for the same seed."""
        ...

    def wait(self, array: Array) -> None:
        """Return when the array has been computed."""
        ...


@runtime_checkable
class Spreading(Backend, Protocol):
    """A backend that leaves the blocks of loops to the workers of an executor.

    ``spreads`` is False where it takes an executor and needs none, as Dask's arrays.
    """

    spreads: bool

    def compile(
        self, program: Program, place: Place, crew: Crew | None = None
    ) -> Callable[[Sequence[Array]], Array]:
        """A closure as ever; its loops at the top give their blocks to a crew."""
        ...
