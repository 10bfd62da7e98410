"""Large results in memory of our own: the same numbers, whatever the inputs are."""

import numpy as np
import pytest
import torch

from tnconv_backends.torch.pages import LARGE, advised, duplicate, fresh, into_fresh


@pytest.mark.parametrize("name", ["float16", "float32", "complex64", "int64"])
def test_large_copies_and_products(name: str) -> None:
    dtype = getattr(torch, name)
    side = 2 * int((LARGE / dtype.itemsize) ** 0.5)
    x = (torch.arange(3 * side) % 7).reshape(side, 3).to(dtype)
    wide = x.mT.expand(side, 3, side)[: side // 3]
    assert torch.equal(duplicate(wide), wide.contiguous())
    assert duplicate(wide).is_contiguous()
    product = into_fresh(torch.mm, (side, side), dtype.itemsize)
    if name != "float16":
        left, right = x.numpy(), x.mT.conj().resolve_conj().numpy()
        np.testing.assert_allclose(product(x, x.mT.conj()).numpy(), left @ right)


def test_only_what_is_large_is_written_to_memory_of_ours() -> None:
    assert into_fresh(torch.mm, (3, 3), 4) is torch.mm
    assert into_fresh(torch.mm, (LARGE, 1), 4) is not torch.mm


def test_any_tensor_may_be_advised() -> None:
    with torch.device("meta"):
        assert advised(torch.empty(LARGE)).is_meta
    parameter = torch.nn.Parameter(torch.empty(LARGE))
    assert fresh(parameter, (2, LARGE)).shape == (2, LARGE)
    part = torch.empty(3 * LARGE, dtype=torch.uint8)[1 : 2 * LARGE]  # not on a page
    part.fill_(7)
    assert torch.equal(advised(part), torch.full_like(part, 7))
