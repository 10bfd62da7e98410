"""A network with its plan, ready to run on arrays; and the plan cache."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from tnconv.edits import without_conjugates
from tnconv.errors import ArgumentError, ArrayError
from tnconv.execution.backend import Backend, Place, Spreading
from tnconv.execution.cache import BoundedCache, clear_all
from tnconv.execution.registry import backend as backend_named
from tnconv.execution.registry import backend_for
from tnconv.network import Network
from tnconv.options import Options, changed, current

if TYPE_CHECKING:  # the planner is loaded by the first network that is planned
    from tnconv.execution.explain import Explanation
    from tnconv.planning.plan import Plan
    from tnconv.planning.planner import Planned

Array = Any
Run = Callable[[Sequence[Array]], Array]

#: bytes per element the planner counts with; halves are computed in float32
ITEMSIZE = {
    "int8": 1, "uint8": 1, "int16": 2, "uint16": 2, "int32": 4, "uint32": 4,
    "int64": 8, "uint64": 8, "float16": 4, "bfloat16": 4, "float32": 4,
    "float64": 8, "complex64": 8, "complex128": 16,
}  # fmt: skip

_PLANS: BoundedCache[Planned] = BoundedCache(4096)


@dataclass(frozen=True)
class Expression:
    """A planned network. Call it with arrays, in the order of ``network.arguments``.

    ``str(expression)`` shows the network, the rules that fired, the path with the form
    of each step, flops, bytes, the predicted peak, and where the plan came from.
    ``spread``: whether the workers of ``options(executor=...)`` contract its blocks.
    """

    network: Network
    backend: Backend
    dtype: str
    options: Options
    planned: Planned
    _compiled: BoundedCache[Run]
    place: Place
    spread: bool = False

    @property
    def plan(self) -> Plan:
        """The plan that runs."""
        return self.planned.plan

    @property
    def peak_bytes(self) -> int:
        """Predicted bytes beyond inputs and result, at the worst moment."""
        return self.planned.peak

    @property
    def itemsize(self) -> int:
        """Bytes per element that the planner counts with."""
        return ITEMSIZE.get(self.dtype, 8)

    @property
    def here(self) -> Expression:
        """The same, contracted by this thread alone."""
        options = changed(self.options, {"executor": None})
        return planned_expression(self.network, self.backend, self.place, options)

    @property
    def searched(self) -> Network:
        """The network as it is planned: of real arrays, without conjugates."""
        return searched(self.network, self.dtype)

    def explain(self, measure: bool = False, *, limit: int = 8) -> Explanation:
        """The plans that were considered, the chosen one first; printed, a table.

        Args:
            measure: compile and time each, on arrays that the backend makes; every
                result is compared with the chosen plan's.
            limit: how many plans, at most.

        Raises:
            ArgumentError: there is to be measured, and the backend makes no arrays.
            ResultsDifferError: two plans do not agree.

        >>> import tnconv
        >>> network = tnconv.networks.conv((2, 3, 8), (4, 3, 3))
        >>> tnconv.expression(network).explain().chosen.chosen
        True
        """
        from tnconv.execution.explain import explain

        return explain(self, measure, limit)

    def keep(self) -> str:
        """Write the plan to the user's store, where other processes find it without a
        search; a measured plan that is there already is left. Returns its key.

        Raises:
            StoreError: the store cannot be written.

        >>> import tnconv
        >>> network = tnconv.networks.conv((2, 3, 8), (4, 3, 3))
        >>> key = tnconv.expression(network).keep()  # doctest: +SKIP
        """
        from tnconv.store.keep import keep

        return keep(self)

    def __str__(self) -> str:
        from tnconv.execution.report import report

        text = report(self.planned, self.backend.name, self.dtype)
        return f"{text}\nblocks by   the executor's workers" if self.spread else text

    def draw(self, path: str | None = None) -> Any:
        """Draw the network, to a picture at ``path``: :func:`tnconv.draw.draw`."""
        from tnconv.draw import draw

        return draw(self.network, path)

    def __call__(self, *arrays: Array, **named: Array) -> Array:
        """Contract arrays, given in order or by name."""
        ordered = self._ordered(arrays, named)
        place = common_place("expression", self.network, ordered)
        if place.backend != self.backend.name or place.dtype != self.dtype:
            raise ArrayError(
                f"expression: planned for {self.backend.name} {self.dtype}, called "
                f"with arrays of {place.backend} {place.dtype}; plan another expression"
            )
        return self.backend.call(self.compiled(place), self, ordered)

    def compiled(self, place: Place) -> Run:
        """The closure for arrays at a place."""
        return self._compiled.get_or_make(place, lambda: self._compile(place))

    def _compile(self, place: Place) -> Run:
        program, executor = self.planned.program, self.options.executor
        if executor is None:
            return self.backend.compile(program, place)
        if not isinstance(self.backend, Spreading):
            raise ArrayError(
                f"options(executor=...): the backend {self.backend.name!r} gives no "
                "blocks to workers; leave the option out for its arrays"
            )
        if not self.spread:
            return self.backend.compile(program, place)
        from tnconv.execution.crew import Crew

        crew = Crew(self.backend.name, executor)
        return self.backend.compile(program, place, crew)

    def _ordered(self, arrays: Sequence[Array], named: dict[str, Array]) -> list[Array]:
        names = list(self.network.arguments)
        if len(arrays) + len(named) != len(names) or not set(named) <= set(
            names[len(arrays) :]
        ):
            raise ArgumentError(
                f"expression: takes {', '.join(names)} "
                f"({len(names)} arrays), got {len(arrays)} by position and "
                f"{sorted(named)} by name"
            )
        return [*arrays, *(named[name] for name in names[len(arrays) :])]


def common_place(operation: str, network: Network, arrays: Sequence[Array]) -> Place:
    """Where all arrays are; raises where they differ or have other shapes."""
    places = places_of(operation, arrays, tuple(network.arguments))
    for (name, shape), array in zip(network.arguments.items(), arrays, strict=True):
        if tuple(array.shape) != shape:
            raise ArgumentError(
                f"{operation}: array {name!r} has shape {tuple(array.shape)}, the "
                f"network takes {shape}"
            )
    return places[0]


def places_of(
    operation: str, arrays: Sequence[Array], names: Sequence[str] = ()
) -> list[Place]:
    """The place of every array; raises ArrayError where libraries, dtypes or devices
    are mixed, naming the first array that differs."""
    names = names or [f"argument {number + 1}" for number in range(len(arrays))]
    places = []
    for name, array in zip(names, arrays, strict=False):
        try:
            kind: Any = type(array)
            places.append(backend_for(kind).place(array))
        except ArrayError as error:
            raise ArrayError(f"{operation}: {name}: {error}") from None
    for name, place in zip(names, places, strict=False):
        for what in ("backend", "library", "dtype", "device"):
            first, here = getattr(places[0], what), getattr(place, what)
            if first != here and None not in (first, here):  # None: cannot be known
                raise ArrayError(
                    f"{operation}: {name} has {what} {_name(here)}, {names[0]} has "
                    f"{_name(first)}; convert one of them first (tnconv never casts "
                    "or moves arrays)"
                )
    return places


def _name(what: Hashable) -> str:
    return str(getattr(what, "__name__", what))


def expression(
    network: Network,
    *,
    backend: str = "numpy",
    dtype: str = "float32",
    device: Any = None,
    **options: Any,
) -> Expression:
    """Plan a network for a backend and dtype.

    ``device`` is where the arrays will be, for backends whose cost model depends on it;
    ``options`` are those of :func:`tnconv.options`. Raises ArrayError for an unknown
    backend or dtype, ArgumentError for an unknown option, and MemoryLimitError where no
    plan stays within ``memory_limit``.

    >>> import tnconv
    >>> network = tnconv.networks.conv((2, 3, 8, 8), (4, 3, 1, 1))
    >>> tnconv.expression(network).plan.source
    'exact search'
    """
    if not isinstance(network, Network):
        raise ArgumentError(
            f"expression: takes a Network, got {network!r:.60}; "
            "tnconv.parse makes one of text"
        )
    if dtype not in ITEMSIZE:
        raise ArrayError(
            f"expression: dtype {dtype!r} is none of {', '.join(ITEMSIZE)}"
        )
    place = Place(backend, None, dtype, device)
    return planned_expression(
        network, backend_named(backend), place, changed(current(), options)
    )


def planned_expression(
    network: Network, backend: Backend, place: Place, options: Options
) -> Expression:
    """The expression of a network, planned once per machine, dtype and options."""
    if options.watch is not None:
        options.watch(network, place, options.plain)
    plain = options.plain
    machine = backend.machine(place)
    itemsize = ITEMSIZE.get(place.dtype, 8)
    key = (network, machine.key, place.dtype, plain)

    def make() -> Planned:
        from tnconv.store.places import places

        what, stores = searched(network, place.dtype), places(plain)
        if stores:
            from tnconv.store.lookup import Job
            from tnconv.store.lookup import planned as looked_up

            job = Job(machine, place.dtype, itemsize, plain)
            return replace(looked_up(what, job, stores), network=network)
        from tnconv.planning.planner import plan_network

        planned = plan_network(what, machine, itemsize, plain)
        return replace(planned, network=network)

    planned = _PLANS.get_or_make(key, make)
    there = None
    if options.executor is not None:
        from tnconv.execution.teams import planned_for_workers

        there = planned_for_workers(planned, itemsize, backend, place, options)
    return Expression(
        network,
        backend,
        place.dtype,
        options,
        there or planned,
        BoundedCache(32, shared=False),
        place,
        there is not None,
    )


def searched(network: Network, dtype: str) -> Network:
    """The network that is planned for a dtype: of real arrays, without conjugates."""
    return network if dtype.startswith("complex") else without_conjugates(network)


def clear_caches() -> None:
    """Forget every plan and compiled program of this process."""
    clear_all()
