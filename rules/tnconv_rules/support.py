"""Support trimming (R9): drop positions at which a pattern has only zeros.

What is dropped adds nothing. Where the label is on an input, less of it is read; where
it is on the output, those positions stay zero.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from tnconv.network import Network, Pattern
from tnconv.pattern import IndexPattern
from tnconv.rewrite import Rule
from tnconv_rules.moves import narrow


def _rule(
    name: str,
    leg: str,
    touched: Callable[[IndexPattern], range],
    narrowed: Callable[[IndexPattern, int, int], IndexPattern],
    doc: str,
) -> Rule:
    def apply(network: Network) -> Network | None:
        for at, op in enumerate(network.operands):
            if not isinstance(op, Pattern):
                continue
            keep = touched(op.index)
            if len(keep) == getattr(op.index, leg):
                continue
            index = narrowed(op.index, keep.start, len(keep))
            given = {at: replace(op, index=index)}
            label = getattr(op, leg)
            smaller = narrow(network, label, keep.start, len(keep), given=given)
            if smaller is not None:
                return smaller
        return None

    return Rule(name, "support", apply, doc)


TRIM_OUTPUT = _rule(
    "trim-output",
    "output",
    IndexPattern.touched_output,
    IndexPattern.narrow_output,
    "R9: drop outputs whose window lies in the padding altogether.",
)
TRIM_KERNEL = _rule(
    "trim-kernel",
    "kernel",
    IndexPattern.touched_kernel,
    IndexPattern.narrow_kernel,
    "R9: drop kernel positions that only ever meet padding.",
)
TRIM_INPUT = _rule(
    "trim-input",
    "input",
    IndexPattern.touched_input,
    IndexPattern.narrow_input,
    "R9: drop input positions before the first and after the last that is read.",
)

RULES = (TRIM_OUTPUT, TRIM_KERNEL)
