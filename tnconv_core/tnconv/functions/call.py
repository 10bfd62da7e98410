"""The one door of every operation: look up what was planned, or check and plan it.

A call with known shapes, hyper-parameters, dtype, device and options is a dictionary
look-up and the backend's own calls. Everything that can be wrong is checked before
anything is planned, once per key.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache, partial
from typing import Any

from tnconv.errors import ArgumentError, NetworkError
from tnconv.execution.backend import Backend, Place
from tnconv.execution.cache import BoundedCache
from tnconv.execution.expression import places_of, planned_expression
from tnconv.execution.registry import backend_for
from tnconv.factor.kernel import FactorizedKernel
from tnconv.functions.terms import parts, summed
from tnconv.network import Network
from tnconv.networks.checks import Shape
from tnconv.options import Options, changed, current

Array = Any
#: a network, or several of one shape, whose results are added
Terms = Network | tuple[Network, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Operation:
    """An operation on arrays: ``build`` maps shapes and arguments to networks."""

    name: str
    build: Callable[..., Terms]
    names: tuple[str, ...]
    #: for each argument of ``build`` the network that stands for it; None for an array
    kernels: tuple[Network | None, ...] = ()
    #: what makes the entry of a new call, where it has several results
    planned: Callable[..., Any] | None = None
    #: from all arguments beside arrays, the share of memory that plans aim at
    target: Callable[..., float] | None = None

    def network(self, *values: Any) -> Network:
        """What ``build`` gives, where that is one network."""
        found = self.build(*values)
        if not isinstance(found, Network):
            raise NetworkError(f"{self.name}: is a sum of {len(found)} networks")
        return found

    def given(self, shapes: Sequence[Shape]) -> list[Shape | Network]:
        """What ``build`` takes, from the shapes of all arrays, factors one by one."""
        rest = list(shapes)
        found: list[Shape | Network] = []
        for kernel in self.kernels:
            found.append(rest.pop(0) if kernel is None else kernel)
            if kernel is not None:
                del rest[: len(kernel.arguments)]
        return [*found, *rest]


def flat(
    operation: Operation, arrays: tuple[Array, ...]
) -> tuple[Operation, tuple[Array, ...]]:
    """The operation on factors one by one, where a factorized kernel is given."""
    if FactorizedKernel not in map(type, arrays):
        return operation, arrays
    kernels: list[Network | None] = []
    found: list[Array] = []
    for array in arrays:
        if isinstance(array, FactorizedKernel):
            kernels.append(array.network)
            found += array.factors
        else:
            kernels.append(None)
            found.append(array)
    return _of_factors(operation, tuple(kernels)), tuple(found)


@lru_cache(maxsize=1024)
def _of_factors(operation: Operation, kernels: tuple[Network | None, ...]) -> Operation:
    """The operation that takes the inputs of the networks in an array's place."""
    names: list[str] = []
    for name, kernel in zip(operation.names, kernels, strict=False):
        inner = () if kernel is None else kernel.arguments
        names += [f"{name}.{a}" for a in inner] if kernel is not None else [name]
    return replace(operation, names=tuple(names), kernels=kernels)


#: what a known call is: arrays, the bias last, to the result
Entry = Callable[[Sequence[Array]], Array]
_CALLS: BoundedCache[Entry] = BoundedCache(4096)


def call(
    operation: Operation,
    arrays: tuple[Array, ...],
    arguments: tuple[Any, ...],
    bias: Array | None = None,
) -> Array:
    """Run an operation on arrays, or factorized kernels in their place; ``bias`` is
    added along the channel axis."""
    operation, arrays = flat(operation, arrays)
    given = arrays if bias is None else (*arrays, bias)
    try:
        key = (
            operation,
            arguments,
            current(),
            len(arrays),
            *[(type(a), a.shape, a.dtype, a.device) for a in given],
        )
        entry = _CALLS.entries.get(key)
    except (AttributeError, TypeError):  # no array, or one that hides what it is
        key = _spelled_out(operation, arrays, arguments, given)
        entry = _CALLS.entries.get(key)
    if entry is None:
        entry = _CALLS.get_or_make(
            key,
            lambda: (operation.planned or _planned)(operation, arrays, arguments, bias),
        )
    return entry(given)


def _spelled_out(
    operation: Operation,
    arrays: tuple[Array, ...],
    arguments: tuple[Any, ...],
    given: tuple[Array, ...],
) -> tuple[Any, ...]:
    """The key where the library's dtype or device has no hash, or is not shown.

    A device without a hash is known by its ``id`` (CuPy's are); for other arrays their
    backend is asked where they are.
    """
    facts: Sequence[Any]
    try:
        facts = [(type(a), a.shape, a.dtype, int(a.device.id)) for a in given]
        hash(tuple(facts))
    except (AttributeError, TypeError):
        places = places_of(operation.name, given, _names(operation, arrays))
        facts = [
            (type(a), tuple(a.shape), place)
            for a, place in zip(given, places, strict=False)  # too many: refused later
        ]
    return (operation, arguments, current(), len(arrays), *facts)


def _planned(
    operation: Operation,
    arrays: tuple[Array, ...],
    arguments: tuple[Any, ...],
    bias: Array | None,
) -> Entry:
    """Check, plan and compile a call that was not met before."""
    given = arrays if bias is None else (*arrays, bias)
    places = places_of(operation.name, given, _names(operation, arrays))
    shapes = operation.given([tuple(int(n) for n in a.shape) for a in arrays])
    built = operation.build(*shapes, *arguments)
    terms = (built,) if isinstance(built, Network) else built
    kind: Any = type(arrays[0])
    backend = backend_for(kind)
    spread = _spread(operation.name, terms[0], shapes, bias)
    options = _aimed(operation, arguments)
    term = partial(
        entry_of, operation, backend=backend, place=places[0], options=options
    )
    entry = term(terms[0])
    if len(terms) > 1 and backend.in_place:
        blocks = parts(terms[1:], places[0].dtype)
        entry = summed(entry, [(term(part.network), part) for part in blocks])
    elif len(terms) > 1:
        entry = _added(entry, [term(network) for network in terms[1:]])
    return entry if spread is None else _biased(entry, spread)


def entry_of(
    operation: Operation,
    network: Network,
    backend: Backend,
    place: Place,
    options: Options | None = None,
) -> Entry:
    """One network, planned, on the arrays of the call."""
    found = planned_expression(network, backend, place, options or current())
    entry: Entry = partial(backend.call, found.compiled(place), found)
    order = _order(operation, network)
    return entry if order is None else _reordered(entry, order)


def _aimed(operation: Operation, arguments: tuple[Any, ...]) -> Options:
    """The options in force, with the operation's share of memory if there is one."""
    options = current()
    if operation.target is None or options.memory_target is not None:
        return options
    return changed(options, {"memory_target": operation.target(*arguments)})


def _added(first: Entry, others: Sequence[Entry]) -> Entry:
    """The sum of all terms where arrays cannot be written to."""

    def total(given: Sequence[Array]) -> Array:
        found = first(given)
        for entry in others:
            found = found + entry(given)
        return found

    return total


def _reordered(entry: Entry, order: tuple[int, ...]) -> Entry:
    return lambda given: entry([given[j] for j in order])


def _biased(entry: Entry, spread: tuple[slice | None, ...]) -> Entry:
    return lambda given: entry(given[:-1]) + given[-1][spread]


def _names(operation: Operation, arrays: Sequence[Array]) -> tuple[str, ...]:
    """What errors call the arrays; the bias is last."""
    names = operation.names or tuple(f"array {j + 1}" for j in range(len(arrays)))
    return (*names, "bias")


def _order(operation: Operation, network: Network) -> tuple[int, ...] | None:
    """Where each argument of the network stands among the arrays of the call."""
    wanted = tuple(network.arguments)
    if not operation.names or wanted == operation.names:
        return None
    return tuple(operation.names.index(name) for name in wanted)


def _spread(
    name: str, network: Network, shapes: Sequence[Shape | Network], bias: Array | None
) -> tuple[slice | None, ...] | None:
    """The index that gives a bias an axis of length 1 per spatial dimension."""
    if bias is None:
        return None
    weight = shapes[1]
    spatial = len(weight.shape if isinstance(weight, Network) else weight) - 2
    channels = network.shape[-1 - spatial]
    if tuple(bias.shape) != (channels,):
        raise ArgumentError(
            f"{name}: bias has shape {tuple(bias.shape)}, the result has {channels} "
            f"channels (shape {network.shape}); pass a bias of shape ({channels},)"
        )
    return (slice(None), *(None,) * spatial)
