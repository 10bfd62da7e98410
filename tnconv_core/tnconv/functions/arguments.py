"""Hyper-parameters as they come, made hashable for the cache; builders check them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from operator import index
from typing import Any

from tnconv.errors import ArgumentError
from tnconv.functions.call import Operation, Terms

HYPER = ("stride", "padding", "dilation", "groups", "padding_mode")
TRANSPOSED = ("stride", "padding", "output_padding", "dilation", "groups")


@dataclass(frozen=True, slots=True)
class NotAnInt:
    """What stands for a bool, a float or anything else until a builder refuses it.

    ``True`` and ``1.0`` equal 1, so that as cache keys they would be taken for it.
    """

    text: str

    def __repr__(self) -> str:
        return self.text


def frozen(value: Any) -> Any:
    """``value`` hashable: ints and texts as they are, sequences as tuples."""
    kind = type(value)
    if kind is int or kind is str:
        return value
    if isinstance(value, (tuple, list)):
        return tuple([frozen(entry) for entry in value])
    if kind is bool or kind.__name__ == "bool_":
        return NotAnInt(repr(value))
    try:
        return index(value)
    except TypeError:
        return NotAnInt(repr(value))


def hyper(*values: Any) -> tuple[Any, ...]:
    """All hyper-parameters of a call as one hashable tuple."""
    for value in values:  # this runs before every look-up: the usual kinds as they are
        kind = type(value)
        if kind is tuple:
            for entry in value:
                if type(entry) is not int:
                    return tuple([frozen(v) for v in values])
        elif kind is not int and kind is not str:
            return tuple([frozen(v) for v in values])
    return values


def operation(
    builder: Callable[..., Terms], names: tuple[str, ...], keywords: tuple[str, ...]
) -> Operation:
    """The operation of a builder: shapes of ``names`` first, then ``keywords``.

    It is called as the builder is, less ``_terms`` where that gives several networks.
    """
    count = len(names)

    def build(*values: Any) -> Terms:
        return builder(
            *values[:count], **dict(zip(keywords, values[count:], strict=True))
        )

    name = builder.__name__.removesuffix("_terms")
    return Operation(name=name, build=build, names=names)


def check_tangent(name: str, tangent: Any, primal: Any, what: str) -> None:
    """Refuse a tangent that is not shaped like what it is a tangent of."""
    have, want = getattr(tangent, "shape", None), getattr(primal, "shape", None)
    if have is not None and want is not None and tuple(have) != tuple(want):
        raise ArgumentError(
            f"{name}: {what}_tangent has shape {tuple(have)}, {what} {tuple(want)}; "
            "give the tangent the shape of what it is a tangent of"
        )


def no_tangent(name: str) -> ArgumentError:
    """The error of a JVP without any tangent."""
    return ArgumentError(
        f"{name}: no tangent is given; "
        "give at least one of x_tangent, weight_tangent, bias_tangent"
    )
