"""Drawn sizes and hyper-parameters that fit together, and the record of a call.

A :class:`Case` is one call. Drawn are 1 to 4 spatial axes, sizes 0 and 1, kernels
larger than the unpadded input, strides that leave a remainder, groups up to depthwise,
padding in every spelling (asymmetric, negative, 'same'), all padding modes, output
padding, and arrays without a batch.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from hypothesis import strategies as st
from numpy.typing import NDArray
from tests.positions import Setting, transposed_size

Array = NDArray[Any]
Draw = Callable[[st.SearchStrategy[Any]], Any]
MODES = ("zeros", "reflect", "replicate", "circular")


@dataclass(frozen=True)
class Case:
    """One call: array shapes by parameter name, other positionals, keywords."""

    operation: str
    shapes: dict[str, tuple[int, ...]]
    extra: tuple[Any, ...] = ()
    hyper: dict[str, Any] = field(default_factory=dict)
    by_keyword: tuple[str, ...] = ()

    def integers(self, seed: int) -> dict[str, Array]:
        """Arrays of small integers, in which all sums are exact."""
        rng = np.random.default_rng(seed)
        return {k: rng.integers(-4, 5, size=s) for k, s in self.shapes.items()}

    def normals(self, seed: int) -> dict[str, Array]:
        """Arrays of standard normal numbers."""
        rng = np.random.default_rng(seed)
        return {k: rng.standard_normal(s) for k, s in self.shapes.items()}

    def apply(self, functions: Any, arrays: dict[str, Any]) -> Any:
        """Call the operation of a module on arrays."""
        keywords = {k: arrays[k] for k in arrays if k in self.by_keyword}
        return getattr(functions, self.operation)(
            *(arrays[k] for k in arrays if k not in self.by_keyword),
            *self.extra,
            **keywords,
            **self.hyper,
        )


@dataclass(frozen=True)
class Limits:
    """What is drawn: numbers of axes, padding modes; ``filled``: batched, no size 0."""

    axes: tuple[int, ...] = (1, 1, 2, 2, 3, 4)
    modes: tuple[str, ...] = MODES
    filled: bool = False


EVERYTHING = Limits()


@dataclass(frozen=True)
class Window:
    """Spatial sizes and hyper-parameters that fit together."""

    input: tuple[int, ...]
    output: tuple[int, ...]
    kernel: tuple[int, ...]
    hyper: dict[str, Any]


LARGEST = {1: (5, 6), 2: (4, 4), 3: (3, 2), 4: (2, 2)}  # kernel and output, by axes


def _axis(draw: Draw, axes: int, mode: str, same: bool) -> tuple[Any, ...]:
    """Input size, kernel, stride, dilation and padding pair of one axis."""
    kernel_limit, output_limit = LARGEST[axes]
    kernel = draw(st.integers(1, kernel_limit))
    stride = 1 if same else draw(st.integers(1, 4))
    dilation = draw(st.integers(1, 3))
    span = dilation * (kernel - 1)
    low, high = draw(st.integers(-2, 4)), draw(st.integers(-2, 4))
    if draw(st.booleans()):
        high = low = max(low, 0)
    if same:
        low, high = span // 2, span - span // 2
    reach = stride * (draw(st.integers(1, output_limit)) - 1) + span + 1
    remainder = draw(st.integers(0, stride - 1))
    size = max(1, reach + remainder - low - high)
    room = {"reflect": max(low, high) + 1, "circular": max(low, high)}.get(mode, 1)
    crop = 1 - min(low, 0) - min(high, 0)
    return max(size, room, crop), kernel, stride, dilation, (low, high)


def spelled(draw: Draw, values: tuple[int, ...]) -> Any:
    """A tuple as an int where it can be one, a list or a tuple."""
    if len(set(values)) == 1 and draw(st.booleans()):
        return values[0]
    return list(values) if draw(st.integers(0, 4)) == 0 else values


def _padding(draw: Draw, pairs: tuple[tuple[int, int], ...], same: bool) -> Any:
    if same:
        return "same"
    if all(p == (0, 0) for p in pairs) and draw(st.booleans()):
        return "valid"
    if all(low == high >= 0 for low, high in pairs) and draw(st.booleans()):
        return spelled(draw, tuple(low for low, _ in pairs))
    return pairs


def windows(draw: Draw, limits: Limits) -> Window:
    """Draw the spatial side of a convolution."""
    axes, mode = draw(st.sampled_from(limits.axes)), draw(st.sampled_from(limits.modes))
    same = draw(st.integers(0, 4)) == 0
    drawn = [_axis(draw, axes, mode, same) for _ in range(axes)]
    sizes, kernel, stride, dilation, pairs = zip(*drawn, strict=True)
    hyper = {
        "stride": spelled(draw, stride),
        "padding": _padding(draw, pairs, same),
        "dilation": spelled(draw, dilation),
    }
    output = Setting(sizes, kernel, **hyper).output
    return Window(sizes, output, kernel, {**hyper, "padding_mode": mode})


def transposed_windows(draw: Draw, limits: Limits) -> Window:
    """Draw the spatial side of a transposed convolution; ``input`` is its own."""
    axes = draw(st.sampled_from(limits.axes))
    kernel_limit, size_limit = LARGEST[axes]
    same = draw(st.integers(0, 4)) == 0
    sizes = tuple(draw(st.integers(1, size_limit)) for _ in range(axes))
    kernel = tuple(draw(st.integers(1, kernel_limit)) for _ in range(axes))
    stride = tuple(1 if same else draw(st.integers(1, 3)) for _ in range(axes))
    dilation = tuple(draw(st.integers(1, 3)) for _ in range(axes))
    extra = tuple(
        draw(st.integers(0, max(s, d) - 1))
        for s, d in zip(stride, dilation, strict=True)
    )
    room = transposed_size(sizes, kernel, {"stride": stride, "dilation": dilation})
    pairs = tuple(_fitting(draw, size) for size in room)
    hyper = {
        "stride": spelled(draw, stride),
        "padding": _padding(draw, pairs, same),
        "output_padding": spelled(draw, extra),
        "dilation": spelled(draw, dilation),
    }
    return Window(sizes, transposed_size(sizes, kernel, hyper), kernel, hyper)


def _fitting(draw: Draw, size: int) -> tuple[int, int]:
    """A padding pair that leaves at least one of ``size`` positions."""
    low = draw(st.integers(-2, min(3, size - 1)))
    high = low if draw(st.booleans()) else draw(st.integers(-2, 3))
    return (low, high) if low + high < size else (low, min(0, size - 1 - low))


@dataclass(frozen=True)
class Channels:
    """Batch (empty where there is none), groups, and channels of one group."""

    batch: tuple[int, ...]
    groups: int
    into: int
    out: int


def channels(draw: Draw, limits: Limits) -> Channels:
    """Draw batch and channel counts; now and then one of them is 0, or no batch."""
    batches = ((1,), (2,), (3,), (2,)) + (() if limits.filled else ((), (0,)))
    batch = draw(st.sampled_from(batches))
    groups = draw(st.sampled_from((1, 1, 2, 3)))
    some = st.sampled_from((1, 1, 2, 2, 3) + (() if limits.filled else (0,)))
    return Channels(batch, groups, draw(some), draw(some))


def window(draw: Draw, limits: Limits, transposed: bool) -> Window:
    return (transposed_windows if transposed else windows)(draw, limits)


def kernel_size(draw: Draw, window: Window, channel: Channels) -> Any:
    """The kernel size of a call; an int only where there is a batch."""
    if not channel.batch:
        return window.kernel
    return spelled(draw, window.kernel)
