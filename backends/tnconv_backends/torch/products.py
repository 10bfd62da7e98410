"""Products: batched matrices, and elementwise with a sum."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import Any

import torch

from tnconv.execution.program import Matmul, MultiplySum, Shape
from tnconv_backends.kernels import Kernel

Tensor = Any


def bind_matmul(step: Matmul, shapes: Sequence[Shape], overwrite: bool) -> Kernel:
    """mm or bmm; broadcast batches are expanded, which copies nothing."""
    (*left, rows, inner), (*right, _, columns) = shapes
    if not inner:
        return lambda a, b: a.new_zeros(step.shape)
    if not left and not right:
        return torch.mm
    batch = step.shape[:-2]
    if len(left) == len(right) == 1:
        if left == right:
            return torch.bmm
        if left == [1]:
            size = (batch[0], rows, inner)
            return lambda a, b: torch.bmm(a.expand(size), b)
        size = (batch[0], inner, columns)
        return lambda a, b: torch.bmm(a, b.expand(size))
    wide, tall = (*batch, rows, inner), (*batch, inner, columns)
    if tuple(left) == tuple(right) == tuple(batch):
        one = prod(batch)
        return lambda a, b: torch.bmm(
            a.reshape(one, rows, inner), b.reshape(one, inner, columns)
        ).view(step.shape)
    return lambda a, b: torch.matmul(a.expand(wide), b.expand(tall))


def bind_integer_matmul(
    step: Matmul, shapes: Sequence[Shape], overwrite: bool
) -> Kernel:
    """For devices without integer matrix products."""
    return lambda a, b: (a.unsqueeze(-1) * b.unsqueeze(-3)).sum(-2, dtype=a.dtype)


def bind_multiply_sum(
    step: MultiplySum, shapes: Sequence[Shape], overwrite: bool
) -> Kernel:
    """Broadcast, multiply, sum, permute."""
    dims = sorted({*step.left, *step.right})
    order = [*(d for d in step.out), *(d for d in dims if d not in step.out)]
    fits = [
        _aligner(own, order, shape)
        for own, shape in zip((step.left, step.right), shapes, strict=True)
    ]
    left, right = fits
    dead = tuple(range(len(step.out), len(order)))
    if not dead:
        return lambda a, b: torch.mul(left(a), right(b))
    return lambda a, b: torch.mul(left(a), right(b)).sum(dead, dtype=a.dtype)


def _aligner(own: Sequence[int], order: Sequence[int], shape: Shape) -> Any:
    """Permute and broadcast an operand to dimensions ``order``."""
    permutation = [own.index(d) for d in order if d in own]
    whole = tuple(shape[own.index(d)] if d in own else 1 for d in order)
    permuted = permutation != list(range(len(own)))
    grows = len(whole) != len(shape)
    if permuted and grows:
        return lambda x: x.permute(permutation).reshape(whole)
    if permuted:
        return lambda x: x.permute(permutation)
    return (lambda x: x.reshape(whole)) if grows else (lambda x: x)
