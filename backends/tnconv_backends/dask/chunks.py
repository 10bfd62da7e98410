"""From the chunks of arrays to the parts of a network, and back to chunks.

A chunked axis cuts its label where its chunks end. A pattern's input axis cannot be cut
like this, as windows reach over the ends: the pattern's output is cut instead, into as
many parts, and each part reads what its windows need, from the neighboring chunks too.
Parts of labels that the result keeps are chunks of the result; parts of labels that are
summed are added up, two and two.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib import import_module
from itertools import accumulate, pairwise, product
from typing import Any

from tnconv.axis import Axis
from tnconv.errors import ArrayError, NetworkError
from tnconv.execution.backend import Place
from tnconv.execution.crew import contract_block
from tnconv.execution.expression import planned_expression
from tnconv.execution.program import Slices
from tnconv.execution.registry import backend_for
from tnconv.network import Input, Network, Reindex
from tnconv.options import Options, changed
from tnconv.planning.blocks import CutBlock, cut_labels, part_of
from tnconv.splice import splice_all

Array = Any
#: where the parts of a label begin, and where the last ends
Ends = tuple[int, ...]


def contracted(network: Network, options: Options, arrays: Sequence[Array]) -> Array:
    """The lazy result of a network on chunked arrays, in the network's order."""
    flat = splice_all(network).without()
    given = dict(zip(network.arguments, arrays, strict=True))
    cuts = label_cuts(flat, {name: x.chunks for name, x in given.items()})
    parts = [
        _part(flat, dict(zip(cuts, spans, strict=True)))
        for spans in product(*[list(pairwise(ends)) for ends in cuts.values()])
    ]
    found: dict[Slices, list[Array]] = {}
    for part in parts:
        found.setdefault(part.write, []).append(_task(part, options, given))
    return _assembled({write: _added(some) for write, some in found.items()}, flat)


def label_cuts(
    network: Network, chunks: Mapping[str, tuple[tuple[int, ...], ...]]
) -> dict[str, Ends]:
    """Where chunks cut the labels of a network; ArrayError where they cannot."""
    cuts: dict[str, Ends] = {}
    windows: list[tuple[str, int]] = []
    bound = {a for op in network.operands if isinstance(op, Reindex) for a in op.labels}
    free = set(cut_labels(network)) - bound
    outputs = {op.input: op.output for op in network.patterns}
    for op in network.operands:
        if not isinstance(op, Input):
            continue
        for number, (axis, sizes) in enumerate(
            zip(op.axes, chunks[op.name], strict=True)
        ):
            if len(sizes) == 1:
                continue
            label = _label(axis, network.sizes)
            if label in free:
                ends = tuple(accumulate(sizes, initial=0))
                cuts[label] = tuple(sorted({*cuts.get(label, ()), *ends}))
            elif outputs.get(label) in free:
                windows.append((outputs[label], len(sizes)))
            else:
                raise ArrayError(_refused(op.name, number, axis))
    for label, count in windows:
        size = network.sizes[label]
        cuts.setdefault(
            label, tuple(sorted({size * j // count for j in range(count + 1)}))
        )
    return cuts


def _label(axis: Axis, sizes: Mapping[str, int]) -> str:
    """The label that an axis is all of; empty where there is none."""
    terms = [(label, by) for label, by in axis.terms if sizes[label] > 1]
    if len(terms) != 1 or terms[0][1] != 1 or axis.offset:
        return ""
    whole = (axis.low, axis.high) == (0, axis.size) == (0, sizes[terms[0][0]])
    return terms[0][0] if whole else ""


def _refused(name: str, number: int, axis: Axis) -> str:
    labels = " ".join(label for label, _ in axis.terms)
    return (
        f"axis {number} of {name} is in several chunks, and the network reads it in a "
        f"way that cannot be cut there ({labels}); make it one chunk: "
        f"rechunk({{{number}: -1}})"
    )


def _part(network: Network, spans: Mapping[str, tuple[int, int]]) -> CutBlock:
    try:
        return part_of(network, spans)
    except NetworkError as error:
        names = ", ".join(spans)
        raise ArrayError(
            f"the chunks of {names} cannot be contracted one by one ({error}); "
            "rechunk these axes to one chunk"
        ) from error


def _task(part: CutBlock, options: Options, given: Mapping[str, Array]) -> Array:
    """The lazy result of a part: one task, planned here and now."""
    dask: Any = import_module("dask")
    da: Any = import_module("dask.array")
    reads = [
        given[name][tuple(slice(*span) for span in part.reads[name])]
        for name in part.network.arguments
    ]
    meta = reads[0]._meta
    kind: Any = type(meta)
    inner = backend_for(kind)
    place: Place = inner.place(meta)
    alone = changed(options, {"executor": None})  # inside a task nothing is given away
    program = planned_expression(part.network, inner, place, alone).planned.program
    task = dask.delayed(contract_block, pure=True)(inner.name, program, reads)
    return da.from_delayed(task, program.shape, meta=meta)


def _added(parts: Sequence[Array]) -> Array:
    """The sum of parts, two and two, in their order."""
    left = list(parts)
    while len(left) > 1:
        pairs = [sum(left[j : j + 2][1:], left[j]) for j in range(0, len(left), 2)]
        left = pairs
    return left[0]


def _assembled(found: Mapping[Slices, Array], network: Network) -> Array:
    """The parts of the result side by side."""
    da: Any = import_module("dask.array")
    axes = range(len(network.shape))
    spans = [sorted({write[axis] for write in found}) for axis in axes]
    for axis, ends in enumerate(spans):
        whole = (0, *(stop for _, stop in ends)) == (
            *(a for a, _ in ends),
            network.shape[axis],
        )
        if not whole:
            raise ArrayError(
                f"chunks would meet in axis {axis} of the result, which are not apart; "
                "make the axes of the arrays that it comes from one chunk"
            )

    def row(prefix: Slices) -> Any:
        axis = len(prefix)
        if axis == len(spans):
            return found[prefix]
        return [row((*prefix, span)) for span in spans[axis]]

    return da.block(row(())) if spans else row(())
