"""Kronecker factors and unfolded inputs under PyTorch's transforms."""

from typing import Any

import pytest
import torch
from tests.factor_cases import FACTORS

import tnconv


@pytest.mark.parametrize("operation", FACTORS)
def test_gradients(operation: str) -> None:
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(2, 2, 3, generator=generator, dtype=torch.float64)
    run: Any = getattr(tnconv, operation)
    if operation != "kfac_output_factor":
        function: Any = lambda x: run(x, 2, bias=True, stride=2)  # noqa: E731
    else:
        function = run
    x.requires_grad_()
    assert torch.autograd.gradcheck(function, (x,))
    assert torch.autograd.gradgradcheck(function, (x,))
    assert torch.autograd.gradcheck(function, (x,), check_forward_ad=True)
    stacked = torch.stack([x.detach(), 2 * x.detach()])
    found = torch.func.vmap(function)(stacked)
    for one, each in zip(found, stacked, strict=True):
        torch.testing.assert_close(one, function(each))
