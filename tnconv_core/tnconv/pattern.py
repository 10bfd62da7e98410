"""The index pattern: the 0/1 tensor that makes a contraction a convolution.

An index pattern ``P`` has three legs, the input position ``i``, the output position
``o`` and the kernel position ``k`` of one spatial dimension, and

    P[i, o, k] = 1  iff  i = stride * o + dilation * k - padding,   0 <= i < input,

else 0 (Dangel, *Convolutions and More as Einsum*, NeurIPS 2024, section 2). The record
below never builds that tensor; it moves between patterns by arithmetic. With the output
size explicit and the padding any integer (the low side only; negative crops) the family
is closed under every move defined here.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import lru_cache
from math import gcd

from tnconv.errors import NetworkError


@dataclass(frozen=True, slots=True)
class IndexPattern:
    """The 0/1 tensor ``P[i, o, k] = [i == stride*o + dilation*k - padding]``.

    Sizes are the lengths of the three legs. ``padding`` is the padding at the low end;
    the high end follows from the sizes.

    >>> p = IndexPattern(5, 3, 3, padding=0)
    >>> p.position(2, 1)
    3
    >>> p.covers_input_range()
    True
    """

    input: int
    output: int
    kernel: int
    stride: int = 1
    dilation: int = 1
    padding: int = 0

    def __post_init__(self) -> None:
        if min(self.input, self.output, self.kernel) < 0:
            raise NetworkError(f"index pattern: negative size in {self}")
        if self.stride < 1 or self.dilation < 1:
            raise NetworkError(f"index pattern: stride and dilation start at 1: {self}")

    # ---- the entries

    def position(self, output: int, kernel: int) -> int:
        """The input position that ``(output, kernel)`` reads, in range or not."""
        return self.stride * output + self.dilation * kernel - self.padding

    def entries(self) -> Iterator[tuple[int, int, int]]:
        """Every ``(i, o, k)`` whose entry is 1."""
        for o in range(self.output):
            for k in range(self.kernel):
                i = self.position(o, k)
                if 0 <= i < self.input:
                    yield i, o, k

    def output_range(self, kernel: int) -> range:
        """The output positions that read inside the input at this kernel position."""
        shift = self.dilation * kernel - self.padding
        first = max(0, -(shift // self.stride))
        last = min(self.output - 1, (self.input - 1 - shift) // self.stride)
        return range(first, max(first, last + 1))

    def kernel_range(self, output: int) -> range:
        """The kernel positions that read inside the input at this output position."""
        return self.swap().output_range(output)

    def touched_kernel(self) -> range:
        """From the first to the last kernel position that reads inside the input."""
        taps = range(self.kernel)
        first = next((k for k in taps if self.output_range(k)), None)
        if first is None:
            return range(0)
        return range(first, next(k for k in reversed(taps) if self.output_range(k)) + 1)

    def touched_output(self) -> range:
        """From the first to the last output position that reads inside the input."""
        return self.swap().touched_kernel()

    def touched_input(self) -> range:
        """From the first to the last input position that is read."""
        if self.kernel > self.output:
            return self.swap().touched_input()
        ends: list[int] = []
        for k in range(self.kernel):
            outputs = self.output_range(k)
            if outputs:
                ends += [self.position(outputs[0], k), self.position(outputs[-1], k)]
        return range(min(ends), max(ends) + 1) if ends else range(0)

    # ---- predicates

    def is_empty(self) -> bool:
        """Whether every entry is 0."""
        return not self.touched_kernel()

    def covers_input_range(self) -> bool:
        """Whether every ``(o, k)`` reads inside the input: the mask is all ones."""
        if not (self.input and self.output and self.kernel):
            return not (self.output and self.kernel)
        return self.padding <= 0 and self.extent - self.padding <= self.input

    def windows_disjoint(self) -> bool:
        """Whether no two outputs share an input position: stride > dilation*(K-1)."""
        return self.output <= 1 or self.stride > self.dilation * (self.kernel - 1)

    def taps_disjoint(self) -> bool:
        """The same for kernel positions: dilation > stride*(O-1)."""
        return self.swap().windows_disjoint()

    def is_injective(self) -> bool:
        """Whether ``(o, k) -> i`` nests like a mixed radix, so that it is a view."""
        return self.windows_disjoint() or self.taps_disjoint()

    def is_identity(self) -> bool:
        """Whether, the kernel leg aside, ``i`` and ``o`` are the same index."""
        return (
            self.kernel == 1
            and self.input == self.output
            and self.padding == 0
            and (self.stride == 1 or self.output <= 1)
        )

    @property
    def extent(self) -> int:
        """Positions from the first read to the last, had the input no ends."""
        if not (self.output and self.kernel):
            return 0
        return self.stride * (self.output - 1) + self.dilation * (self.kernel - 1) + 1

    def touches(self, output: int) -> int:
        """Input positions that so many neighboring outputs read, ends aside."""
        span = self.stride * (output - 1) + self.dilation * (self.kernel - 1) + 1
        return min(self.input, span)

    @property
    def high_padding(self) -> int:
        """Padding at the high end that this record implies; negative: unread input."""
        return self.extent - self.padding - self.input

    @property
    def common_step(self) -> int:
        """Greatest common divisor of stride and dilation."""
        return gcd(self.stride, self.dilation)

    # ---- moves

    def narrow_input(self, start: int, size: int) -> IndexPattern:
        """Keep input positions ``start .. start+size``."""
        _check_range("input", start, size, self.input)
        return replace(self, input=size, padding=self.padding + start)

    def narrow_output(self, start: int, size: int) -> IndexPattern:
        """Keep output positions ``start .. start+size``."""
        _check_range("output", start, size, self.output)
        return replace(self, output=size, padding=self.padding - start * self.stride)

    def narrow_kernel(self, start: int, size: int) -> IndexPattern:
        """Keep kernel positions ``start .. start+size``."""
        return self.swap().narrow_output(start, size).swap()

    def every_output(self, step: int) -> IndexPattern:
        """Keep every ``step``-th output position, from the first."""
        _check_step(step)
        return replace(self, output=-(-self.output // step), stride=self.stride * step)

    def every_kernel(self, step: int) -> IndexPattern:
        """Keep every ``step``-th kernel position, from the first."""
        return self.swap().every_output(step).swap()

    def swap(self) -> IndexPattern:
        """Exchange the roles of output and kernel."""
        return _swapped(self)

    def flip(self) -> IndexPattern:
        """Reverse all three legs."""
        return replace(self, padding=self.extent - self.padding - self.input)

    def pad_input(self, low: int, high: int) -> IndexPattern:
        """The pattern on an input that was padded explicitly."""
        if self.input + low + high < 0:
            raise NetworkError(f"index pattern: cropping ({low}, {high}) off {self}")
        return replace(self, input=self.input + low + high, padding=self.padding - low)

    def transpose(self) -> IndexPattern:
        """Exchange input and output, the kernel reversed; stride 1 only."""
        if self.stride != 1:
            raise NetworkError(f"index pattern: no transpose at stride > 1: {self}")
        return replace(
            self,
            input=self.output,
            output=self.input,
            padding=self.dilation * (self.kernel - 1) - self.padding,
        )

    def residue(self, step: int) -> tuple[int, IndexPattern]:
        """Keep the input positions ``r, r+step, ..``: the only ones ever read.

        ``step`` divides stride and dilation. Returns ``r`` and the smaller pattern.
        """
        _check_step(step)
        if self.stride % step or self.dilation % step:
            raise NetworkError(f"index pattern: {step} divides not both steps: {self}")
        start = -self.padding % step
        return start, replace(
            self,
            input=max(0, -(-(self.input - start) // step)),
            stride=self.stride // step,
            dilation=self.dilation // step,
            padding=(self.padding + start) // step,
        )


def _check_range(leg: str, start: int, size: int, limit: int) -> None:
    if start < 0 or size < 0 or start + size > limit:
        raise NetworkError(
            f"index pattern: {leg} slice {start}:{start + size} is not within 0:{limit}"
        )


def _check_step(step: int) -> None:
    if step < 1:
        raise NetworkError(f"index pattern: a step of {step} is not positive")


@lru_cache(maxsize=1024)
def _swapped(index: IndexPattern) -> IndexPattern:
    """Output and kernel exchanged: planning asks for it again and again."""
    return IndexPattern(
        index.input,
        index.kernel,
        index.output,
        index.dilation,
        index.stride,
        index.padding,
    )
