"""The native convolutions that are timed: for each role and kind, what plans call.

A rate is asked for kernels and maps of many sizes, in one to three dimensions, strided
and dilated; what was never timed would be extrapolated, and libraries have slow paths
where nobody looks. So every constant of :class:`~tnconv.planning.machine.NativeRate`
is decided by calls of its own.
"""

from __future__ import annotations

from collections.abc import Iterator
from math import prod
from typing import NamedTuple

from tnconv.execution.program import Convolution, Native, Program, Shape
from tnconv.planning.cost import kind_of
from tnconv.planning.machine import Kind


class Call(NamedTuple):
    """Groups, channels of a group read and made, kernel and map, and how."""

    groups: int
    read: int
    made: int
    kernel: Shape
    map: Shape
    stride: int = 1
    dilation: int = 1
    batch: int = 4


#: kind of groups -> calls: by kernel, by map, by channels; strided, dilated; on lines
#: and in volumes, also with the batch as groups
CALLS: dict[str, tuple[Call, ...]] = {
    "dense": (
        *(Call(1, 64, 64, (taps, taps), (28, 28)) for taps in (1, 3, 5)),
        Call(1, 128, 128, (3, 3), (14, 14)),
        Call(1, 256, 256, (3, 3), (8, 8)),
        Call(1, 96, 128, (3, 3), (6, 6)),
        Call(1, 32, 32, (3, 3), (64, 64)),
        Call(1, 3, 64, (7, 7), (56, 56), stride=2),
        Call(1, 256, 64, (1, 1), (14, 14)),
        Call(1, 256, 256, (1, 1), (28, 28), batch=8),
        Call(1, 96, 96, (1, 1), (64, 64), batch=8),
        Call(1, 64, 256, (3, 3), (28, 28), batch=8),
        Call(1, 128, 128, (3, 3), (28, 28), stride=2),
        Call(1, 64, 64, (3, 3), (28, 28), dilation=2),
        Call(1, 128, 128, (7,), (512,)),
        Call(1, 32, 32, (7,), (4096,)),
        Call(1, 32, 32, (3, 3, 3), (8, 14, 14)),
        Call(1, 64, 64, (1, 3, 3), (8, 14, 14)),
    ),
    "grouped": (
        *(Call(8, 16, 16, (taps, taps), (28, 28)) for taps in (1, 3, 5)),
        Call(8, 32, 32, (3, 3), (28, 28)),
        Call(8, 32, 32, (3, 3), (8, 8)),
        Call(32, 8, 8, (3, 3), (28, 28)),
        Call(8, 16, 16, (3, 3), (28, 28), stride=2),
        Call(8, 16, 16, (3, 3), (28, 28), dilation=2),
        Call(8, 64, 64, (3, 3), (14, 14), batch=1),
        Call(8, 64, 128, (1, 1), (14, 14), batch=1),
        Call(8, 32, 32, (7,), (512,), batch=1),
        Call(8, 32, 32, (1, 3, 3), (8, 14, 14), batch=1),
        Call(8, 64, 256, (1, 1, 7), (14, 1, 14), batch=1),
        Call(256, 8, 1, (7, 7), (14, 14), batch=1),
    ),
    "depthwise": (
        *(Call(128, 1, 1, (taps, taps), (28, 28)) for taps in (1, 3, 7)),
        Call(512, 1, 1, (3, 3), (14, 14)),
        Call(512, 1, 1, (5, 5), (7, 7)),
        Call(64, 1, 1, (3, 3), (56, 56)),
        Call(128, 1, 1, (3, 3), (28, 28), stride=2),
        Call(128, 1, 1, (3, 3), (28, 28), dilation=2),
        Call(128, 1, 1, (7,), (512,)),
        Call(64, 1, 1, (1, 3, 3), (8, 14, 14)),
    ),
    "multiplier": (
        *(Call(64, 1, 4, (taps, taps), (28, 28)) for taps in (1, 3, 5)),
        Call(8, 1, 32, (3, 3), (28, 28)),
        Call(8, 1, 32, (5, 5), (14, 14)),
        Call(64, 1, 8, (3, 3), (14, 14), stride=2),
        Call(64, 1, 8, (3, 3), (14, 14), dilation=2),
        Call(64, 1, 8, (7,), (512,)),
        Call(32, 1, 16, (1, 3, 3), (8, 14, 14)),
    ),
}


def programs(kind: Kind, dims: tuple[int, ...]) -> Iterator[Program]:
    """The calls of a role and a kind, in so many dimensions as there are."""
    role, groups = kind
    for call in CALLS[groups]:
        assert kind_of(call.groups, call.read, call.made) == groups, "another kind"
        if len(call.kernel) in dims:
            yield convolution(role, call)


def convolution(role: str, call: Call) -> Program:
    """One native call, with the padding that keeps the map's size where no stride
    takes it."""
    dims = len(call.kernel)
    reach = [call.dilation * (taps - 1) for taps in call.kernel]
    padding = tuple(n // 2 for n in reach)
    narrow = tuple(
        (size + 2 * pad - n - 1) // call.stride + 1
        for size, pad, n in zip(call.map, padding, reach, strict=True)
    )
    spare = tuple(
        size + 2 * pad - n - 1 - call.stride * (out - 1)
        for size, pad, n, out in zip(call.map, padding, reach, narrow, strict=True)
    )
    how = Convolution(
        role,
        (call.stride,) * dims,
        padding,
        (call.dilation,) * dims,
        call.groups,
        spare if role == "transposed" else (0,) * dims,
        call.kernel,
    )
    return _program(role, call, narrow, how)


def _program(role: str, call: Call, narrow: Shape, how: Convolution) -> Program:
    wide = (call.batch, call.groups * call.read, *call.map)
    thin = (call.batch, call.groups * call.made, *narrow)
    weight = (call.groups * call.made, call.read, *call.kernel)
    if role == "transposed":  # it reads what is narrow, and makes what is wide
        thin = (call.batch, call.groups * call.read, *narrow)
        wide = (call.batch, call.groups * call.made, *call.map)
        weight = (call.groups * call.read, call.made, *call.kernel)
    sources, result = {
        "forward": ((wide, weight), thin),
        "transposed": ((thin, weight), wide),
        "weight": ((wide, thin), weight),
    }[role]
    assert prod(weight) == call.groups * call.read * call.made * prod(call.kernel)
    named = tuple((f"x{j}", shape) for j, shape in enumerate(sources))
    return Program(named, (Native((0, 1), result, how),), 2)
