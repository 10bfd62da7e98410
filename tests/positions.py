"""Which positions meet in a convolution: counted and mapped, axis by axis.

Nothing here calls the library under test.
"""

import itertools
from collections.abc import Iterator, Mapping, Sequence
from typing import Any


def per_axis(value: Any, axes: int) -> tuple[int, ...]:
    return (value,) * axes if isinstance(value, int) else tuple(value)


def pairs(
    padding: Any, kernel: Sequence[int], dilation: Sequence[int]
) -> list[tuple[int, int]]:
    """Padding as (low, high) pairs."""
    if padding == "valid":
        return [(0, 0)] * len(kernel)
    if padding == "same":
        totals = [d * (k - 1) for k, d in zip(kernel, dilation, strict=True)]
        return [(t // 2, t - t // 2) for t in totals]
    entries = [padding] * len(kernel) if isinstance(padding, int) else padding
    return [(p, p) if isinstance(p, int) else (p[0], p[1]) for p in entries]


def source(position: int, size: int, mode: str) -> int | None:
    """Which input position a (padded) position reads; None where it reads a zero."""
    if 0 <= position < size:
        return position
    if mode == "reflect":
        return -position if position < 0 else 2 * (size - 1) - position
    if mode == "replicate":
        return 0 if position < 0 else size - 1
    if mode == "circular":
        return position % size
    return None


def output_size(
    size: int, kernel: int, stride: int, dilation: int, pair: tuple[int, int]
) -> int:
    """How often the kernel fits into the padded input, counted."""
    span = dilation * (kernel - 1)
    return len(range(0, size + pair[0] + pair[1] - span, stride))


class Setting:
    """The (input, output, kernel) positions that meet, per axis and all together."""

    def __init__(
        self,
        sizes: Sequence[int],
        kernel: Sequence[int],
        *,
        stride: Any = 1,
        padding: Any = 0,
        dilation: Any = 1,
        mode: str = "zeros",
        out: tuple[int, ...] | None = None,
    ) -> None:
        axes = len(kernel)
        strides, dilations = per_axis(stride, axes), per_axis(dilation, axes)
        ends = pairs(padding, kernel, dilations)
        self.input, self.kernel = tuple(sizes), tuple(kernel)
        hyper = list(zip(strides, dilations, ends, strict=True))
        self.output = out or tuple(
            output_size(i, k, s, d, p)
            for i, k, (s, d, p) in zip(sizes, kernel, hyper, strict=True)
        )
        per = []
        for i, o, k, (s, d, p) in zip(
            self.input, self.output, self.kernel, hyper, strict=True
        ):
            met = []
            for oo, kk in itertools.product(range(o), range(k)):
                at = source(s * oo + d * kk - p[0], i, mode)
                if at is not None:
                    met.append((at, oo, kk))
            per.append(met)
        self.per_axis = per

    def __iter__(self) -> Iterator[tuple[tuple[int, ...], ...]]:
        for met in itertools.product(*self.per_axis):
            yield tuple(zip(*met, strict=True))


def transposed_size(
    sizes: Sequence[int], kernel: Sequence[int], hyper: Mapping[str, Any]
) -> tuple[int, ...]:
    """The output size of a transposed convolution, from the last position written."""
    axes = len(kernel)
    strides = per_axis(hyper.get("stride", 1), axes)
    dilations = per_axis(hyper.get("dilation", 1), axes)
    extra = per_axis(hyper.get("output_padding", 0), axes)
    ends = pairs(hyper.get("padding", 0), kernel, dilations)
    last = [
        s * (o - 1) + d * (k - 1)
        for s, d, o, k in zip(strides, dilations, sizes, kernel, strict=True)
    ]
    return tuple(
        top + 1 - low - high + more
        for top, (low, high), more in zip(last, ends, extra, strict=True)
    )


def conv_setting(
    sizes: Sequence[int], kernel: Sequence[int], hyper: Mapping[str, Any]
) -> Setting:
    """The positions of a convolution."""
    known = {k: hyper[k] for k in ("stride", "padding", "dilation") if k in hyper}
    return Setting(sizes, kernel, **known, mode=hyper.get("padding_mode", "zeros"))


def transposed_setting(
    sizes: Sequence[int], kernel: Sequence[int], hyper: Mapping[str, Any]
) -> Setting:
    """The positions of a transposed convolution; ``sizes`` are its input's."""
    known = {k: hyper[k] for k in ("stride", "padding", "dilation") if k in hyper}
    full = transposed_size(sizes, kernel, hyper)
    return Setting(full, kernel, **known, out=tuple(sizes))
