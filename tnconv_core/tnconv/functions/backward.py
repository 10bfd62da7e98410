"""Gradients in several arrays of one network, what they have in common made once.

A plan of the network, taken apart into its products of arrays
(:mod:`tnconv.planning.stages`), is gone through forward and then back: each product is
pulled back to the arrays that it joined. All that runs are networks with plans of their
own, in the order of products that is cheapest for all of them together.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tnconv.edits import transpose
from tnconv.execution.backend import Backend, Place
from tnconv.execution.expression import Expression, Run, planned_expression
from tnconv.execution.staged import Row, cheapest_row, pulled_back
from tnconv.network import Network
from tnconv.options import Options

Array = Any

#: dtypes whose results are rounded once, at the end
HALVES = ("float16", "bfloat16")


@dataclass(frozen=True, slots=True)
class _Piece:
    """A network that is run, what its result is called, and what it reads."""

    name: str
    job: Expression
    run: Run

    def __call__(self, known: Mapping[str, Array]) -> Array:
        arrays = [known[name] for name in self.job.network.arguments]
        return self.job.backend.call(self.run, self.job, arrays)


@dataclass(frozen=True, slots=True)
class Backward:
    """Pieces in the order in which they run; gradients are named by their arrays."""

    pieces: tuple[_Piece, ...]
    wanted: tuple[str, ...]

    def __call__(
        self, arrays: Mapping[str, Array], cotangent: Array
    ) -> tuple[Array, ...]:
        """The gradients, in the order they were asked for."""
        known = {**arrays, _of("result"): cotangent}
        for piece in self.pieces:
            known[piece.name] = piece(known)
        return tuple(known[_of(name)] for name in self.wanted)


def backward(
    network: Network,
    wanted: tuple[str, ...],
    backend: Backend,
    place: Place,
    options: Options,
) -> Backward | None:
    """The way back to some arrays of a network.

    None where there is nothing to share: a plan of one product, half precision (rounded
    once, at the end), or a memory limit (products in the middle are kept).
    """
    if place.dtype in HALVES or options.memory_limit is not None:
        return None
    job, names = planned_expression(network, backend, place, options), frozenset(wanted)
    row = cheapest_row(job, place, lambda row: [n for _, n in _steps(row, names)])
    steps = _steps(row, names)
    if len(steps) == len(wanted):
        return None
    pieces = []
    for name, piece in steps:
        own = planned_expression(piece, backend, place, options)
        pieces.append(_Piece(name, own, own.compiled(place)))
    return Backward(tuple(pieces), wanted)


def _steps(row: Row, wanted: frozenset[str]) -> list[tuple[str, Network]]:
    """Networks by the name of their result: products forward, then their VJPs."""
    back = [
        (_of(name), transpose(stage.network, name, _of(stage.name)))
        for stage, name in pulled_back(row, wanted)
    ]
    read = {name for _, network in back for name in network.arguments}
    forward = []
    for stage in reversed(row[:-1]):
        if stage.name in read:
            forward.append((stage.name, stage.network))
            read |= set(stage.network.arguments)
    return [*reversed(forward), *back]


def _of(name: str) -> str:
    """What the gradient of an array is called."""
    return f"cotangent of {name}"
