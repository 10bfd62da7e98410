"""Writing notation: the text from which the parser reads the same network."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from tnconv.axis import Axis
from tnconv.errors import ArgumentError
from tnconv.network import Input, Network, Operand, Pattern, Reindex
from tnconv.reindex import MODES, IndexMap, Piece

WORD = re.compile(r"[^\W\d]\w*'*")


def network_text(network: Network) -> str:
    """The whole text: operands, output, scale."""
    return _body(network, [0])


def operand_text(operand: Operand, network: Network) -> str:
    """The text of one operand of ``network``."""
    return _operand(operand, network, [0])


def implied_kernel(output: str) -> str:
    """The kernel label of a pattern written without one."""
    return f"{output}_k"


def _body(network: Network, count: list[int]) -> str:
    operands = ", ".join(_operand(op, network, count) for op in network.operands)
    output = " ".join(_axis(a, network.sizes, written=True) for a in network.output)
    scale = "" if network.scale == 1 else f"{network.scale} * "
    return f"{operands} -> {scale}{output}".strip()


def _operand(operand: Operand, network: Network, count: list[int]) -> str:
    if isinstance(operand, Pattern):
        return _pattern(operand, network)
    if isinstance(operand, Reindex):
        source = ", ".join((_word(operand.input), *_numbers(operand.map)[1]))
        return f"{_word(operand.output)} = {_numbers(operand.map)[0]}({source})"
    axes = " ".join(_axis(a, network.sizes, written=False) for a in operand.axes)
    if isinstance(operand, Input):
        default = f"x{count[0]}"
        count[0] += 1
        named = operand.conjugate or operand.name != default or axes.startswith("conj ")
        prefix = f"{_word(operand.name)}: " if named else ""
        return ("conj " * operand.conjugate + prefix + axes).strip()
    inner = operand.network
    unsaid = {op.kernel for op in inner.patterns if _kernel_is_implied(op, inner)}
    sizes = " ".join(f"{_word(a)}={n}" for a, n in inner.label_sizes if a not in unsaid)
    said = f"; {sizes}" if sizes else ""
    return f"{{{_body(inner, count)}{said}}}: {axes}".strip()


def _pattern(operand: Pattern, network: Network) -> str:
    index = operand.index
    terms = [(operand.output, index.stride), (operand.kernel, index.dilation)]
    if _kernel_is_implied(operand, network):
        terms.pop()
    return f"{_word(operand.input)} ~ {_affine(terms, -index.padding)}"


def _kernel_is_implied(operand: Pattern, network: Network) -> bool:
    """Whether the parser makes up the same kernel label where none is written."""
    index = operand.index
    return (
        operand.kernel == implied_kernel(operand.output)
        and (index.kernel, index.dilation) == (1, 1)
        and len(network.holders(operand.kernel)) == 1
        and operand.kernel not in network.output_labels
    )


def _axis(axis: Axis, sizes: Mapping[str, int], *, written: bool) -> str:
    if axis.is_plain(sizes):
        return _word(axis.labels[0]) if axis.labels else "()"
    if len(axis.terms) > 1 and axis.is_composite(sizes):
        return f"({' '.join(map(_word, axis.labels))})"
    notes = []
    if (axis.low, axis.high) != (0, axis.size):
        notes.append(f"{axis.low}:{axis.high}")
    if written:
        notes.append(f"of {axis.size}")
    tail = f" | {' '.join(notes)}" if notes else ""
    return f"[{_affine(axis.terms, axis.offset)}{tail}]"


def _affine(terms: Iterable[tuple[str, int]], offset: int) -> str:
    parts: list[tuple[int, str]] = []
    for label, step in terms:
        factor = "" if abs(step) == 1 else f"{abs(step)} "
        parts.append((step, factor + _word(label)))
    if offset or not parts:
        parts.append((offset, str(abs(offset))))
    first, rest = parts[0], parts[1:]
    text = ("- " if first[0] < 0 else "") + first[1]
    return text + "".join(f" {'-' if s < 0 else '+'} {part}" for s, part in rest)


def _numbers(index_map: IndexMap) -> tuple[str, tuple[str, ...]]:
    """The mode of a map and its arguments; ``pieces`` where no mode fits."""
    middle = Piece(0, 1, index_map.input)
    if middle in index_map.pieces:
        at = index_map.pieces.index(middle)
        low = sum(piece.length for piece in index_map.pieces[:at])
        high = sum(piece.length for piece in index_map.pieces[at + 1 :])
        for mode in MODES[1:]:
            try:
                same = IndexMap.padding(mode, index_map.input, low, high) == index_map
            except ArgumentError:
                continue
            if same:
                return mode, (str(low), str(high))
    runs = (f"{p.start}:{p.step}:{p.length}" for p in index_map.pieces)
    return "pieces", tuple(runs)


def _word(text: str) -> str:
    return text if WORD.fullmatch(text) else f'"{text}"'
