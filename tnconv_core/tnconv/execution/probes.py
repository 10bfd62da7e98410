"""Little programs that are timed to find the constants of the cost model.

Each is one step, or a few, whose time one group of constants decides. A backend
compiles them like any program, so every backend can be measured.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import starmap

from tnconv.execution import convolutions
from tnconv.execution.program import (
    Add,
    AddInto,
    AxisMap,
    CumulativeSum,
    Gram,
    Matmul,
    MultiplySum,
    Program,
    Scale,
    Shape,
    Spectral,
    Step,
    Sum,
    View,
)
from tnconv.planning.fit import Name
from tnconv.planning.machine import Kind, Machine


@dataclass(frozen=True, slots=True)
class Group:
    """Constants that are fitted together, and the programs that show them."""

    title: str
    names: tuple[Name, ...]
    programs: tuple[Program, ...]


def groups(machine: Machine) -> Iterator[Group]:
    """What to measure for a machine, in the order of fitting."""
    yield Group("calls", ("call",), (program([(8, 8)], *_called()),))
    yield Group("views", ("view",), (program([(64, 64)], *_viewed()),))
    yield Group("copies", ("copy", "run"), tuple(map(transposed, RUNS)))
    yield Group("nested copies", ("nest",), tuple(starmap(interleaved, NESTS)))
    yield Group("gaps", ("gaps",), tuple(map(gapped, (64, 512))))
    yield Group("fresh memory", ("fresh", "fresh_from"), tuple(map(scaled, BLOCKS)))
    yield Group("adds", ("add",), tuple(map(added, (1 << 20, 1 << 21))))
    yield Group("zeros", ("zeros",), tuple(map(scattered, (1 << 18, 1 << 20))))
    rows = (*map(summed, SUMS), *map(read, READS))
    yield Group("sums", ("read", "gemv" if machine.gemv else "sum"), rows)
    if machine.gemv:
        yield Group("sums around", ("sum",), tuple(map(summed_around, SUMS)))
    views = tuple(starmap(diagonal, DIAGONALS))
    yield Group("sums of views", ("strided_sum", "sum_run", "sum_item"), views)
    if machine.turn:
        taps = tuple(map(multiplied, (7, 49)))
        yield Group("multiply and sum", ("turn",), taps)
    short = *map(apart, (8, 16)), *map(together, (8, 31))
    yield Group("short sums", ("multiply", "multiply_run"), short)
    names = ("gemm", "gemm_rows", "gemm_inner", "gemm_columns")
    yield Group("matrix products", names, tuple(matmul(*s) for s in PRODUCTS))
    yield Group("turned operands", ("turned",), tuple(map(turned, (16, 64))))
    batches = tuple(matmul(n, side, side, side) for n, side in BATCHES)
    yield Group("batched products", ("gemm_small", "gemm_item"), batches)
    yield from _special(machine)
    for kind in machine.native:
        if machine.native_dims:
            yield native_group(kind, machine.native_dims)


def _special(machine: Machine) -> Iterator[Group]:
    """Of what only some libraries have."""
    if machine.dot:
        yield Group("dot products", ("dot", "dot_item"), tuple(map(dots, DOTS)))
    if machine.mirror:
        yield Group("triangles", ("mirror",), tuple(map(triangle, TRIANGLES)))
    if machine.fft:
        yield Group("Fourier transforms", ("fft",), tuple(map(spectral, LENGTHS)))
    if machine.cumulative:
        yield Group("running sums", ("cumulative",), tuple(map(running, SUMS)))


#: lengths of runs, loops over runs and their length, lengths of sums and of dot
#: products; positions kept, length and step of diagonals; rows of triangles, lengths of
#: transforms, elements of what is read; batches of squares, bytes of blocks; and batch,
#: rows, inner and columns of products
RUNS = (2, 8, 32, 128, 1024)
NESTS = ((2, 2), (3, 3), (8, 2))
SUMS = (64, 1024)
DIAGONALS = ((7, 16, 1), (7, 64, 1), (49, 16, 1), (256, 4, 1), (7, 16, 2), (64, 4, 2))
DOTS = (64, 1024)
TRIANGLES = (256, 512)
LENGTHS = ((540,), (4096,), (128, 180))
READS = (1 << 23, 1 << 24)
BATCHES = ((4096, 8), (2048, 16), (512, 32))
BLOCKS = (1 << 22, 1 << 23, 1 << 24, 1 << 25, 1 << 26, 1 << 27)
PRODUCTS = (
    (1, 1024, 1024, 1024), (1, 16, 1024, 2048), (1, 64, 512, 2048), (1, 128, 512, 1024),
    (1, 2048, 1024, 16), (1, 2048, 512, 64), (1, 1024, 512, 128), (1, 1024, 16, 1024),
    (1, 512, 64, 1024), (8, 256, 256, 256),
)  # fmt: skip


def program(inputs: Sequence[Shape], *steps: Step) -> Program:
    """A program of unnamed inputs whose last step is the result."""
    named = tuple((f"x{j}", shape) for j, shape in enumerate(inputs))
    return Program(named, steps, len(inputs) + len(steps) - 1)


def _maps(*steps: tuple[int, ...]) -> tuple[AxisMap, ...]:
    return tuple(AxisMap(0, by) for by in steps)


def _called() -> tuple[Step, ...]:
    """One call each of what programs are made of, on very little."""
    square, turn = (8, 8), _maps((0, 1), (1, 0))
    return (
        Matmul((0, 0), square),
        View((1,), square, turn, square, True),
        Add((2, 1), square),
        Sum((3,), (8,), (1,)),
        Scale((4,), (8,), 3, 2),
    )


def _viewed() -> tuple[Step, ...]:
    """Views of one another, of windows and of what is only turned; and a call."""
    turn, windows = _maps((0, 1), (1, 0)), _maps((1, 0, 0), (0, 1, 1))
    split, shape = _maps((8, 1, 0), (0, 0, 1)), (8, 8, 64)
    return (
        View((0,), (64, 64), turn, (64, 64), False),
        View((1,), shape, split, shape, False),
        View((1,), (64, 60, 5), windows, (64, 60, 5), False),
        View((1,), (64, 64), turn, (64, 64), False),
        Scale((4,), (64, 64), 3, 2),
    )


def transposed(run: int) -> Program:
    """A copy of 4 million elements in inner loops of a given length."""
    side = int(((1 << 21) / run) ** 0.5)
    maps = _maps((0, 1, 0), (1, 0, 0), (0, 0, 1))
    shape = (side, side, run)
    return program([shape], View((0,), shape, maps, shape, True))


def interleaved(rows: int, run: int) -> Program:
    """A copy in short inner loops, few of which follow one another at one distance."""
    many = (1 << 19) // (rows * run)
    maps = _maps((0, 1, 0), (1, 0, 0), (0, 0, 1))
    shape = (many, rows, run)
    return program([(rows, many, run)], View((0,), shape, maps, shape, True))


def gapped(length: int) -> Program:
    """A copy of every second element."""
    rows = (1 << 20) // length
    shape = (rows, length)
    step = View((0,), shape, _maps((1, 0), (0, 2)), shape, True)
    return program([(rows, 2 * length)], step)


def scaled(nbytes: int) -> Program:
    """A result of so many bytes in single precision."""
    shape = (nbytes // 4,)
    return program([shape], Scale((0,), shape, 3, 2))


def added(size: int) -> Program:
    """Three sums of arrays, two of them in place where the backend does that."""
    steps = [Add((0, 1), (size,)), Add((2, 0), (size,)), Add((3, 1), (size,))]
    return program([(size,), (size,)], *steps)


def scattered(size: int) -> Program:
    """Slices assigned into zeros twice their size."""
    shape = (size // 256, 512)
    step = AddInto((0,), shape, _maps((1, 0), (0, 1)), True)
    return program([(size // 256, 256)], step)


def summed(length: int) -> Program:
    """A sum along rows of what a cache holds."""
    rows = (1 << 18) // length
    return program([(rows, length)], Sum((0,), (rows,), (1,)))


def summed_around(length: int) -> Program:
    """A sum over the axes on both sides of one that is kept."""
    shape = ((1 << 15) // length, 64, length)
    return program([shape], Sum((0,), (64,), (0, 2)))


def running(length: int) -> Program:
    """Cumulative sums along rows."""
    shape = ((1 << 20) // length, length)
    return program([shape], CumulativeSum((0,), shape, 1, False))


def dots(length: int) -> Program:
    """Dot products of rows."""
    shape = ((1 << 20) // length, length)
    step = MultiplySum((0, 1), shape[:1], (0, 1), (0, 1), (0,))
    return program([shape, shape], step)


def triangle(rows: int) -> Program:
    """A matrix times its own transpose."""
    return program([(rows, 64)], Gram((0,), (rows, rows)))


def spectral(lengths: tuple[int, ...]) -> Program:
    """A depthwise convolution by transforms of so many positions."""
    channels = 16
    step = Spectral((0, 1), (4, channels, *lengths), "forward", channels)
    return program([(4, channels, *lengths), (channels, 1, *lengths)], step)


def read(size: int) -> Program:
    """A sum over more than caches hold, row by row."""
    return program([(size >> 12, 1 << 12)], Sum((0,), (size >> 12,), (1,)))


def diagonal(kept: int, length: int, step: int) -> Program:
    """Sums along diagonals, from every ``step``-th position on."""
    rows = (1 << 17) // (kept * length)
    wide = length + step * (kept - 1)
    taken = (rows, kept, length)
    maps = _maps((1, 0, 0), (0, 0, 1), (0, step, 1))
    view = View((0,), taken, maps, taken, False)
    return program([(rows, length, wide)], view, Sum((1,), (rows, kept), (2,)))


def multiplied(taps: int) -> Program:
    """A depthwise product: positions times taps, summed over the taps."""
    left, right, out = (64, taps, 784), (64, taps), (64, 784)
    return program([left, right], MultiplySum((0, 1), out, (0, 1, 2), (0, 1), (0, 2)))


def apart(length: int) -> Program:
    """Products summed over every second element of short rows."""
    rows = (1 << 17) // length
    shape, taken = (rows, 2 * length + 1), (rows, 2, length)
    view = View((0,), taken, _maps((1, 0, 0), (0, 1, 2)), taken, False)
    step = MultiplySum((2, 1), (rows, 2), (0, 1, 2), (0, 2), (0, 1))
    return program([shape, (rows, length)], view, step)


def together(length: int) -> Program:
    """Products summed over short rows, too few for turns over blocks."""
    step = MultiplySum((0, 1), (4000,), (0, 1), (0, 1), (0,))
    return program([(4000, length), (4000, length)], step)


def turned(columns: int) -> Program:
    """A thin product whose second operand is a transposed view."""
    left, right = (columns, 512), (4096, 512)
    view = View((1,), (512, 4096), _maps((0, 1), (1, 0)), (512, 4096), False)
    return program([left, right], view, Matmul((0, 2), (columns, 4096)))


def matmul(batch: int, rows: int, inner: int, columns: int) -> Program:
    """A batch of matrix products."""
    ahead = (batch,) if batch > 1 else ()
    left, right = (*ahead, rows, inner), (*ahead, inner, columns)
    return program([left, right], Matmul((0, 1), (*ahead, rows, columns)))


def native_group(kind: Kind, dims: tuple[int, ...]) -> Group:
    """All constants of one role and kind, the most telling first."""
    names = tuple((kind, name) for name in NATIVE)
    programs = tuple(convolutions.programs(kind, dims))
    return Group(" ".join(("native", *kind)), names, programs)


#: the constants of native convolutions in the order of fitting
NATIVE = (
    *("rate", "call", "packed", "element", "made", "read", "space", "taps"),
    *("line", "volume", "dilated", "stride"),
)
