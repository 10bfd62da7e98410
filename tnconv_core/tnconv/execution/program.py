"""The program: a flat list of steps, each writing one new register.

Registers ``0 .. len(inputs)-1`` are the arguments, the next ones the results of the
steps in order. The kinds below are a closed set. Shapes are static, all views are in
range (a :class:`Pad` comes first where they are not), and registers are C-contiguous
unless they come from a :class:`View` that copies nothing.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from fractions import Fraction
from math import prod
from typing import ClassVar

from tnconv.pattern import IndexPattern
from tnconv.reindex import IndexMap

Shape = tuple[int, ...]


@dataclass(frozen=True, slots=True)
class AxisMap:
    """Positions along one axis: ``offset + sum(steps[d] * index of dimension d)``."""

    offset: int
    steps: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Step:
    """A step; ``sources`` are the registers it reads, ``shape`` is its result's."""

    sources: tuple[int, ...]
    shape: Shape

    #: what the step is called in a printed plan
    kind: ClassVar[str] = "step"

    def renumbered(self, registers: dict[int, int]) -> Step:
        """The same step reading other registers."""
        return replace(self, sources=tuple(registers[r] for r in self.sources))


@dataclass(frozen=True, slots=True)
class Pad(Step):
    """Positions ``start .. stop`` of every axis; those outside ``valid`` are zero."""

    window: tuple[tuple[int, int], ...]
    valid: tuple[tuple[int, int], ...]
    kind: ClassVar[str] = "pad"


@dataclass(frozen=True, slots=True)
class View(Step):
    """Read an array through affine maps into dimensions ``dims``, then fuse to shape.

    The universal gather: permute, split, slice, window, diagonal, broadcast. With
    ``copy`` the result is contiguous; without it the planner counts on no data moving.
    """

    maps: tuple[AxisMap, ...]
    dims: Shape
    copy: bool
    kind: ClassVar[str] = "view"


@dataclass(frozen=True, slots=True)
class AddInto(Step):
    """Add an array into zeros (or into the second source) through affine maps.

    The universal scatter, the transpose of :class:`View`. ``injective`` says that no
    two elements meet, so that each is an assignment.
    """

    maps: tuple[AxisMap, ...]
    injective: bool
    kind: ClassVar[str] = "add into"


@dataclass(frozen=True, slots=True)
class Sum(Step):
    """Sum over some axes."""

    axes: tuple[int, ...]
    kind: ClassVar[str] = "sum"


@dataclass(frozen=True, slots=True)
class Matmul(Step):
    """Batched matrix product over the last two axes; leading axes broadcast.

    Multiplied by ``scale``, which the backend applies to whatever is smallest.
    """

    scale: Fraction = Fraction(1)
    kind: ClassVar[str] = "matmul"


@dataclass(frozen=True, slots=True)
class Gram(Step):
    """A matrix times its own transpose, exactly symmetric; leading axes are a batch.

    Multiplied by ``scale``, as :class:`Matmul`.
    """

    scale: Fraction = Fraction(1)
    kind: ClassVar[str] = "gram"


@dataclass(frozen=True, slots=True)
class MultiplySum(Step):
    """Elementwise product over named dimensions, summed over those not in ``out``."""

    left: tuple[int, ...]
    right: tuple[int, ...]
    out: tuple[int, ...]
    kind: ClassVar[str] = "multiply and sum"


@dataclass(frozen=True, slots=True)
class Add(Step):
    """The sum of two arrays of one shape; the first may be overwritten."""

    kind: ClassVar[str] = "add"


@dataclass(frozen=True, slots=True)
class Stack(Step):
    """Arrays of one shape as slices of one array, in any order of its dimensions.

    The first ``lead`` of ``dims`` count the arrays; the others split the shape of one.
    The result has them in the order ``order``, then fused to its shape; multiplied by
    ``scale``.
    """

    dims: Shape
    lead: int
    order: tuple[int, ...]
    scale: Fraction = Fraction(1)
    kind: ClassVar[str] = "stack"


@dataclass(frozen=True, slots=True)
class Constant(Step):
    """The product of patterns (or index maps) as one array, legs not listed summed.

    ``legs`` gives the dimensions in order, each as the number of a record and its leg.
    """

    records: tuple[IndexPattern | IndexMap, ...]
    legs: tuple[tuple[int, str], ...]
    kind: ClassVar[str] = "constant"


@dataclass(frozen=True, slots=True)
class Gather(Step):
    """Read one axis through an index map; ``transposed``: add slices through it."""

    axis: int
    map: IndexMap
    transposed: bool
    kind: ClassVar[str] = "gather"


@dataclass(frozen=True, slots=True)
class Convolution:
    """The hyper-parameters of a native convolution, one entry per dimension."""

    role: str  # "forward", "transposed" or "weight"
    stride: tuple[int, ...]
    padding: tuple[int, ...]
    dilation: tuple[int, ...]
    groups: int
    output_padding: tuple[int, ...]
    kernel: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Native(Step):
    """One call of the backend's own convolution.

    forward (input, weight), transposed (input, weight), weight (input, cotangent).
    """

    convolution: Convolution
    kind: ClassVar[str] = "native convolution"


@dataclass(frozen=True, slots=True)
class Spectral(Step):
    """Circular convolution of two arrays over all axes but two, by real transforms.

    The leading axes are those of :class:`Native` in the same role; the lengths of the
    transforms are those of the result. forward and weight correlate: the second
    array's spectrum is conjugated.
    """

    role: str  # "forward", "transposed" or "weight"
    groups: int
    kind: ClassVar[str] = "Fourier transforms"

    def matrices(self, left: Shape, right: Shape) -> tuple[int, int, int]:
        """Rows, inner and columns of the product at one frequency in one group."""
        if self.role == "weight":
            return left[1] // self.groups, left[0], right[1] // self.groups
        if self.role == "forward":
            return left[0], right[1], right[0] // self.groups
        return left[0], right[0] // self.groups, right[1]

    def is_thin(self, left: Shape, right: Shape) -> bool:
        """Whether its matrices are so thin that it is better done elementwise."""
        rows, inner, columns = self.matrices(left, right)
        return inner == 1 or rows * columns == 1

    @property
    def lengths(self) -> Shape:
        """The lengths of the transforms."""
        return self.shape[2:]

    @property
    def frequencies(self) -> int:
        """How many frequencies the spectrum of a real array has."""
        return prod(self.lengths[:-1]) * (self.lengths[-1] // 2 + 1)


@dataclass(frozen=True, slots=True)
class CumulativeSum(Step):
    """Sums of the first elements along an axis; with ``zero`` also that of none."""

    axis: int
    zero: bool
    kind: ClassVar[str] = "cumulative sum"


@dataclass(frozen=True, slots=True)
class Scale(Step):
    """Multiply by the rational ``numerator / denominator``."""

    numerator: int
    denominator: int
    kind: ClassVar[str] = "scale"


@dataclass(frozen=True, slots=True)
class Conjugate(Step):
    """The complex conjugate; real arrays pass through."""

    kind: ClassVar[str] = "conjugate"


Slices = tuple[tuple[int, int], ...]


@dataclass(frozen=True, slots=True)
class Block:
    """One turn of a loop: which parts of the sources it reads, and where it writes."""

    reads: tuple[Slices, ...]
    write: Slices
    body: int


@dataclass(frozen=True, slots=True)
class Loop(Step):
    """Run a body program on slices of the sources, block after block.

    Each block adds its result to its part of a zero array; blocks of a kept label write
    disjoint parts, blocks of a summed label the same one.
    """

    blocks: tuple[Block, ...]
    bodies: tuple[Program, ...]
    kind: ClassVar[str] = "loop over blocks"


@dataclass(frozen=True, slots=True)
class Program:
    """Named inputs, steps, and the register that is the result."""

    inputs: tuple[tuple[str, Shape], ...]
    steps: tuple[Step, ...]
    result: int

    @property
    def shapes(self) -> tuple[Shape, ...]:
        """The shape of every register."""
        shapes = tuple(shape for _, shape in self.inputs)
        return shapes + tuple(step.shape for step in self.steps)

    @property
    def shape(self) -> Shape:
        """The shape of the result."""
        return self.shapes[self.result]


def size_of(shape: Shape) -> int:
    """The number of elements."""
    return prod(shape)
