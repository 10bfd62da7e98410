"""Ghost clipping of convolutions in opacus, against gradients by ``vmap``."""

from __future__ import annotations

from importlib import import_module
from typing import Any

import pytest
import torch
from torch import nn
from torch.func import functional_call, grad, vmap
from torch.testing import assert_close

from tnconv_backends.torch.clients import opacus as adapter

pytestmark = [pytest.mark.clients, pytest.mark.filterwarnings("ignore")]

MODELS = {
    "1d": lambda: [
        nn.Conv1d(2, 6, 3, padding="same", padding_mode="circular"),
        nn.Tanh(),
        nn.Conv1d(6, 6, 4, padding="same", groups=6),
        nn.Tanh(),
        nn.Conv1d(6, 4, 2, stride=2, dilation=2, groups=2, bias=False),
    ],
    "2d": lambda: [
        nn.Conv2d(2, 6, 3, padding=1, padding_mode="reflect"),
        nn.Tanh(),
        nn.Conv2d(6, 6, (2, 3), padding="same", groups=6, dilation=2),
        nn.Tanh(),
        nn.Conv2d(6, 4, 3, stride=2, groups=2, bias=False),
        nn.Tanh(),
        nn.ConvTranspose2d(4, 2, 3, stride=2, output_padding=1),
    ],
    "3d": lambda: [
        nn.Conv3d(2, 4, 2, padding=1, padding_mode="replicate"),
        nn.Tanh(),
        nn.Conv3d(4, 4, (1, 2, 3), padding="valid", groups=4, stride=(1, 2, 1)),
    ],
}


def norms_by_vmap(model: nn.Module, x: torch.Tensor) -> torch.Tensor:
    """The norm of each example's gradient in all parameters."""

    def loss(parameters: dict[str, torch.Tensor], one: torch.Tensor) -> torch.Tensor:
        found = functional_call(model, parameters, (one[None],))
        return found.square().sum()  # type: ignore[no-any-return]

    known = {name: p.detach() for name, p in model.named_parameters()}
    found = vmap(grad(loss), in_dims=(None, 0))(known, x)
    squares = [part.flatten(1).square().sum(1) for part in found.values()]
    return torch.stack(squares).sum(0).sqrt()


@pytest.mark.parametrize("name", MODELS)
def test_ghost_norms(name: str) -> None:
    torch.manual_seed(0)
    model = nn.Sequential(*MODELS[name]()).double()
    x = torch.randn(5, 2, *(9,) * int(name[0]), dtype=torch.float64)
    expected = norms_by_vmap(model, x)
    samplers: Any = import_module("opacus.grad_sample")
    kind = samplers.GradSampleModuleFastGradientClipping
    before = dict(kind.NORM_SAMPLERS)
    with adapter.install():
        wrapped = kind(model, loss_reduction="sum", use_ghost_clipping=True)
        wrapped(x).square().sum().backward()
        assert_close(wrapped.get_norm_sample(), expected, rtol=1e-9, atol=0)
        assert all(vars(p)["grad_sample"] is None for p in model.parameters())
    assert before == kind.NORM_SAMPLERS
