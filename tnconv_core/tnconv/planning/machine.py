"""What a backend on a device can do and how fast: the constants of the cost model.

Rates are in operations or bytes per second, overheads in seconds. The shipped numbers
were fitted on two cores of an AMD EPYC (Zen 3); the planner needs their ratios.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace


@dataclass(frozen=True, slots=True)
class NativeRate:
    """Speed of a native convolution in one role, for one class of groups.

    ``rate`` flops per second; half of it with ``read`` channels per group in the first
    operand or ``made`` in the result, with ``taps`` kernel positions, or on a map of
    ``space`` positions; ``element`` seconds more for every element of the result, and
    ``call`` seconds in any case.
    """

    rate: float
    read: float = 0.0
    made: float = 0.0
    taps: float = float("inf")
    space: float = 10.0
    element: float = 0.0
    call: float = 6e-6

    def seconds(
        self,
        flops: float,
        channels: tuple[int, int],
        taps: int,
        space: int,
        elements: int,
    ) -> float:
        """Predicted seconds of the arithmetic; ``channels`` read and made per group."""
        rate = self.rate / (1 + taps / self.taps) * space / (space + self.space)
        rate *= channels[0] / (channels[0] + self.read)
        rate *= channels[1] / (channels[1] + self.made)
        return self.call + flops / rate + elements * self.element


@dataclass(frozen=True)
class Machine:
    """The constants of one backend on one device class."""

    name: str
    #: whether windows and diagonals are strided views that copy nothing
    strided: bool = True
    #: whether numbers are rounded (floats), so that factors may be moved about
    inexact: bool = True
    #: native convolutions by number of spatial dimensions; empty: none
    native_dims: tuple[int, ...] = ()
    native: Mapping[tuple[str, str], NativeRate] = field(default_factory=dict)
    #: seconds for one call of an array operation
    call: float = 5e-6
    #: matrix product: peak rate, half-efficiency length, seconds per batch item
    gemm: float = 130e9
    gemm_half: float = 16.0
    gemm_item: float = 0.1e-6
    #: triangles: elements mirrored per second (0: a triangle is not worth making), and
    #: seconds per block of rows
    mirror: float = 0.0
    mirror_call: float = 0.0
    #: elementwise multiply-add without a temporary; with one per element if False
    multiply: float = 1.0e9
    #: copies: contiguous rate, inner length of half efficiency, share kept if strided
    copy: float = 18e9
    run_half: float = 18.0
    gaps: float = 0.4
    #: sums over strided elements per second, and in-place adds, bytes per second
    strided_sum: float = 1.0e9
    add: float = 8e9
    #: bytes from which fresh memory is returned to the system, and its rate
    fresh_from: int = 32 << 20
    fresh: float = 3.3e9

    def with_dtype(self, dtype: str) -> Machine:
        """The constants for another dtype: wider elements multiply more slowly."""
        factor = {"float64": 0.5, "complex64": 0.25, "complex128": 0.12}.get(dtype, 1.0)
        inexact = not dtype.startswith(("int", "uint"))
        if not inexact:
            factor = 0.02  # no library multiplies integer matrices by blocks
        native = {
            key: replace(r, rate=r.rate * factor, element=r.element / factor)
            for key, r in self.native.items()
        }
        real = dtype in ("float16", "bfloat16", "float32", "float64")
        dims = self.native_dims if real else ()
        return replace(
            self,
            gemm=self.gemm * factor,
            native=native,
            native_dims=dims,
            mirror=self.mirror if real else 0.0,
            inexact=inexact,
        )


NUMPY = Machine(
    "numpy",
    call=4e-6,
    gemm=125e9,
    gemm_half=8.0,
    gemm_item=4e-6,
    mirror=0.5e9,
    multiply=0.35e9,
    copy=20e9,
    run_half=28.0,
    strided_sum=0.3e9,
    add=5e9,
    fresh_from=16 << 20,
    fresh=6.5e9,
)

TORCH = Machine(
    "torch",
    mirror=0.6e9,
    mirror_call=12e-6,
    native_dims=(1, 2, 3),
    native={
        ("forward", "dense"): NativeRate(130e9, read=1.5, made=8, taps=4000),
        ("forward", "grouped"): NativeRate(125e9, read=12, made=4, taps=4000),
        ("forward", "depthwise"): NativeRate(110e9, element=0.8e-9),
        ("transposed", "dense"): NativeRate(
            135e9, read=12, made=8, taps=300, call=3e-5
        ),
        ("transposed", "grouped"): NativeRate(
            120e9, read=8, made=4, taps=300, call=3e-5
        ),
        ("transposed", "depthwise"): NativeRate(75e9, element=1.0e-9, call=3e-5),
        ("weight", "dense"): NativeRate(110e9, taps=2000, space=30, call=3e-5),
        ("weight", "grouped"): NativeRate(
            100e9, read=6, taps=2000, space=30, call=3e-5
        ),
        ("weight", "depthwise"): NativeRate(90e9, taps=2, call=3e-5),
    },
)

ARRAY_API = Machine(
    "array_api", strided=False, call=10e-6, multiply=0.3e9, strided_sum=0.3e9
)

MACHINES = {machine.name: machine for machine in (NUMPY, TORCH, ARRAY_API)}
