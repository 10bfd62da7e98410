"""torch.compile around tnconv: the graph is broken, the numbers are the same."""

import pytest
import torch
from tests.torch.layers import LAYERS, Layer
from tests.torch.test_forward import close

Tensor = torch.Tensor
SOME = [layer for layer in LAYERS if layer.name in ("plain", "groups", "transposed")]


@pytest.mark.filterwarnings("ignore::UserWarning", "ignore::DeprecationWarning")
@pytest.mark.parametrize("layer", SOME, ids=lambda layer: layer.name)
def test_compiled_with_gradients(layer: Layer) -> None:
    def ours(x: Tensor, weight: Tensor) -> Tensor:
        return layer.ours(x * 2, weight).tanh().sum()

    def peer(x: Tensor, weight: Tensor) -> Tensor:
        return layer.peer(x * 2, weight).tanh().sum()

    torch.compiler.reset()
    compiled = torch.compile(ours, backend="eager")
    for seed in range(2):
        x, weight, _ = (t.requires_grad_() for t in layer.tensors(torch.float64, seed))
        found = torch.autograd.grad(compiled(x, weight), (x, weight))
        wanted = torch.autograd.grad(peer(x, weight), (x, weight))
        for mine, other in zip(found, wanted, strict=True):
            close(mine, other)
    close(compiled(x.detach(), weight.detach()), peer(x.detach(), weight.detach()))
