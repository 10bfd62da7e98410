"""One kernel per kind of step, on the Array API standard alone: the reference.

A backend with more to offer overrides single methods. Binding a step does all the work
that depends on shapes; what is left per call is the library's own.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from tnconv.execution.crew import Crew
from tnconv.execution.liveness import Liveness, analyze
from tnconv.execution.program import (
    Add,
    AddInto,
    Conjugate,
    Constant,
    CumulativeSum,
    Gather,
    Gram,
    Loop,
    Matmul,
    MultiplySum,
    Native,
    Pad,
    Program,
    Scale,
    Shape,
    Spectral,
    Stack,
    Step,
    Sum,
    View,
)
from tnconv_backends import standard
from tnconv_backends.blocks import block_results
from tnconv_backends.constants import constant
from tnconv_backends.pieces import add_pieces, embedded, read_pieces
from tnconv_backends.runner import straight_line
from tnconv_backends.scaled import scaled_gram, scaled_product
from tnconv_backends.spectral import bind_spectral

Array = Any
Kernel = Callable[..., Array]
Line = tuple[Kernel, tuple[int, ...], tuple[int, ...]]


class Kernels:
    """Kernels for one array namespace, dtype and device; the blocks of loops are
    contracted by a crew, if there is one."""

    def __init__(
        self, xp: Any, dtype: Any, device: Any, crew: Crew | None = None
    ) -> None:
        self.xp = xp
        self.dtype = dtype
        self.device = device
        self.crew = crew

    # ---- programs

    def bind_program(self, program: Program) -> Callable[[Sequence[Array]], Array]:
        """A closure that runs the program on a sequence of arrays."""
        program = self.prepared(program)
        live, count = analyze(program), len(program.inputs)
        lines = self.lines(program, live, len(program.steps))
        result = program.result
        if live.roots[result] < count:  # never the memory of an argument
            lines.append((self.copy, (result,), ()))
            result = count + len(program.steps)
        return straight_line(count, lines, result)

    def prepared(self, program: Program) -> Program:
        """The program as it runs, less what means nothing to the library."""
        return program

    def lines(self, program: Program, live: Liveness, stop: int) -> list[Line]:
        """Steps as kernels, what they read, and what is dropped after them."""
        shapes, lines = program.shapes, []
        for at, step in enumerate(program.steps[:stop]):
            sources = tuple(shapes[r] for r in step.sources)
            kernel = self.bind(step, sources, live.overwrites[at])
            lines.append((kernel, step.sources, live.drops[at]))
        return lines

    def landing(
        self, step: Step, shapes: Sequence[Shape], added: bool
    ) -> Kernel | None:
        """A kernel that takes memory for its result first, in one piece and of any
        shape, and writes there, or adds; None: there is none."""
        return None

    def bind(self, step: Step, shapes: Sequence[Shape], overwrite: bool) -> Kernel:
        """The kernel of one step."""
        table: dict[type[Step], Callable[..., Kernel]] = {
            Pad: self.pad,
            View: self.view,
            AddInto: self.add_into,
            Sum: self.sum,
            Matmul: self.matmul,
            Gram: self.gram,
            MultiplySum: self.multiply_sum,
            Add: self.add,
            Stack: self.stack,
            Constant: self.constant,
            Gather: self.gather,
            Native: self.native,
            Spectral: self.spectral,
            CumulativeSum: self.cumulative_sum,
            Scale: self.scale,
            Conjugate: self.conjugate,
            Loop: self.loop,
        }
        return table[type(step)](step, shapes, overwrite)

    # ---- steps

    def copy(self, x: Array) -> Array:
        """Fresh memory with the same values."""
        return self.xp.asarray(x, copy=True)

    def sent(self, x: Array, shared: bool) -> Array:
        """A part of an array for a worker that shares this memory, or is sent a copy:
        some libraries would send all of the array that it is a view of."""
        return x if shared else self.copy(x)

    def zeros(self, shape: Shape) -> Array:
        """Zeros of this dtype on this device."""
        return self.xp.zeros(shape, dtype=self.dtype, device=self.device)

    def pad(self, step: Pad, shapes: Sequence[Shape], overwrite: bool) -> Kernel:
        """Crop what exists and concatenate zeros around it."""
        xp = self.xp
        cuts, edges = [], []
        for (start, stop), (low, high) in zip(step.window, step.valid, strict=True):
            first, last = max(start, low), min(stop, high)
            cuts.append(slice(first, last))
            edges.append((first - start, stop - last))
        if any(cut.stop <= cut.start for cut in cuts):
            return lambda x: self.zeros(step.shape)
        inside = tuple(cuts)

        def run(x: Array) -> Array:
            x = x[inside] if inside else x
            for axis, (before, after) in enumerate(edges):
                parts = [
                    self.zeros((*x.shape[:axis], width, *x.shape[axis + 1 :]))
                    for width in (before, after)
                ]
                parts.insert(1, x)
                parts = [part for part in parts if part.shape[axis]]
                x = xp.concat(parts, axis=axis) if len(parts) > 1 else x
            return x

        return run

    def view(self, step: View, shapes: Sequence[Shape], overwrite: bool) -> Kernel:
        """Slices, reshapes, permutations, stacked slices."""
        return lambda x: standard.view(self.xp, x, step)

    def add_into(
        self, step: AddInto, shapes: Sequence[Shape], overwrite: bool
    ) -> Kernel:
        """Embedding in zeros, and sums of embeddings where positions meet."""

        def run(x: Array, total: Array | None = None) -> Array:
            placed = standard.add_into(self.xp, x, step)
            return placed if total is None else total + placed

        return run

    def sum(self, step: Sum, shapes: Sequence[Shape], overwrite: bool) -> Kernel:
        """A sum that keeps the dtype."""
        return lambda x: self.xp.sum(x, axis=step.axes, dtype=self.dtype)

    def matmul(self, step: Matmul, shapes: Sequence[Shape], overwrite: bool) -> Kernel:
        """The library's own matmul."""
        if not shapes[0][-1]:
            return lambda a, b: self.zeros(step.shape)
        return scaled_product(self.xp.matmul, step, shapes)

    def gram(self, step: Gram, shapes: Sequence[Shape], overwrite: bool) -> Kernel:
        """The product with the transpose; what is below the diagonal is mirrored."""
        xp = self.xp
        if not shapes[0][-1]:
            return lambda a: self.zeros(step.shape)

        def run(a: Array) -> Array:
            upper = xp.triu(xp.matmul(a, xp.matrix_transpose(a)))
            return upper + xp.matrix_transpose(xp.triu(upper, k=1))

        return scaled_gram(run, step, shapes)

    def multiply_sum(
        self, step: MultiplySum, shapes: Sequence[Shape], overwrite: bool
    ) -> Kernel:
        """Broadcast, multiply, sum, permute."""
        xp = self.xp
        dims = sorted({*step.left, *step.right})
        sizes = dict(zip(step.left, shapes[0], strict=True))
        sizes |= dict(zip(step.right, shapes[1], strict=True))
        fit = [
            standard.aligner(xp, own, dims, sizes) for own in (step.left, step.right)
        ]
        dead = tuple(j for j, d in enumerate(dims) if d not in step.out)
        kept = [d for d in dims if d in step.out]
        order = tuple(kept.index(d) for d in step.out)
        permuted = order != tuple(range(len(order)))

        def run(a: Array, b: Array) -> Array:
            found = fit[0](a) * fit[1](b)
            if dead:
                found = xp.sum(found, axis=dead, dtype=self.dtype)
            return xp.permute_dims(found, order) if permuted else found

        return run

    def add(self, step: Add, shapes: Sequence[Shape], overwrite: bool) -> Kernel:
        """A new array."""
        return lambda a, b: a + b

    def stack(self, step: Stack, shapes: Sequence[Shape], overwrite: bool) -> Kernel:
        """The library's own stack, its dimensions permuted where they are asked for in
        another order."""
        xp, dims, order, factor = self.xp, step.dims, step.order, float(step.scale)
        turned = order != tuple(range(len(dims)))

        def run(*parts: Array) -> Array:
            found = xp.reshape(xp.stack(parts, axis=0), dims)
            found = xp.permute_dims(found, order) if turned else found
            found = xp.reshape(found, step.shape)
            return found if factor == 1 else found * factor

        return run

    def constant(
        self, step: Constant, shapes: Sequence[Shape], overwrite: bool
    ) -> Kernel:
        """Built when bound, once."""
        built = constant(self.xp, step, self.dtype, self.device)
        return lambda: built

    def gather(self, step: Gather, shapes: Sequence[Shape], overwrite: bool) -> Kernel:
        """Concatenated slices; transposed, embedded slices added up."""
        run = add_pieces if step.transposed else read_pieces
        return lambda x: run(self, x, step)

    def native(self, step: Native, shapes: Sequence[Shape], overwrite: bool) -> Kernel:
        """Not in the standard: a backend that offers it overrides this."""
        raise TypeError("this array library has no native convolution")

    def spectral(
        self, step: Spectral, shapes: Sequence[Shape], overwrite: bool
    ) -> Kernel:
        """By the standard's extension for Fourier transforms."""
        xp = self.xp
        return bind_spectral(xp, xp.fft, xp.matmul, step, shapes, self.dtype)

    def cumulative_sum(
        self, step: CumulativeSum, shapes: Sequence[Shape], overwrite: bool
    ) -> Kernel:
        """The standard's own, which can lead with a zero."""
        found, axis, zero = self.xp.cumulative_sum, step.axis, step.zero
        return lambda x: found(x, axis=axis, dtype=self.dtype, include_initial=zero)

    def scale(self, step: Scale, shapes: Sequence[Shape], overwrite: bool) -> Kernel:
        """One multiplication; integers are then divided and rounded down."""
        if self.xp.isdtype(self.dtype, "integral"):
            return lambda x: x * step.numerator // step.denominator
        factor = step.numerator / step.denominator
        return lambda x: x * factor

    def conjugate(
        self, step: Conjugate, shapes: Sequence[Shape], overwrite: bool
    ) -> Kernel:
        """Real arrays pass through."""
        if self.xp.isdtype(self.dtype, "complex floating"):
            return lambda x: self.xp.conj(x)
        return lambda x: x

    def loop(self, step: Loop, shapes: Sequence[Shape], overwrite: bool) -> Kernel:
        """Blocks embedded in zeros and added up."""
        step, results = block_results(self, step, shapes)

        def run(*sources: Array) -> Array:
            total = None
            every = results(None, *sources)
            for block, found in zip(step.blocks, every, strict=True):
                placed = embedded(self, found, block.write, step.shape)
                total = placed if total is None else total + placed
            return self.zeros(step.shape) if total is None else total

        return run
