"""What a backend on a device can do and how fast: the constants of the cost model.

Rates are in operations or bytes per second, overheads in seconds. The shipped numbers
are in ``machines.json``, one record for each backend and device class; what
:mod:`tnconv.execution.calibration` measures is of the same form.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from dataclasses import dataclass, field, fields, replace
from functools import cached_property
from typing import Any

from tnconv.planning.device import Device

#: a processor of which nothing is known
ANY = Device()
#: what a native convolution is known by: its role and its kind of groups
Kind = tuple[str, str]
ROLES = ("forward", "transposed", "weight")
#: of the grouped ones, "depthwise" has one channel in and out of a group, and
#: "multiplier" one in and several out
KINDS = ("dense", "grouped", "depthwise", "multiplier")


@dataclass(frozen=True, slots=True)
class NativeRate:
    """Speed of a native convolution in one role, for one class of groups.

    ``rate`` flops per second; half of it where channels per group in the first operand
    times kernel positions are ``read``, with ``made`` channels in the result, with
    ``taps`` kernel positions, or on a map of ``space`` positions; ``line`` and
    ``volume`` are the shares of it in one and in three dimensions, ``dilated`` that
    where a kernel is dilated, ``stride`` the power of the stride that the time grows
    with; ``element`` seconds more for every element of the result, ``packed`` for every
    element read, which libraries rearrange first, and ``call`` seconds in any case.
    """

    rate: float
    read: float = 0.0
    made: float = 0.0
    taps: float = 1e9
    space: float = 10.0
    line: float = 1.0
    volume: float = 1.0
    dilated: float = 1.0
    stride: float = 0.0
    row: float = 0.0
    element: float = 0.0
    packed: float = 0.0
    call: float = 6e-6

    def share(self, dims: int, dilated: bool) -> float:
        """What is left of the rate in so many dimensions, dilated or not."""
        share = {1: self.line, 3: self.volume}.get(dims, 1.0)
        return share * self.dilated if dilated else share

    @property
    def fastest(self) -> float:
        """A rate that no call exceeds."""
        return self.rate * max(1.0, self.line, self.volume) * max(1.0, self.dilated)

    def seconds(
        self,
        flops: float,
        channels: tuple[int, int],
        taps: int,
        space: int,
        row: int,
        elements: tuple[int, int],
    ) -> float:
        """Predicted seconds of a call; ``channels`` read and made per group, positions
        of the map in all and in a ``row``, ``elements`` read and made in all."""
        rate = self.rate / (1 + taps / self.taps) * space / (space + self.space)
        rate *= row / (row + self.row)
        rate *= channels[0] * taps / (channels[0] * taps + self.read)
        rate *= channels[1] / (channels[1] + self.made)
        moved = elements[0] * self.packed + elements[1] * self.element
        return self.call + flops / rate + moved


@dataclass(frozen=True)
class Machine:
    """The constants of one backend on one device class."""

    name: str
    device: Device = ANY
    #: whether windows and diagonals are strided views that copy nothing
    strided: bool = True
    #: whether an elementwise product is stored before it is summed
    stored: bool = True
    #: whether one that is summed is a batch of matrix products where it can be
    matrices: bool = False
    #: whether numbers are rounded (floats), so that factors may be moved about
    inexact: bool = True
    #: native convolutions by number of spatial dimensions; empty: none
    native_dims: tuple[int, ...] = ()
    native: Mapping[Kind, NativeRate] = field(default_factory=dict)
    #: seconds for one call of an array operation
    call: float = 5e-6
    #: seconds for a view that moves nothing
    view: float = 2e-6
    #: matrix product: peak rate, half-efficiency lengths, seconds per batch item
    gemm: float = 130e9
    gemm_rows: float = 8.0
    gemm_inner: float = 16.0
    gemm_columns: float = 16.0
    gemm_item: float = 0.1e-6
    #: peak rate of products that are so small that they are not packed (0: none is)
    gemm_small: float = 0.0
    #: bytes per second at which BLAS takes up an operand that lies turned, beyond what
    #: one in order costs (0: alike)
    turned: float = 0.0
    #: a matrix times a vector, and sums that are such products: elements per second
    #: (0: as any product, and no sums)
    gemv: float = 0.0
    #: triangles: elements mirrored per second (0: a triangle is not worth making), and
    #: seconds per block of rows
    mirror: float = 0.0
    mirror_call: float = 0.0
    #: elementwise multiply-add, elements per second
    multiply: float = 1.0e9
    #: seconds to start its inner loop over what lies apart
    multiply_run: float = 0.0
    #: dot products, elements per second and seconds for each; 0: none
    dot: float = 0.0
    dot_item: float = 30e-9
    #: multiply-adds in turns over blocks in cache, elements per second (0: none), and
    #: the inner length of half efficiency
    turn: float = 0.0
    turn_half: float = 250.0
    #: copies, bytes per second; seconds to start an inner loop, and one over such
    #: loops; share kept with gaps
    copy: float = 18e9
    run: float = 4e-9
    nest: float = 0.0
    gaps: float = 0.4
    #: bytes per second at which products and sums go through what no cache holds
    read: float = 36e9
    #: sums, elements per second: in order of memory, and over strided views; seconds
    #: for each element of the result, and to start an inner loop over what lies apart
    sum: float = 3.0e9
    strided_sum: float = 1.0e9
    sum_item: float = 1e-9
    sum_run: float = 0.0
    #: in-place adds and zeros, bytes per second
    add: float = 8e9
    zeros: float = 18e9
    #: real Fourier transforms: flops (2.5 n log2 n each) per second, and elements of
    #: cumulative sums per second; 0 where the library has none
    fft: float = 0.0
    cumulative: float = 0.0
    #: bytes from which fresh memory is returned to the system, and its rate
    fresh_from: float = 32 << 20
    fresh: float = 3.3e9

    def with_dtype(self, dtype: str) -> Machine:
        """The constants for another dtype: wider elements multiply more slowly."""
        factor = {"float64": 0.5, "complex64": 0.25, "complex128": 0.12}.get(dtype, 1.0)
        inexact = not dtype.startswith(("int", "uint"))
        if not inexact:
            factor = 0.02  # no library multiplies integer matrices by blocks
        if factor == 1.0:
            return self
        native = {
            key: replace(
                r,
                rate=r.rate * factor,
                element=r.element / factor,
                packed=r.packed / factor,
            )
            for key, r in self.native.items()
        }
        real = dtype in ("float16", "bfloat16", "float32", "float64")
        dims = self.native_dims if real else ()
        return replace(
            self,
            gemm=self.gemm * factor,
            gemm_small=self.gemm_small * factor if inexact else 0.0,
            gemv=self.gemv * factor if inexact else 0.0,
            native=native,
            native_dims=dims,
            mirror=self.mirror if real else 0.0,
            inexact=inexact,
            # on integers nothing that rounds, or that other libraries would not call
            fft=self.fft * factor if real else 0.0,
            cumulative=self.cumulative if inexact else 0.0,
        )

    @cached_property
    def key(self) -> Hashable:
        """All of it as a value for the keys of caches: a plan is of its constants."""
        plain = [getattr(self, f.name) for f in fields(self) if f.name != "native"]
        return (*plain, *sorted(self.native.items(), key=lambda item: item[0]))

    @cached_property
    def calm(self) -> Machine:
        """The same, fresh memory at no price."""
        return replace(self, fresh=float("inf"))

    def without(self, *rates: str) -> Machine:
        """The constants of a library that lacks what these rates are of."""
        gone: dict[str, Any] = dict.fromkeys(rates, 0.0)
        return replace(self, **gone)
