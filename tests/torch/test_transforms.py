"""torch.func: vmap, jvp, jacobians, Hessians and per-example gradients."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from tests.torch.layers import LAYERS, Layer
from tests.torch.test_forward import close
from torch.autograd import forward_ad
from torch.func import grad, hessian, jacfwd, jacrev, jvp, vjp, vmap

Tensor = torch.Tensor
Loss = Callable[[Tensor, Tensor], Tensor]
by_layer = pytest.mark.parametrize("layer", LAYERS, ids=lambda layer: layer.name)
NAMED = {layer.name: layer for layer in LAYERS}
some = pytest.mark.parametrize(
    "layer",
    [NAMED[n] for n in ("plain", "groups", "reflect", "unbatched", "transposed")],
    ids=lambda layer: layer.name,
)


def many(layer: Layer, count: int = 3) -> tuple[Tensor, Tensor]:
    """Several inputs and weights, stacked."""
    drawn = [layer.tensors(torch.float64, seed)[:2] for seed in range(count)]
    x, weight = (torch.stack(parts) for parts in zip(*drawn, strict=True))
    return x, weight


@by_layer
@pytest.mark.parametrize("dims", ((0, 0), (0, None), (None, 0), (-1, 1)))
def test_vmap_is_a_loop(layer: Layer, dims: tuple[int | None, int | None]) -> None:
    arrays = many(layer)
    given = [
        stack[0] if dim is None else stack.movedim(0, dim)
        for stack, dim in zip(arrays, dims, strict=True)
    ]
    found = vmap(layer.ours, in_dims=dims)(*given)
    at = [
        [stack[0 if dim is None else j] for j in range(3)]
        for stack, dim in zip(arrays, dims, strict=True)
    ]
    expected = [layer.peer(x, weight) for x, weight in zip(*at, strict=True)]
    close(found, torch.stack(expected))


def losses(layer: Layer) -> tuple[Loss, Loss]:
    """A nonlinear number by tnconv and by PyTorch."""
    return (
        lambda weight, x: layer.ours(x, weight).tanh().square().sum(),
        lambda weight, x: layer.peer(x, weight).tanh().square().sum(),
    )


@by_layer
def test_per_example_gradients(layer: Layer) -> None:
    xs, weights = many(layer)
    ours, theirs = losses(layer)
    found = vmap(grad(ours), in_dims=(None, 0))(weights[0], xs)
    close(found, torch.stack([grad(theirs)(weights[0], x) for x in xs]))


@some
def test_jacobians_and_hessians(layer: Layer) -> None:
    x, weight, _ = layer.tensors(torch.float64)
    ours, theirs = losses(layer)
    for transform in (grad, jacrev, jacfwd, hessian):
        close(transform(ours)(weight, x), transform(theirs)(weight, x))

    def both(f: Loss) -> Callable[..., Tensor]:
        return jacrev(jacfwd(f, 1), 0)

    close(both(ours)(weight, x), both(theirs)(weight, x))


@by_layer
def test_forward_mode(layer: Layer) -> None:
    primals = layer.tensors(torch.float64)
    tangents = layer.tensors(torch.float64, seed=1)
    found = jvp(layer.ours, primals, tangents)
    expected = jvp(layer.peer, primals, tangents)
    for mine, other in zip(found, expected, strict=True):
        close(mine, other)
    numbers: Any = forward_ad  # untyped in PyTorch
    with numbers.dual_level():
        dual = numbers.make_dual(primals[0], tangents[0])
        out = numbers.unpack_dual(layer.ours(dual, primals[1]))
    close(out.tangent, layer.peer(tangents[0], primals[1]))


@some
def test_nested_vmap(layer: Layer) -> None:
    xs, weights = many(layer)
    table = vmap(vmap(layer.ours, (0, None)), (None, 0))(xs, weights)
    for i, weight in enumerate(weights):
        for j, x in enumerate(xs):
            close(table[i, j], layer.peer(x, weight))


@some
def test_vjp_of_vmap(layer: Layer) -> None:
    xs, weights = many(layer)
    out, back = vjp(vmap(layer.ours), xs, weights)[:2]
    expected, other = vjp(vmap(layer.peer), xs, weights)[:2]
    close(out, expected)
    cotangent = torch.randn_like(out)
    for mine, want in zip(back(cotangent), other(cotangent), strict=True):
        close(mine, want)
