"""Number theory of one pattern: a single input position, and steps with a divisor."""

from __future__ import annotations

from dataclasses import replace

from tnconv.network import Network, Pattern
from tnconv.pattern import IndexPattern
from tnconv.rewrite import Rule
from tnconv_rules.moves import narrow, substitute


def single_input(network: Network) -> Network | None:
    """I = 1: (o, k) runs along one line; a new label counts its points.

    ``stride*o + dilation*k = padding`` has the solutions ``o = o0 + (dilation/g) t``,
    ``k = k0 - (stride/g) t`` with g the greatest common divisor of the steps.
    """
    for at, op in enumerate(network.operands):
        if not isinstance(op, Pattern) or op.index.input != 1:
            continue
        points = _points(op.index)
        if not points:
            continue  # all zeros: support trimming says so
        for line in (points, points[::-1]):  # a relation takes positive steps only
            smaller = _along(network, at, op, line)
            if smaller is not None:
                return smaller
    return None


def _points(index: IndexPattern) -> list[tuple[int, int]]:
    """The ``(o, k)`` that read input position 0, by rising o."""
    found = []
    for o in range(index.output):
        k, rest = divmod(index.padding - index.stride * o, index.dilation)
        if not rest and 0 <= k < index.kernel:
            found.append((o, k))
    return found


def _along(
    network: Network, at: int, op: Pattern, points: list[tuple[int, int]]
) -> Network | None:
    """Count the points by a new label in the place of output and kernel label."""
    first = points[0]
    second = points[1] if len(points) > 1 else first
    line = network.fresh(op.output)
    values = {
        op.output: (((line, second[0] - first[0]),), first[0]),
        op.kernel: (((line, second[1] - first[1]),), first[1]),
    }
    return substitute(network, values, drop=(at,), sizes={line: len(points)})


def divide_steps(network: Network) -> Network | None:
    """Steps with a common divisor g reach one residue class of i: keep only that."""
    for at, op in enumerate(network.operands):
        if not isinstance(op, Pattern) or op.index.common_step == 1:
            continue
        step = op.index.common_step
        start, index = op.index.residue(step)
        given = {at: replace(op, index=index)}
        smaller = narrow(network, op.input, start, index.input, step, given=given)
        if smaller is not None:
            return smaller
    return None


SINGLE_INPUT = Rule(
    "single-input",
    "lattice",
    single_input,
    "R7: I = 1: o and k run along one line, counted by one new label.",
)
COMMON_STEP = Rule(
    "common-step",
    "lattice",
    divide_steps,
    "R8: g = gcd(stride, dilation) > 1: only i = -padding mod g is read.",
)

RULES = (SINGLE_INPUT, COMMON_STEP)
