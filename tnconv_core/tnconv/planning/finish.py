"""The last step of every plan: write the value through the views of the output."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

from tnconv.execution.program import Pad, Scale
from tnconv.network import Network
from tnconv.planning.builder import Builder, Value


def finish(builder: Builder, value: Value, network: Network) -> int:
    """The register that holds the result, contiguous, in the shape of the output."""
    sizes, scale = network.sizes, network.scale
    if scale != 1:
        value, done = builder.scaled(value, scale)
        scale = Fraction(1) if done else scale
    labels = [label for axis in network.output for label in axis.labels]
    whole = all(axis.is_composite(sizes) for axis in network.output)
    if whole and len(set(labels)) == len(labels):
        groups = [axis.labels for axis in network.output]
        register = builder.read(value, groups, own=True)
    else:
        register = _scattered(builder, value, network)
    if scale != 1:
        shape = builder.shapes[register]
        register = builder.add(
            Scale((register,), shape, scale.numerator, scale.denominator)
        )
    return register


def _scattered(builder: Builder, value: Value, network: Network) -> int:
    """Zeros, with the value added in; what leaves the bounds is dropped at the end."""
    sizes = network.sizes
    axes, window, valid, cut = [], [], [], False
    for axis in network.output:
        low, high = axis.reach(sizes)
        if axis.low <= low and high < axis.high:
            axes.append(axis)
            window.append((0, axis.size))
            valid.append((0, axis.size))
            continue
        cut = True
        axes.append(
            replace(
                axis,
                size=high + 1 - low,
                offset=axis.offset - low,
                low=0,
                high=high + 1 - low,
            )
        )
        window.append((-low, axis.size - low))
        valid.append((max(0, axis.low - low), max(0, axis.high - low)))
    register = builder.add_into(value, tuple(axes), injective=_injective(network))
    if not cut:
        return register
    shape = tuple(axis.size for axis in network.output)
    valid = [
        (min(low, axis.size), min(high, axis.size))
        for (low, high), axis in zip(valid, axes, strict=True)
    ]
    return builder.add(Pad((register,), shape, tuple(window), tuple(valid)))


def _injective(network: Network) -> bool:
    """Whether every output position is written at most once."""
    sizes = network.sizes
    fixed: set[str] = set()
    rest = list(network.output)
    grew = True
    while grew:
        grew = False
        for axis in list(rest):
            open_terms = [
                (abs(step), sizes[label])
                for label, step in axis.terms
                if label not in fixed and sizes[label] > 1
            ]
            if _nested(open_terms):
                fixed |= set(axis.labels)
                rest.remove(axis)
                grew = True
    return not rest


def _nested(terms: list[tuple[int, int]]) -> bool:
    reach = 0
    for step, size in sorted(terms):
        if step <= reach:
            return False
        reach += step * (size - 1)
    return True
