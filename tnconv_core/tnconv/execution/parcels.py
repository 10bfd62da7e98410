"""What is sent to a worker at a time: a block, or several where there are many.

A plan may cut a network into thousands of blocks that fit a cache; a worker takes a run
of these as one program, reads what they read, and adds up what they write. How many
there are to a parcel follows from the loop alone, so the bits of a result do not depend
on the workers.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from tnconv.execution.program import Block, Loop, Program, Slices

#: parcels that a loop is sent in, at most
MOST = 128


@dataclass(frozen=True, slots=True)
class Parcel:
    """A program, the parts of the sources that it reads, and where its result goes."""

    program: Program
    reads: tuple[Slices, ...]
    write: Slices


def parcels(loop: Loop, most: int = MOST) -> list[Parcel]:
    """At most so many parcels, in the order of the blocks.

    >>> body = Program((("x", (1,)),), (), 0)
    >>> each = [Block((((n, n + 1),),), ((n, n + 1),), 0) for n in range(4)]
    >>> found = parcels(Loop((0,), (4,), tuple(each), (body,)), 2)
    >>> [parcel.write for parcel in found]
    [((0, 2),), ((2, 4),)]
    >>> found[0].program == found[1].program
    True
    """
    count = -(-len(loop.blocks) // most)
    starts = range(0, len(loop.blocks), max(1, count))
    return [_parcel(loop, loop.blocks[at : at + count]) for at in starts]


def _parcel(loop: Loop, blocks: Sequence[Block]) -> Parcel:
    if len(blocks) == 1:
        (block,) = blocks
        return Parcel(loop.bodies[block.body], block.reads, block.write)
    reads = tuple(map(_span, zip(*[block.reads for block in blocks], strict=True)))
    write = _span([block.write for block in blocks])
    bodies = tuple(dict.fromkeys(loop.bodies[block.body] for block in blocks))
    inner = [_moved(block, loop, reads, write, bodies) for block in blocks]
    names = [name for name, _ in bodies[0].inputs]
    inputs = tuple(zip(names, map(_shape, reads), strict=True))
    sources = tuple(range(len(inputs)))
    step = Loop(sources, _shape(write), tuple(inner), bodies)
    return Parcel(Program(inputs, (step,), len(inputs)), reads, write)


def _moved(
    block: Block,
    loop: Loop,
    reads: tuple[Slices, ...],
    write: Slices,
    bodies: tuple[Program, ...],
) -> Block:
    """A block as it stands in the parts that its parcel reads and writes."""
    return replace(
        block,
        reads=tuple(map(_within, block.reads, reads)),
        write=_within(block.write, write),
        body=bodies.index(loop.bodies[block.body]),
    )


def _span(parts: Sequence[Slices]) -> Slices:
    """The smallest part that has all of some parts in it."""
    axes = list(zip(*parts, strict=True))
    return tuple((min(a for a, _ in ax), max(b for _, b in ax)) for ax in axes)


def _within(part: Slices, whole: Slices) -> Slices:
    pairs = zip(part, whole, strict=True)
    return tuple((a - start, b - start) for (a, b), (start, _) in pairs)


def _shape(part: Slices) -> tuple[int, ...]:
    return tuple(stop - start for start, stop in part)
