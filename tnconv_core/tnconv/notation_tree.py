"""The tree a notation text is read into: no sizes yet, places for messages."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import NoReturn

from tnconv.errors import NotationError


@dataclass(frozen=True, slots=True)
class AxisText:
    """One axis: a composite of labels, or an affine view with bounds."""

    terms: tuple[tuple[str, int], ...]
    at: int
    affine: bool = False
    offset: int = 0
    bounds: tuple[int, int] | None = None
    size: int | None = None


@dataclass(frozen=True, slots=True)
class InputText:
    """An input: its axes and the name given or made up for it."""

    name: str
    axes: tuple[AxisText, ...]
    conjugate: bool
    at: int


@dataclass(frozen=True, slots=True)
class PatternText:
    """A pattern; ``kernel`` is None where one position is meant."""

    input: str
    output: tuple[str, int]
    kernel: tuple[str, int] | None
    padding: int
    at: int


@dataclass(frozen=True, slots=True)
class ReindexText:
    """A padding mode with its two widths, or ``pieces`` with its triples."""

    output: str
    mode: str
    input: str
    numbers: tuple[tuple[int, ...], ...]
    at: int


@dataclass(frozen=True, slots=True)
class SubText:
    """A sub-network and the axes through which it is read."""

    body: NetworkText
    axes: tuple[AxisText, ...]
    at: int


OperandText = InputText | PatternText | ReindexText | SubText


@dataclass(frozen=True, slots=True)
class NetworkText:
    """Operands, output, scale, sizes said in the text, and where labels stand."""

    operands: tuple[OperandText, ...]
    output: tuple[AxisText, ...]
    scale: Fraction
    sizes: dict[str, int]
    places: dict[str, int]


def fail(text: str, at: int, message: str) -> NoReturn:
    """Raise with the line of the text and a caret under the place."""
    start = text.rfind("\n", 0, at) + 1
    line = text[start:].split("\n", 1)[0]
    raise NotationError(f"notation: {message}\n  {line}\n  {' ' * (at - start)}^")
