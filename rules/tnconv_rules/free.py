"""Legs that nothing else carries, and labels that nothing carries any more."""

from __future__ import annotations

from tnconv.network import Network, Pattern, Reindex
from tnconv.rewrite import Rule
from tnconv_rules.moves import rebuild


def drop_free(network: Network) -> Network | None:
    """Drop a pattern whose input label is its own and whose mask is all ones.

    Summed over i, the pattern is 1 for every (o, k) that reads inside the input.
    """
    for at, op in enumerate(network.operands):
        if isinstance(op, Pattern):
            if not op.index.covers_input_range():
                continue
        elif not isinstance(op, Reindex):
            continue
        if network.occurs_only_in(op.input, at):
            kept = (*network.operands[:at], *network.operands[at + 1 :])
            sizes = {a: n for a, n in network.sizes.items() if a != op.input}
            return rebuild(network, kept, network.output, sizes)
    return None


def scale_vanished(network: Network) -> Network | None:
    """A label that no operand and no output axis carries is a factor: its size."""
    used = {label for op in network.operands for label in op.labels}
    if used.union(network.output_labels).issuperset(network.sizes):
        return None
    return rebuild(network, network.operands, network.output, network.sizes)


FREE_INPUT = Rule(
    "free-input",
    "free",
    drop_free,
    "R15: a pattern (padding mode) whose i occurs nowhere else and that reads inside.",
)
VANISHED = Rule(
    "vanished-label",
    "free",
    scale_vanished,
    "F: a label that occurs nowhere is a factor of its size.",
)

RULES = (FREE_INPUT, VANISHED)
