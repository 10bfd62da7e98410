"""What a turn of a loop takes beside its body: slices to read, a part to write.

A body is planned for arrays of its own. What it is given are slices of larger ones, and
of those that are in several pieces the libraries make copies wherever they want one. An
array that no block cuts is read, and packed, once more in every turn.
"""

from __future__ import annotations

from collections.abc import Mapping
from math import prod

from tnconv.execution.program import (
    Native,
    Program,
    Shape,
    Spectral,
    Step,
    View,
    size_of,
)
from tnconv.planning.charge import Charge
from tnconv.planning.rates import fresh, memory_seconds

#: what adding to a result takes, as a share of adding a part that was made before
ADDED = 0.5


def turn_seconds(
    body: Program, arrays: Mapping[str, Shape], result: Shape, charge: Charge
) -> float:
    """Seconds to read slices of ``arrays`` in pieces and whole ones again, and to put
    the part of the ``result`` in its place."""
    seconds = 2 * charge.machine.call + _put(body, result, charge)
    for register, (name, shape) in enumerate(body.inputs):
        readers = [step for step in body.steps if register in step.sources]
        if shape == arrays[name]:
            nbytes = size_of(shape) * charge.itemsize
            seconds += memory_seconds(nbytes, charge.machine)
        elif run_of(shape, arrays[name]) < size_of(shape) and any(
            map(_copies, readers)
        ):
            seconds += _moved(shape, arrays[name], charge.machine.copy, charge)
    return seconds


def _put(body: Program, result: Shape, charge: Charge) -> float:
    """Seconds to put a part in its place: a step that puts it there itself adds it, or
    takes no time for it."""
    seconds = _moved(body.shape, result, charge.machine.add, charge)
    if handed_bytes(body, result, charge):
        return seconds
    return ADDED * seconds if body.shape == result else 0.0


def handed_bytes(body: Program, result: Shape, charge: Charge) -> int:
    """Bytes that are handed over to be put in their place: none where a body does that
    itself."""
    in_one_piece = run_of(body.shape, result) == size_of(body.shape)
    if in_one_piece and charge.lands(body, added=body.shape == result):
        return 0
    return size_of(body.shape) * charge.itemsize


def whole_seconds(result: Shape, charge: Charge) -> float:
    """Seconds to obtain the memory of a loop's result."""
    return fresh(size_of(result) * charge.itemsize, charge.machine)


def run_of(part: Shape, whole: Shape) -> int:
    """How many elements of a slice lie side by side.

    >>> run_of((8, 4, 5), (8, 6, 5)), run_of((2, 6, 5), (8, 6, 5))
    (20, 60)
    """
    inner = len(whole)
    while inner and part[inner - 1] == whole[inner - 1]:
        inner -= 1
    return prod(part[max(0, inner - 1) :])


def _copies(step: Step) -> bool:
    """Whether a step takes its array in one piece only, as fused views do."""
    fuses = isinstance(step, View) and not step.copy and step.dims != step.shape
    return fuses or isinstance(step, (Native, Spectral))


def _moved(part: Shape, whole: Shape, rate: float, charge: Charge) -> float:
    count = size_of(part)
    runs = count / max(1, run_of(part, whole))
    return count * charge.itemsize / rate + runs * charge.machine.run
