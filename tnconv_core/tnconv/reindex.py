"""Padding modes as symbolic maps: which input position each padded position copies.

A padding mode other than zeros is an operand of its own: the 0/1 matrix ``R[i, p]``
that is 1 where padded position ``p`` is a copy of input position ``i``. It is kept as a
few affine pieces, so that reading through it is a concatenation of slices, and writing
through it (the transpose) adds slices.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from tnconv.errors import ArgumentError, NetworkError

MODES = ("zeros", "reflect", "replicate", "circular")


@dataclass(frozen=True, slots=True)
class Piece:
    """``length`` padded positions that copy input ``start, start+step, ..``."""

    start: int
    step: int
    length: int

    def slice(self, first: int, length: int) -> Piece:
        """The part of this piece from ``first`` on."""
        return Piece(self.start + self.step * first, self.step, length)


@dataclass(frozen=True, slots=True)
class IndexMap:
    """A map from padded positions to input positions, in consecutive pieces.

    >>> IndexMap.padding("reflect", 4, 2, 1).positions()
    [2, 1, 0, 1, 2, 3, 2]
    """

    input: int
    pieces: tuple[Piece, ...]

    def __post_init__(self) -> None:
        for piece in self.pieces:
            ends = (piece.start, piece.start + piece.step * (piece.length - 1))
            if piece.length < 1 or not all(0 <= end < self.input for end in ends):
                raise NetworkError(
                    f"index map: {piece} leaves an input of {self.input}"
                )

    @classmethod
    def padding(cls, mode: str, size: int, low: int, high: int) -> IndexMap:
        """The map of a padding mode; ``low`` and ``high`` may be negative (a crop)."""
        if mode not in MODES[1:]:
            raise ArgumentError(f"padding mode {mode!r} is none of {MODES[1:]}")
        _check_width(mode, size, low, high)
        before, after = max(0, low), max(0, high)
        pieces = {
            "reflect": (Piece(before, -1, before), Piece(size - 2, -1, after)),
            "replicate": (Piece(0, 0, before), Piece(size - 1, 0, after)),
            "circular": (Piece(size - before, 1, before), Piece(0, 1, after)),
        }[mode]
        middle = Piece(0, 1, size)
        whole = cls(size, tuple(p for p in (pieces[0], middle, pieces[1]) if p.length))
        start = max(0, -low)
        return whole.narrow(start, max(0, whole.output - start - max(0, -high)))

    @property
    def output(self) -> int:
        """The number of padded positions."""
        return sum(piece.length for piece in self.pieces)

    def positions(self) -> list[int]:
        """The input position of every padded position."""
        return [p.start + p.step * j for p in self.pieces for j in range(p.length)]

    def entries(self) -> Iterator[tuple[int, int]]:
        """Every ``(i, p)`` whose entry is 1."""
        return ((i, p) for p, i in enumerate(self.positions()))

    def is_identity(self) -> bool:
        """Whether nothing is padded or cropped."""
        return self.output == self.input and self.pieces in (
            (Piece(0, 1, self.input),),
            (),
        )

    def narrow(self, start: int, size: int) -> IndexMap:
        """Keep padded positions ``start .. start+size``."""
        if start < 0 or size < 0 or start + size > self.output:
            raise NetworkError(
                f"index map: slice {start}:{start + size} of {self.output}"
            )
        kept: list[Piece] = []
        for piece in self.pieces:
            first, last = max(0, start), min(piece.length, start + size)
            if first < last:
                kept.append(piece.slice(first, last - first))
            start -= piece.length
        return IndexMap(self.input, tuple(kept))


def _check_width(mode: str, size: int, low: int, high: int) -> None:
    limit = {"reflect": size - 1, "circular": size}.get(mode)
    widest = max(low, high, 0)
    if limit is not None and widest > max(0, limit):
        raise ArgumentError(
            f"padding mode {mode!r}: a padding of {widest} does not fit an input of "
            f"size {size} (at most {max(0, limit)}); pad less or use another mode"
        )
    if not size and widest:
        raise ArgumentError(f"padding mode {mode!r}: an input of size 0 has no values")
