"""Kernels of libraries with strided views and in-place writes: NumPy's, CuPy's.

Windows and diagonals are views that copy nothing; what is added is added in place. A
library gives its module and its ``as_strided``.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tnconv.execution.landing import begun, is_plain
from tnconv.execution.placing import inverse, places, written
from tnconv.execution.program import (
    AddInto,
    AxisMap,
    Gram,
    Loop,
    Matmul,
    MultiplySum,
    Pad,
    Shape,
    Stack,
    Step,
    View,
)
from tnconv.execution.ways import around, filled
from tnconv_backends.blocks import block_results
from tnconv_backends.kernels import Kernel, Kernels
from tnconv_backends.scaled import product_into
from tnconv_backends.strided import plain_turn, strided, turns

Array = Any


class StridedKernels(Kernels):
    """The reference kernels, with views and in-place writes where these are better."""

    #: the module of the array library, and its function of that name
    library: Any
    as_strided: Any

    def window(self, x: Array, maps: Sequence[AxisMap], dims: Shape) -> Array:
        """The strided view that the maps describe; all positions are in range."""
        _, strides = strided(maps, x.strides, len(dims))
        start = x[tuple([slice(axis.offset, axis.offset + 1) for axis in maps])]
        return self.as_strided(start, dims, strides)

    def windows(self, maps: Sequence[AxisMap], dims: Shape, shape: Shape) -> Kernel:
        """A function that takes this view of any array of a shape."""
        return lambda x: self.window(x, maps, dims)

    def pad(self, step: Pad, shapes: Sequence[Shape], overwrite: bool) -> Kernel:
        """Zeros, and one assignment of what exists."""
        reads, writes, whole = [], [], True
        for (start, stop), (low, high) in zip(step.window, step.valid, strict=True):
            first = max(start, low)
            last = max(first, min(stop, high))
            reads.append(slice(first, last))
            writes.append(slice(first - start, last - start))
            whole = whole and (start, stop) == (first, last)
        source, target = tuple(reads), tuple(writes)
        library = self.library
        if any(r.stop <= r.start for r in reads):
            return lambda x: library.zeros(step.shape, x.dtype)

        def run(x: Array) -> Array:
            found = library.zeros(step.shape, x.dtype)
            found[target] = x[source]
            return found

        return run

    def view(self, step: View, shapes: Sequence[Shape], overwrite: bool) -> Kernel:
        """A strided view; a copy of it where memory of its own is asked for."""
        dims, shape, copy = step.dims, step.shape, step.copy
        fused, library = dims != shape, self.library
        window = self.windows(step.maps, dims, shapes[0])
        turn = plain_turn(step, shapes[0])
        if turn is not None and not copy:
            return turn

        def run(x: Array) -> Array:
            if not x.size:
                return library.zeros(shape, x.dtype)
            found = window(x)
            if copy:
                found = found.copy()  # never the argument itself
            return found.reshape(shape) if fused else found

        return run

    def add_into(
        self, step: AddInto, shapes: Sequence[Shape], overwrite: bool
    ) -> Kernel:
        """In-place adds into strided views, slice by slice where positions meet."""
        parts = list(turns(step, shapes[0]))
        fresh, library, window = len(shapes) == 1, self.library, self.window

        def run(x: Array, total: Array | None = None) -> Array:
            if total is None:
                found = library.zeros(step.shape, x.dtype)
            else:
                found = total if overwrite else total.copy()
            if not x.size:
                return found
            for index, maps in parts:
                part = x[index]
                target = window(found, maps, part.shape)
                _accumulate(target, part, fresh and step.injective)
            return found

        return run

    def stack(self, step: Stack, shapes: Sequence[Shape], overwrite: bool) -> Kernel:
        """Each array is assigned to its place."""
        library, fill = self.library, self._filling(step, False)

        def run(*parts: Array) -> Array:
            found = library.empty(step.shape, dtype=self.dtype)
            fill(found, *parts)
            return found

        return run

    def landing(
        self, step: Step, shapes: Sequence[Shape], added: bool
    ) -> Kernel | None:
        """Arrays to stack go there one by one; a product is multiplied there."""
        if isinstance(step, Stack):
            return self._filling(step, added)
        if added or not isinstance(step, (Gram, Matmul)) or not shapes[0][-1]:
            return None
        if isinstance(step, Matmul) and not is_plain(step):
            return None
        return product_into(self.library.matmul, step, shapes)

    def _filling(self, step: Stack, added: bool) -> Kernel:
        """What copies, or adds, every array to its place in memory that is given."""
        spots, split = places(step), step.dims[step.lead :]
        memory, order = written(step), inverse(step)
        factor, multiply = float(step.scale), self.library.multiply

        def fill(found: Array, *parts: Array) -> None:
            whole = found.reshape(memory).transpose(order)
            for place, part in zip(spots, parts, strict=True):
                source = part.reshape(split)
                if added:
                    whole[place] += source if factor == 1 else source * factor
                elif factor == 1:
                    whole[place] = source
                else:
                    multiply(source, factor, out=whole[place])

        return fill

    def multiply_sum(
        self, step: MultiplySum, shapes: Sequence[Shape], overwrite: bool
    ) -> Kernel:
        """The library's einsum."""
        left, right, out = list(step.left), list(step.right), list(step.out)
        einsum = self.library.einsum
        return lambda a, b: einsum(a, left, b, right, out)

    def loop(self, step: Loop, shapes: Sequence[Shape], overwrite: bool) -> Kernel:
        """Each block assigns its part, or adds to a part that was begun."""
        step, results = block_results(self, step, shapes)
        box, library = filled(step), self.library
        make = library.zeros if box is None else library.empty
        edges = around(box, step.shape) if box else ()
        spots = [
            (tuple([slice(a, b) for a, b in block.write]), again)
            for block, again in zip(step.blocks, begun(step), strict=True)
        ]

        def run(*sources: Array) -> Array:
            total = make(step.shape, dtype=self.dtype)
            for edge in edges:
                total[edge] = 0
            place = iter(spots)
            for part in results(total, *sources):
                where, again = next(place)
                if part is None:  # it is there
                    continue
                if again:
                    total[where] += part
                else:
                    total[where] = part
                del part  # or it would be held beside the next block
            return total

        return run


def _accumulate(target: Array, part: Array, assign: bool) -> None:
    """Add into a view; dimensions the view does not move along are summed first."""
    still = tuple(
        d
        for d, (by, n) in enumerate(zip(target.strides, part.shape, strict=True))
        if not by and n > 1
    )
    if still:
        part = part.sum(axis=still, keepdims=True, dtype=part.dtype)
        target = target[
            tuple(
                slice(0, 1) if d in still else slice(None) for d in range(target.ndim)
            )
        ]
    if assign:
        target[...] = part
    else:
        target += part
