"""What simplification leaves of the usual networks, as a Markdown table.

``python -m tnconv_rules.effect_table`` prints the operands and, in brackets, the
patterns left in each two-dimensional network, then the operands that einconv's
``simplify`` leaves (executed at commit 8cc761e; its counts for KFAC-expand and
KFAC-reduce have one more operand, the scale).
"""

from __future__ import annotations

from dataclasses import dataclass

from tnconv.axis import Axis
from tnconv.edits import pair, transpose
from tnconv.network import Input, Network, Operand
from tnconv.notation import parse
from tnconv.rewrite import simplify

COLUMNS = (
    "forward",
    "unfold",
    "weight VJP",
    "input VJP",
    "KFAC-expand",
    "KFAC-reduce",
    "transposed unfold",
    "transposed KFAC-reduce",
)


@dataclass(frozen=True, slots=True)
class Case:
    """A convolution, the same in both dimensions, and einconv's counts."""

    name: str
    size: int
    kernel: int
    stride: int
    padding: int
    einconv: tuple[int | None, ...]


CASES = (
    Case("3x3, padding 1", 4, 3, 1, 1, (4, 3, 4, 4, 7, 7, 3, 7)),
    Case("1x1", 8, 1, 1, 0, (2, 1, 2, 2, 3, 3, 3, 7)),
    Case("4x4, stride 4", 8, 4, 4, 0, (2, 1, 2, 2, 3, 3, 3, 7)),
    Case("1x1, stride 2, even input", 8, 1, 2, 0, (2, 1, 2, 4, 3, 3, 3, 7)),
    Case("1x1, stride 2, odd input", 9, 1, 2, 0, (4, 3, 4, 4, 7, 7, 3, 7)),
    Case("4x4, stride 4, remainder", 10, 4, 4, 0, (4, 3, 4, 4, 7, 7, None, None)),
)


def case_networks(case: Case) -> dict[str, Network]:
    """The networks of all columns, by edits of the forward one."""
    shapes = {
        "x": (2, 2, case.size, case.size),
        "w": (3, 2, case.kernel, case.kernel),
    }
    relation = "i{0} ~ {1} o{0} + k{0} - {2}"
    patterns = [relation.format(j, case.stride, case.padding) for j in (1, 2)]
    forward = parse(
        f"x: n c i1 i2, {', '.join(patterns)}, w: d c k1 k2 -> n d o1 o2", shapes=shapes
    )
    x, first, second, _ = forward.operands
    unfold = _opened(forward, (x, first, second), "n c k1 k2 o1 o2")
    cotangent = Input("v", forward.output)
    unfold_t = _opened(forward, (cotangent, first, second), "n d k1 k2 i1 i2")
    kernel = ("k1", "k2")
    networks = (
        forward,
        unfold,
        transpose(forward, "w", "v"),
        transpose(forward, "x", "v"),
        _factor(unfold, ("n", "o1", "o2"), ("c", *kernel)),
        _factor(unfold, ("n",), ("c", *kernel)),
        unfold_t,
        _factor(unfold_t, ("n",), ("d", *kernel)),
    )
    return dict(zip(COLUMNS, networks, strict=True))


def table() -> str:
    """The Markdown table."""
    lines = [
        "| | " + " | ".join(COLUMNS) + " |",
        "|---" * (len(COLUMNS) + 1) + "|",
    ]
    for case in CASES:
        cells = []
        networks = case_networks(case).values()
        for network, theirs in zip(networks, case.einconv, strict=True):
            left = simplify(network).network
            ours = f"{len(left.operands)} ({len(left.patterns)})"
            cells.append(f"{ours} / {'-' if theirs is None else theirs}")
        lines.append(f"| {case.name} | {' | '.join(cells)} |")
    return "\n".join(lines)


def _opened(network: Network, operands: tuple[Operand, ...], labels: str) -> Network:
    axes = (Axis(network.sizes[a], ((a, 1),)) for a in labels.split())
    return network.with_operands(operands, axes)


def _factor(
    network: Network, shared: tuple[str, ...], rows: tuple[str, ...]
) -> Network:
    """The Gram matrix over ``rows`` of a network with its copy."""
    return pair(network, shared=shared, output=(*rows, *(f"{a}'" for a in rows)))


if __name__ == "__main__":
    print(table())
