"""Matrix products of PyTorch by shape and by order of memory."""

from __future__ import annotations

from itertools import product

import pytest
import torch

from tnconv.execution.program import Matmul
from tnconv.execution.ways import THIN
from tnconv_backends.torch.products import bind_matmul

BATCHES = [((), ()), ((4,), (4,)), ((4,), (1,)), ((1,), (4,))]
SIZES = (1, 2, 3, THIN - 1, THIN, 40)


def drawn(shape: tuple[int, ...], turned: bool) -> torch.Tensor:
    """Whole numbers, with the last axis or the one before in order of memory."""
    if turned:
        return drawn((*shape[:-2], shape[-1], shape[-2]), False).mT
    return torch.randint(-9, 9, shape).double()


@pytest.mark.parametrize("batches", BATCHES)
@pytest.mark.parametrize("turned", list(product((False, True), repeat=2)))
def test_thin_products_are_exact(
    batches: tuple[tuple[int, ...], tuple[int, ...]], turned: tuple[bool, bool]
) -> None:
    for rows, columns, inner in product(SIZES, SIZES, (1, 7)):
        a = drawn((*batches[0], rows, inner), turned[0])
        b = drawn((*batches[1], inner, columns), turned[1])
        exact = (a.unsqueeze(-1) * b.unsqueeze(-3)).sum(-2)
        step = Matmul((0, 1), tuple(exact.shape))
        found = bind_matmul(step, [tuple(a.shape), tuple(b.shape)], a.itemsize)(a, b)
        assert found.is_contiguous()
        assert torch.equal(found, exact)
