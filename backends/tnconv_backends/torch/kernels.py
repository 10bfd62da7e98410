"""PyTorch's kernels: one per kind of step, bound to shapes once."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch

from tnconv.execution.landing import begun, is_plain
from tnconv.execution.placing import inverse, places, written
from tnconv.execution.program import (
    Add,
    AddInto,
    Conjugate,
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
from tnconv.execution.ways import filled
from tnconv_backends.blocks import block_results, cut
from tnconv_backends.kernels import Kernel, Kernels
from tnconv_backends.scaled import product_into, scaled_gram, scaled_product
from tnconv_backends.spectral import bind_spectral
from tnconv_backends.torch.gather import bind_gather
from tnconv_backends.torch.native import bind_native
from tnconv_backends.torch.pages import advised, duplicate, fresh, zeroing
from tnconv_backends.torch.products import (
    bind_elementwise_matmul,
    bind_gram,
    bind_matmul,
    bind_multiply_sum,
    gram_into,
    packed_matmul,
)
from tnconv_backends.torch.views import (
    bind_add_into,
    bind_pad,
    bind_view,
    is_identity,
)

Array = Any
Run = Callable[[Sequence[Array]], Array]
Shapes = Sequence[Shape]


class TorchKernels(Kernels):
    """Kernels for one dtype and device; right for any strides and storage offset."""

    def prepared(self, program: Program) -> Program:
        """Without the views that change nothing."""
        return without_identities(program)

    def copy(self, x: Array) -> Array:
        """Fresh contiguous memory."""
        return duplicate(x)

    def sent(self, x: Array, shared: bool) -> Array:
        """Without its history, which belongs to the calling thread."""
        return super().sent(x.data, shared)

    def zeros(self, shape: Shape) -> Array:
        """Zeros of this dtype on this device."""
        return torch.zeros(shape, dtype=self.dtype, device=self.device)

    def pad(self, step: Pad, shapes: Shapes, overwrite: bool) -> Kernel:
        return bind_pad(step, shapes, overwrite)

    def view(self, step: View, shapes: Shapes, overwrite: bool) -> Kernel:
        return bind_view(step, shapes, overwrite)

    def add_into(self, step: AddInto, shapes: Shapes, overwrite: bool) -> Kernel:
        return bind_add_into(step, shapes, overwrite)

    def gather(self, step: Gather, shapes: Shapes, overwrite: bool) -> Kernel:
        return bind_gather(step, shapes, overwrite)

    def native(self, step: Native, shapes: Shapes, overwrite: bool) -> Kernel:
        return bind_native(step, shapes, overwrite)

    def spectral(self, step: Spectral, shapes: Shapes, overwrite: bool) -> Kernel:
        """PyTorch's transforms keep the order of memory: registers are contiguous."""
        xp = self.xp
        run = bind_spectral(xp, xp.fft, packed_matmul, step, shapes, self.dtype)
        return lambda x, w: run(x, w).contiguous()

    def cumulative_sum(
        self, step: CumulativeSum, shapes: Shapes, overwrite: bool
    ) -> Kernel:
        axis, count = step.axis, step.shape[step.axis] - 1
        if not step.zero:
            return lambda x: x.cumsum(axis, dtype=x.dtype)

        def run(x: Array) -> Array:
            found = x.new_zeros(step.shape)
            torch.cumsum(x, axis, dtype=x.dtype, out=found.narrow(axis, 1, count))
            return found

        return run

    @property
    def matrices(self) -> bool:
        """Whether the device multiplies matrices of this dtype."""
        inexact = self.dtype.is_floating_point or self.dtype.is_complex
        return inexact or torch.device(self.device).type in ("cpu", "meta")

    def matmul(self, step: Matmul, shapes: Shapes, overwrite: bool) -> Kernel:
        bind = bind_matmul if self.matrices else bind_elementwise_matmul
        product = bind(step, shapes, self.dtype.itemsize)
        return scaled_product(product, step, shapes)

    def scale(self, step: Scale, shapes: Shapes, overwrite: bool) -> Kernel:
        """In place where nobody else reads the array."""
        if overwrite and self.dtype.is_floating_point:
            factor = step.numerator / step.denominator
            return lambda x: x.mul_(factor)
        return super().scale(step, shapes, overwrite)

    def gram(self, step: Gram, shapes: Shapes, overwrite: bool) -> Kernel:
        return scaled_gram(bind_gram(step, shapes), step, shapes)

    def multiply_sum(
        self, step: MultiplySum, shapes: Shapes, overwrite: bool
    ) -> Kernel:
        size = self.dtype.itemsize
        return bind_multiply_sum(step, shapes, self.matrices, size)

    def sum(self, step: Sum, shapes: Shapes, overwrite: bool) -> Kernel:
        axes = step.axes
        if not axes:  # PyTorch would sum over all axes
            return lambda x: x.clone()
        return lambda x: x.sum(axes, dtype=self.dtype)

    def add(self, step: Add, shapes: Shapes, overwrite: bool) -> Kernel:
        if overwrite:
            return lambda a, b: a.add_(b)
        return torch.add

    def stack(self, step: Stack, shapes: Shapes, overwrite: bool) -> Kernel:
        """Each array is copied to its place."""
        fill = stacked_into(step, False)

        def run(*parts: Array) -> Array:
            found = fresh(parts[0], step.shape)
            fill(found, *parts)
            return found

        return run

    def landing(self, step: Step, shapes: Shapes, added: bool) -> Kernel | None:
        """Arrays that are stacked go there one by one; a product is multiplied there,
        a triangle block by block of its rows."""
        if isinstance(step, Stack):
            return stacked_into(step, added)
        if not isinstance(step, (Gram, Matmul)) or not shapes[0][-1]:
            return None
        if isinstance(step, Gram):
            return gram_into(step, shapes, added)
        if added or not is_plain(step):
            return None
        equal = self.matrices and shapes[0][:-2] == shapes[1][:-2]
        return product_into(torch.bmm, step, shapes) if equal else None

    def conjugate(self, step: Conjugate, shapes: Shapes, overwrite: bool) -> Kernel:
        """Lazy: products and copies resolve it as they read."""
        return torch.conj

    def loop(self, step: Loop, shapes: Shapes, overwrite: bool) -> Kernel:
        """Each block assigns its part, or adds to a part that was begun."""
        step, results = block_results(self, step, shapes)
        box = filled(step)
        spots = [
            (cut(block.write, step.shape), again)
            for block, again in zip(step.blocks, begun(step), strict=True)
        ]
        clear = zeroing(box, step.shape)

        def run(*sources: Array) -> Array:
            total = torch.empty(step.shape, dtype=self.dtype, device=self.device)
            clear(advised(total))
            place = iter(spots)
            for part in results(total, *sources):
                where, again = next(place)
                if part is None:  # it is there
                    continue
                target = total if where is None else total[where]
                if again:
                    target.add_(part)
                else:
                    target.copy_(part)
                del part  # or it would be held beside the next block
            return total

        return run


def stacked_into(step: Stack, added: bool) -> Kernel:
    """What copies, or adds, every array to its place in memory that is given."""
    spots, split = places(step), step.dims[step.lead :]
    memory, order, factor = written(step), inverse(step), float(step.scale)

    def fill(found: Array, *parts: Array) -> None:
        whole = found.view(memory).permute(order)
        for place, part in zip(spots, parts, strict=True):
            target, source = whole[place], part.reshape(split)
            if added:
                target.add_(source if factor == 1 else source * factor)
            elif factor == 1:
                target.copy_(source)
            else:
                torch.mul(source, factor, out=target)

    return fill


def without_identities(program: Program) -> Program:
    """The program less the views that read an array as it is."""
    count, shapes = len(program.inputs), program.shapes
    registers = {r: r for r in range(count)}
    steps: list[Step] = []
    for at, step in enumerate(program.steps, count):
        if isinstance(step, View) and is_identity(step, shapes[step.sources[0]]):
            registers[at] = registers[step.sources[0]]
        else:
            steps.append(step.renumbered(registers))
            registers[at] = count + len(steps) - 1
    return Program(program.inputs, tuple(steps), registers[program.result])
