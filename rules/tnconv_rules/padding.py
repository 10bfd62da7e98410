"""Padding modes that copy one straight run of positions are views."""

from __future__ import annotations

from tnconv.network import Network, Reindex
from tnconv.rewrite import Rule
from tnconv_rules.moves import substitute


def read_straight(network: Network) -> Network | None:
    """Substitute ``i = start + step*p`` for a padding mode of a single piece."""
    for at, op in enumerate(network.operands):
        if isinstance(op, Reindex) and len(op.map.pieces) == 1:
            piece = op.map.pieces[0]
            terms = ((op.output, piece.step),) if piece.step else ()
            smaller = substitute(network, {op.input: (terms, piece.start)}, drop=(at,))
            if smaller is not None:
                return smaller
    return None


STRAIGHT = Rule(
    "straight-padding",
    "padding",
    read_straight,
    "Identity, crop, reversal or repetition as a padding mode: i = start + step*p.",
)

RULES = (STRAIGHT,)
