"""Cutting a label into blocks: the same network on slices of its arrays.

A block keeps some values of one label, reads only the parts of the arrays these need,
and writes its part of the result. Blocks inside a large map are equal networks, so they
share one plan.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from tnconv.axis import Axis
from tnconv.edits import restrict
from tnconv.errors import NetworkError
from tnconv.execution.program import Block, Loop, Program, Slices
from tnconv.network import Input, Network, SubNetwork


@dataclass(frozen=True, slots=True)
class Cut:
    """Blocks of ``size`` values of a label."""

    label: str
    size: int


@dataclass(frozen=True, slots=True)
class CutBlock:
    """A block as a network of its own, and where it reads and writes."""

    network: Network
    reads: Mapping[str, Slices]
    write: Slices


def cut_labels(network: Network) -> list[str]:
    """Labels that can be cut: every one but the input legs of patterns."""
    inputs = {op.input for op in network.patterns}
    return [a for a, size in network.label_sizes if size > 1 and a not in inputs]


def cuts(network: Network, label: str) -> Iterator[Cut]:
    """Halves, quarters, ... down to single values of a label."""
    block = network.sizes[label]
    while block > 1:
        block = -(-block // 2)
        yield Cut(label, block)


def cut_network(network: Network, cut: Cut) -> list[CutBlock]:
    """The blocks of a cut, in order; raises NetworkError where it is not possible."""
    turns = range(turns_of(network, cut))
    return [cut_block(network, cut, turn) for turn in turns]


def cut_block(network: Network, cut: Cut, turn: int) -> CutBlock:
    """One block of a cut; raises NetworkError where it is not possible."""
    start = turn * cut.size
    size = min(cut.size, network.sizes[cut.label] - start)
    return part_of(network, {cut.label: (start, start + size)})


def part_of(network: Network, spans: Mapping[str, tuple[int, int]]) -> CutBlock:
    """The part of a network at some positions of some labels; raises NetworkError where
    it has none."""
    if any(isinstance(op, SubNetwork) for op in network.operands):
        raise NetworkError("blocks: splice sub-networks first")
    for label, (start, stop) in spans.items():
        network = _trimmed(restrict(network, label, start, stop - start), label)
    return _localized(network)


def turns_of(network: Network, cut: Cut) -> int:
    """How many blocks a cut makes."""
    return -(-network.sizes[cut.label] // cut.size)


def _trimmed(network: Network, label: str) -> Network:
    """Drop input positions that the block does not read."""
    for op in network.patterns:
        if label not in (op.output, op.kernel):
            continue
        touched = op.index.touched_input()
        if len(touched) == op.index.input or not touched:
            continue
        try:
            network = restrict(network, op.input, touched.start, len(touched))
        except NetworkError:  # a padding mode reads it: leave it whole
            continue
    return network


def _localized(network: Network) -> CutBlock:
    """Shrink every array to the positions the block uses."""
    spans: dict[str, list[tuple[int, int]]] = {}
    for op in network.operands:
        if isinstance(op, Input):
            mine = [_span(axis, network.sizes) for axis in op.axes]
            have = spans.get(op.name, mine)
            spans[op.name] = [
                (min(a, c), max(b, d))
                for (a, b), (c, d) in zip(mine, have, strict=True)
            ]
    operands = [
        replace(op, axes=_moved(op.axes, spans[op.name]))
        if isinstance(op, Input)
        else op
        for op in network.operands
    ]
    write = [_span(axis, network.sizes) for axis in network.output]
    local = Network.build(
        operands, _moved(network.output, write), network.sizes, network.scale
    )
    return CutBlock(
        local, {name: tuple(span) for name, span in spans.items()}, tuple(write)
    )


def _span(axis: Axis, sizes: Mapping[str, int]) -> tuple[int, int]:
    low, high = axis.reach(sizes)
    first = min(max(low, axis.low), axis.high)
    return first, max(first, min(high + 1, axis.high))


def _moved(axes: tuple[Axis, ...], spans: list[tuple[int, int]]) -> tuple[Axis, ...]:
    moved = []
    for axis, (start, stop) in zip(axes, spans, strict=True):
        low, high = max(axis.low - start, 0), min(axis.high, stop) - start
        low = min(low, stop - start)
        offset = axis.offset - start
        moved.append(Axis(stop - start, axis.terms, offset, low, max(low, high)))
    return tuple(moved)


def loop_program(
    network: Network, blocks: list[CutBlock], programs: Mapping[Network, Program]
) -> Program:
    """One loop step over the blocks; equal blocks share a body.

    Where a block is a loop itself, its turns are turns of the outer one: no result of
    a whole block is held, and workers share all of them out.
    """
    arguments = tuple(network.arguments.items())
    whole = {n: tuple((0, size) for size in shape) for n, shape in arguments}
    bodies: dict[Program, int] = {}
    turns = []
    for block in blocks:
        reads = tuple(block.reads.get(name, whole[name]) for name, _ in arguments)
        for inner, program in _turns(programs[block.network]):
            body = bodies.setdefault(program, len(bodies))
            parts = tuple(map(_inside, inner.reads, reads)) if inner else reads
            write = _inside(inner.write, block.write) if inner else block.write
            turns.append(Block(parts, write, body))
    sources = tuple(range(len(arguments)))
    step = Loop(sources, network.shape, tuple(turns), tuple(bodies))
    return Program(arguments, (step,), len(arguments))


def _turns(program: Program) -> Iterator[tuple[Block | None, Program]]:
    """The turns of a program that is a loop over its inputs and nothing else; else
    itself, once."""
    count = len(program.inputs)
    step = program.steps[0] if len(program.steps) == 1 else None
    if isinstance(step, Loop) and step.sources == tuple(range(count)):
        if program.result == count:
            for block in step.blocks:
                yield block, step.bodies[block.body]
            return
    yield None, program


def _inside(part: Slices, of: Slices) -> Slices:
    """A part of a part."""
    pairs = zip(part, of, strict=True)
    return tuple((start + low, start + high) for (low, high), (start, _) in pairs)
