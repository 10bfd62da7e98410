"""The blocks of a loop, one after another: contracted here, or by a crew.

Here a block whose last step can puts its result where the loop has it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from tnconv.execution.crew import Crew
from tnconv.execution.landing import begun
from tnconv.execution.parcels import MOST, parcels
from tnconv.execution.program import Block, Loop, Program, Shape, Slices
from tnconv_backends.landing import landing_bodies

if TYPE_CHECKING:
    from tnconv_backends.kernels import Kernels

Array = Any
#: None: the whole
Cut = tuple[slice, ...] | None


def block_results(
    kernels: Kernels, step: Loop, shapes: Sequence[Shape]
) -> tuple[Loop, Callable[..., Iterator[Array]]]:
    """The loop whose blocks say where results belong, and a function of its result and
    its sources that yields these in that order; None for one that is where it belongs.
    """
    if kernels.crew is not None and step.sources:
        return _spread(kernels, kernels.crew, step, shapes)
    bodies = [kernels.bind_program(body) for body in step.bodies]
    landing = landing_bodies(kernels, step)
    turns = [
        (landing.get((block.body, added)), block, cuts(block.reads, shapes))
        for block, added in zip(step.blocks, begun(step), strict=True)
    ]

    def run(total: Array, *sources: Array) -> Iterator[Array]:
        for lands, block, reads in turns:
            if lands is None:
                yield bodies[block.body](parts(sources, reads))
            else:
                where = cut(block.write, step.shape)
                target = total if where is None else total[where]
                lands([*parts(sources, reads), target])
                yield None

    return step, run


def _spread(
    kernels: Kernels, crew: Crew, step: Loop, shapes: Sequence[Shape]
) -> tuple[Loop, Callable[..., Iterator[Array]]]:
    """The same by a crew, a parcel at a time: what they write may overlap."""
    sent, shared = parcels(step, MOST), crew.shares_memory
    turns = [(parcel.program, cuts(parcel.reads, shapes)) for parcel in sent]

    def tasks(sources: Sequence[Array]) -> Iterator[tuple[Program, list[Array]]]:
        for program, reads in turns:
            yield program, [kernels.sent(x, shared) for x in parts(sources, reads)]

    def run(total: Array, *sources: Array) -> Iterator[Array]:
        return crew.results(tasks(sources))

    blocks = tuple(Block(one.reads, one.write, at) for at, one in enumerate(sent))
    bodies = tuple(parcel.program for parcel in sent)
    return replace(step, blocks=blocks, bodies=bodies), run


def cuts(reads: Sequence[Slices], shapes: Sequence[Shape]) -> list[Cut]:
    """What a block reads of each source."""
    return [cut(part, shape) for part, shape in zip(reads, shapes, strict=True)]


def cut(part: Slices, shape: Shape) -> Cut:
    """The slices of a part; None where it is the whole."""
    if all(span == (0, size) for span, size in zip(part, shape, strict=False)):
        return None
    return tuple([slice(start, stop) for start, stop in part])


def parts(sources: Sequence[Array], reads: Sequence[Cut]) -> list[Array]:
    """Those parts of the arrays."""
    return [
        x if wanted is None else x[wanted]
        for x, wanted in zip(sources, reads, strict=True)
    ]
