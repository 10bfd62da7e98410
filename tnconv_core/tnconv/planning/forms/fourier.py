"""A convolution by Fourier transforms, for any patterns that form one.

The roles are those of the native form. Along each pattern both operands are
transformed, multiplied frequency by frequency (a matrix product over channels), and
transformed back. The transform is as long as all positions that the pattern reads, so
nothing wraps around; a stride or a dilation becomes zeros between positions, or
positions of the result that nobody reads.
"""

from __future__ import annotations

from collections.abc import Iterable

from tnconv.axis import Axis
from tnconv.execution.program import Spectral
from tnconv.network import Pattern
from tnconv.planning.builder import Builder, Value
from tnconv.planning.forms.operands import channels, is_filled, reduced, spread, whole
from tnconv.planning.forms.roles import ROLES, Casting, cast_as, castings
from tnconv.planning.site import Form, Site, Variant
from tnconv.planning.thresholds import fourier_floor


def fast_length(size: int) -> int:
    """The least length from ``size`` on with no prime factor beyond 5.

    >>> fast_length(1021)
    1024
    """
    best = 1
    while best < size:
        best *= 2
    fives = 1
    while fives < best:
        odd = fives
        while odd < best:
            length = odd
            while length < size:
                length *= 2
            best = min(best, length)
            odd *= 3
        fives *= 5
    return best


def _variants(b: Builder, site: Site) -> Iterable[Variant]:
    if not b.machine.fft or not is_filled(b, site):
        return
    for role, sides, legs, _ in castings(site):
        if not legs:  # kernel and output exchanged is another role, or other sides
            yield role, sides


def _emit(b: Builder, site: Site, variant: Variant) -> Value:
    role, sides = str(variant[0]), bool(variant[1])
    cast = reduced(b, cast_as(site, role, sides, False), site.alive)
    at = channels(b, cast, site.alive)
    x = _operand(b, cast, cast.left, 0, at.left)
    w = _operand(b, cast, cast.right, 1, at.right)
    lengths = tuple(fast_length(p.index.extent) for p in cast.patterns)
    shape = (*map(b.size, at.result), *lengths)
    register = b.add(Spectral((x, w), shape, role, b.size(at.groups)))
    axes = [
        Axis.of(size, *group, sizes=b.sizes)
        for size, group in zip(shape, at.result, strict=False)
    ]
    axes += [_result(cast, p, n) for p, n in zip(cast.patterns, lengths, strict=True)]
    return Value(register, tuple(axes))


def _operand(
    b: Builder, cast: Casting, value: Value, which: int, ahead: list[list[str]]
) -> int:
    """The register of an operand, its pattern legs last and a step apart."""
    leg, labels = ROLES[cast.role][which], []
    for pattern in cast.patterns:
        if leg == "input":
            value, label = whole(b, value, pattern)
        else:
            label = str(getattr(pattern, leg))
            value, label = spread(b, value, label, _step(pattern, leg))
        labels.append([label])
    return b.read(value, [*ahead, *labels], own=True)


def _step(pattern: Pattern, leg: str) -> int:
    return pattern.index.stride if leg == "output" else pattern.index.dilation


def _result(cast: Casting, pattern: Pattern, length: int) -> Axis:
    """The result leg, read from the positions of the transform."""
    leg = ROLES[cast.role][2]
    if leg == "input":
        ends = pattern.index.padding, 0, pattern.index.extent
        return Axis(length, ((pattern.input, 1),), *ends)
    return Axis(length, ((str(getattr(pattern, leg)), _step(pattern, leg)),))


FOURIER = Form(
    "fourier",
    2,
    range(1, 4),
    _variants,
    _emit,
    lambda site, variant: f"Fourier transforms ({variant[0]})",
    fourier_floor,
)
