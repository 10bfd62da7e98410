"""A factorized kernel as JSON and arrays; what is read is checked before it is used."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, fields, replace
from typing import TYPE_CHECKING, Any

from tnconv.errors import ArgumentError, NetworkError, NotationError
from tnconv.factor.formats import CUSTOM, KernelShape, format_network
from tnconv.network import Network

if TYPE_CHECKING:
    from tnconv.factor.kernel import FactorizedKernel, Fit

KIND, VERSION = "tnconv factorized kernel", 1
_FIELDS = {"kind", "version", "format", "shape", "groups", "transposed"}
_NAMED = {"ranks"}
_CUSTOM = {"network", "sizes", "shapes"}
_FIGURES, _LONGEST = ("error", "output_error", "degeneracy"), 2000


def to_spec(kernel: FactorizedKernel) -> dict[str, Any]:
    """Version 1: format, shape, groups, whether transposed; ranks, or the network.

    And how it was fitted, where that is known.
    """
    network = kernel.network
    spec: dict[str, Any] = {
        "kind": KIND,
        "version": VERSION,
        "format": kernel.format,
        "shape": list(kernel.shape),
        "groups": kernel.groups,
        "transposed": kernel.transposed,
    }
    if kernel.fit is not None:
        spec["fit"] = {**asdict(kernel.fit), "remarks": list(kernel.fit.remarks)}
    if kernel.format != CUSTOM:
        return {**spec, "ranks": list(kernel.ranks)}
    shapes = {name: list(shape) for name, shape in network.arguments.items()}
    sizes = dict(network.label_sizes)
    return {**spec, "network": str(network), "sizes": sizes, "shapes": shapes}


def of_spec(spec: Mapping[str, Any], arrays: Mapping[str, Any]) -> FactorizedKernel:
    """The kernel of a spec and arrays by name."""
    from tnconv.factor.kernel import FactorizedKernel

    _check(spec)
    if not isinstance(arrays, Mapping):
        raise _error(f"arrays is {arrays!r:.60}", "give a mapping of names to arrays")
    shape = KernelShape(tuple(spec["shape"]), spec["groups"], spec["transposed"])
    if spec["format"] == CUSTOM:
        network = _parsed(spec)
    else:
        network = format_network(spec["format"], shape, spec["ranks"])
    names = tuple(network.arguments)
    if set(names) != set(arrays):
        raise _error(
            f"the factors are {', '.join(names)}, the arrays "
            f"{', '.join(map(str, arrays)) or 'none'}",
            "give every factor by its name, and nothing else",
        )
    factors = [arrays[name] for name in names]
    made = network if spec["format"] == CUSTOM else spec["format"]
    kernel = FactorizedKernel.of(
        made, shape.shape, factors, groups=shape.groups, transposed=shape.transposed
    )
    return replace(kernel, fit=_fit(spec["fit"]) if "fit" in spec else None)


def _fit(given: Any) -> Fit:
    """The record of a fit, checked."""
    from tnconv.factor.kernel import Fit

    if not isinstance(given, Mapping) or set(given) != {f.name for f in fields(Fit)}:
        raise _error(f"fit is {given!r:.60}, and not the record of a fit")
    for name in _FIGURES:
        value = given[name]
        number = type(value) in (int, float) and 0 <= value < float("inf")
        if value is not None and not number:
            raise _error(f"{name} of its fit is {value!r:.20}")
    remarks = given["remarks"]
    texts = [given["reason"], *remarks] if isinstance(remarks, list) else [None]
    if not all(isinstance(text, str) and len(text) <= _LONGEST for text in texts):
        raise _error("reason or remarks of its fit are no texts, or too long")
    error, output_error, degeneracy = (given[name] for name in _FIGURES)
    return Fit(error, output_error, degeneracy, given["reason"], tuple(remarks))


def _check(spec: Any) -> None:
    if not isinstance(spec, Mapping) or spec.get("kind") != KIND:
        raise _error(f"{spec!r:.80} is none", "give what spec() returned")
    if spec.get("version") != VERSION:
        raise _error(
            f"it is of version {spec.get('version')!r:.20}, known is {VERSION}",
            "use the tnconv that wrote it, or a newer one",
        )
    more = _CUSTOM if spec.get("format") == CUSTOM else _NAMED
    if set(spec) - {"fit"} != _FIELDS | more:
        odd = sorted(map(str, (set(spec) - {"fit"}) ^ (_FIELDS | more)))
        raise _error(f"fields are missing or unknown: {', '.join(odd)}")
    for name in ("shape", *more & _NAMED):
        if not _is_ints(spec[name]):
            raise _error(f"{name} is {spec[name]!r:.60}", "give a list of ints")
    if type(spec["groups"]) is not int or type(spec["transposed"]) is not bool:
        raise _error("groups is no int, or transposed no bool")


def _parsed(spec: Mapping[str, Any]) -> Network:
    from tnconv.notation import parse

    text, sizes, shapes = spec["network"], spec["sizes"], spec["shapes"]
    valid = isinstance(text, str) and isinstance(sizes, Mapping)
    if not valid or not _is_ints(list(sizes.values())):
        raise _error("network is no text, or sizes maps no labels to ints")
    if not isinstance(shapes, Mapping) or not all(map(_is_ints, shapes.values())):
        raise _error("shapes maps no names to lists of ints")
    try:
        return parse(text, sizes=sizes, shapes=shapes)
    except (NotationError, NetworkError) as error:
        raise _error(f"its network cannot be read ({error})") from error


def _is_ints(values: Any) -> bool:
    return isinstance(values, list) and all(
        type(n) is int and 0 <= n < 2**31 for n in values
    )


def _error(fact: str, remedy: str = "the spec is damaged") -> ArgumentError:
    return ArgumentError(f"spec of a factorized kernel: {fact}; {remedy}")
