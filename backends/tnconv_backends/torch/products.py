"""Products: batched matrices, and elementwise with a sum."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import prod
from typing import Any

import torch

from tnconv.execution.program import Gram, Matmul, MultiplySum, Shape
from tnconv.execution.ways import THIN, Matrices, matrices_of, row_blocks
from tnconv_backends.kernels import Kernel
from tnconv_backends.scaled import gram_scales
from tnconv_backends.torch.pages import fresh, into_fresh

Tensor = Any


def bind_matmul(step: Matmul, shapes: Sequence[Shape], itemsize: int) -> Kernel:
    """mm or bmm; broadcast batches are expanded, which copies nothing."""
    (*left, rows, inner), (*right, _, columns) = shapes
    if not inner:
        return lambda a, b: a.new_zeros(step.shape)
    if not left and not right:
        return matrix_product(rows, columns, itemsize)
    batch = step.shape[:-2]
    one = prod(batch)
    bmm = _dots if rows == columns == 1 else torch.bmm
    bmm = into_fresh(bmm, (one, rows, columns), itemsize)
    if len(left) == len(right) == 1:
        if left == right:
            return bmm
        if left == [1]:
            size = (batch[0], rows, inner)
            return lambda a, b: bmm(a.expand(size), b)
        return _bind_repeated(batch[0], rows, inner, columns, itemsize)
    if tuple(left) == tuple(right) == batch:
        return lambda a, b: bmm(
            a.reshape(one, rows, inner), b.reshape(one, inner, columns)
        ).view(step.shape)
    wide, tall = (*batch, rows, inner), (*batch, inner, columns)
    return lambda a, b: torch.matmul(a.expand(wide), b.expand(tall))


def matrix_product(
    rows: int, columns: int, itemsize: int
) -> Callable[[Tensor, Tensor], Tensor]:
    """The product of two matrices of these shapes."""
    if rows == columns == 1:
        return lambda a, b: torch.mv(a, b[:, 0]).unsqueeze(1)
    if 1 < columns < THIN and columns <= rows:
        return _tall
    if 1 < rows < THIN:
        return lambda a, b: torch.mm(_inner_in_order(a), b)
    return into_fresh(torch.mm, (rows, columns), itemsize)


def _tall(a: Tensor, b: Tensor) -> Tensor:
    """Many rows, few columns; from the other side where the rows are not in order."""
    thin = _inner_in_order(b.mT)
    if a.stride(-1) == 1:
        return torch.mm(a, thin.mT)
    return torch.mm(thin, a.mT).mT.contiguous()


def _inner_in_order(a: Tensor) -> Tensor:
    """A thin matrix with its inner axis in order of memory."""
    return a if a.stride(-1) == 1 else a.contiguous()


def _dots(a: Tensor, b: Tensor, **out: Tensor) -> Tensor:
    """A row times a column in each item: PyTorch looks at the step of an axis of one
    position, and is a hundred times slower where that is not the length of the other.
    """
    return torch.bmm(a.squeeze(1).unsqueeze(1), b.squeeze(2).unsqueeze(1).mT, **out)


def _bind_repeated(
    batch: int, rows: int, inner: int, columns: int, itemsize: int
) -> Kernel:
    """A batch of matrices, each times the same one: a single matrix if they lie so."""
    multiply = matrix_product(batch * rows, columns, itemsize)
    size, flat = (batch, inner, columns), (batch * rows, inner)

    def run(a: Tensor, b: Tensor) -> Tensor:
        if a.is_contiguous():
            return multiply(a.view(flat), b[0]).view(batch, rows, columns)
        return torch.bmm(a, b.expand(size))

    return run


def bind_elementwise_matmul(
    step: Matmul, shapes: Sequence[Shape], itemsize: int
) -> Kernel:
    """For integers on devices without integer matrix products."""
    return lambda a, b: (a.unsqueeze(-1) * b.unsqueeze(-3)).sum(-2, dtype=a.dtype)


def bind_gram(step: Gram, shapes: Sequence[Shape]) -> Kernel:
    """Row blocks, each times the columns from its diagonal on, then mirrored."""
    rows, inner = shapes[0][-2:]
    blocks = row_blocks(rows)
    whole = len(blocks) == 1
    if not inner:
        return lambda a: a.new_zeros(step.shape)

    def run(a: Tensor) -> Tensor:
        found = fresh(a, step.shape)
        for start, stop in blocks:
            part, rest = a[..., start:stop, :], a[..., start:, :].mT
            target = found[..., start:stop, start:]
            if a.ndim == 2 or whole:
                torch.matmul(part, rest, out=target)
            else:
                target.copy_(torch.matmul(part, rest))
            _mirror(found, start, stop)
        return found

    return run


def gram_into(step: Gram, shapes: Sequence[Shape], added: bool) -> Kernel:
    """The same in memory that is given first, where it is written or added."""
    blocks = row_blocks(shapes[0][-2])
    before, after = gram_scales(step, shapes)

    def run(target: Tensor, a: Tensor) -> None:
        found = target.view(step.shape)
        a = a if before == 1 else a * before
        for start, stop in blocks:
            part = torch.matmul(a[..., start:stop, :], a[..., start:, :].mT)
            part = part if after == 1 else part.mul_(after)
            place = found[..., start:stop, start:]
            if added:
                place.add_(part)
            else:
                place.copy_(part)
            del part
            _mirror(found, start, stop)

    return run


def _mirror(found: Tensor, start: int, stop: int) -> None:
    """What lies below the diagonal beside and under some rows, from what is above."""
    corner = found[..., start:stop, start:stop].triu_()
    corner.add_(corner.triu(1).mT)
    found[..., stop:, start:stop] = found[..., start:stop, stop:].mT


def packed_matmul(a: Tensor, b: Tensor) -> Tensor:
    """Complex matrices in any order of memory: PyTorch multiplies them five times as
    fast after a copy."""
    return torch.matmul(a.contiguous(), b.contiguous())


def bind_multiply_sum(
    step: MultiplySum, shapes: Sequence[Shape], matrices: bool, itemsize: int
) -> Kernel:
    """As small matrices where a sum meets an outer product, else multiply, then sum.

    On tensors of a few thousand to a few million elements the matrix product takes down
    to a tenth of the time of a product that is stored and summed; a dot product or a
    product without a sum is faster elementwise.
    """
    found = matrices_of(step, shapes) if matrices else None
    if found is None:
        return _elementwise(step, shapes)
    return _as_matrices(step, shapes, found, itemsize)


def _as_matrices(
    step: MultiplySum, shapes: Sequence[Shape], groups: Matrices, itemsize: int
) -> Kernel:
    sizes = dict(zip(step.left, shapes[0], strict=True))
    sizes |= dict(zip(step.right, shapes[1], strict=True))
    batch, rows, inner, columns = groups
    count, high, deep, wide = (prod(sizes[d] for d in group) for group in groups)
    ahead = (count,) if count > 1 else ()
    multiply = torch.bmm if ahead else matrix_product(high, wide, itemsize)
    first = _to_shape(
        step.left, shapes[0], (*batch, *rows, *inner), (*ahead, high, deep)
    )
    second = _to_shape(
        step.right, shapes[1], (*batch, *inner, *columns), (*ahead, deep, wide)
    )
    found = (*batch, *rows, *columns)
    shape = tuple(sizes[d] for d in found)
    back = _to_shape(found, shape, step.out, step.shape)

    def run(a: Tensor, b: Tensor) -> Tensor:
        return back(multiply(first(a), second(b)).view(shape)).contiguous()

    return run


def _elementwise(step: MultiplySum, shapes: Sequence[Shape]) -> Kernel:
    kept = list(step.out)
    order = kept + [d for d in sorted({*step.left, *step.right}) if d not in kept]
    fits = []
    for own, shape in zip((step.left, step.right), shapes, strict=True):
        sizes = dict(zip(own, shape, strict=True))
        ones = tuple(sizes.get(d, 1) for d in order)
        fits.append(_to_shape(own, shape, [d for d in order if d in own], ones))
    left, right = fits
    dead = tuple(range(len(kept), len(order)))
    if not dead:
        return lambda a, b: torch.mul(left(a), right(b)).contiguous()
    return lambda a, b: torch.mul(left(a), right(b)).sum(dead, dtype=a.dtype)


def _to_shape(
    own: Sequence[int], sizes: Shape, order: Sequence[int], shape: Shape
) -> Callable[[Tensor], Tensor]:
    """Permute dimensions ``own`` to ``order``, then give them ``shape``."""
    permutation = [list(own).index(d) for d in order]
    permuted = permutation != list(range(len(own)))
    grouped = tuple(sizes[j] for j in permutation) != shape
    if permuted and grouped:
        return lambda x: x.permute(permutation).reshape(shape)
    if permuted:
        return lambda x: x.permute(permutation)
    return (lambda x: x.reshape(shape)) if grouped else (lambda x: x)
