"""What the adapters compute, against PyTorch's autograd, one example after another."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from hypothesis import given, settings
from tests.clients.layers import (
    TRANSPOSED,
    cotangents,
    gradients,
    layers,
    unfolded,
)
from torch.testing import assert_close

from tnconv.errors import ArgumentError
from tnconv_backends.torch.clients import backpack, curvlinops, opacus, patches, singd

pytestmark = pytest.mark.filterwarnings("ignore:Using padding='same'")

Tensor = torch.Tensor
Drawn = tuple[Any, Tensor]


@settings(deadline=None, max_examples=25)
@given(layers())
def test_gradients_of_each_example(drawn: Drawn) -> None:
    layer, x = drawn
    g = cotangents(layer, x)
    found = opacus.grad_sample(layer, [x], g)
    assert list(found) == list(layer.parameters())
    for mine, theirs in zip(found.values(), gradients(layer, x, g), strict=True):
        assert_close(mine, theirs)


@settings(deadline=None, max_examples=25)
@given(layers())
def test_norms_of_each_example(drawn: Drawn) -> None:
    layer, x = drawn
    g = cotangents(layer, x)
    found = opacus.norm_sample(layer, [x], g)
    assert list(found) == list(layer.parameters())
    for mine, theirs in zip(found.values(), gradients(layer, x, g), strict=True):
        # roots of rounding errors: a sum of squares is exact to one unit of its terms
        assert_close(mine, theirs.flatten(1).norm(dim=1), atol=1e-6, rtol=1e-10)


@pytest.mark.parametrize("kind", TRANSPOSED)
@pytest.mark.parametrize("bias", [True, False])
def test_gradients_of_transposed_layers(kind: Any, bias: bool) -> None:
    layer = kind(4, 6, 3, 2, 1, 1, groups=2, bias=bias, dtype=torch.float64)
    x = torch.randn((3, 4, *(4,) * len(layer.kernel_size)), dtype=torch.float64)
    g = cotangents(layer, x)
    found, norms = opacus.grad_sample(layer, [x], g), opacus.norm_sample(layer, [x], g)
    for mine, theirs in zip(found.values(), gradients(layer, x, g), strict=True):
        assert_close(mine, theirs)
    for mine, theirs in zip(norms.values(), gradients(layer, x, g), strict=True):
        assert_close(mine, theirs.flatten(1).norm(dim=1))


def test_parameters_without_gradient_are_left_out() -> None:
    layer = torch.nn.Conv1d(2, 3, 2)
    layer.weight.requires_grad_(False)
    x, g = torch.ones(4, 2, 5), torch.ones(4, 3, 4)
    for sample in (opacus.grad_sample, opacus.norm_sample):
        assert list(sample(layer, [x], g)) == [layer.bias]


def test_norms_of_half_precision_do_not_overflow() -> None:
    layer = torch.nn.Conv1d(1, 1, 1, bias=False)
    x = torch.full((1, 1, 1), 300.0, dtype=torch.float16)
    found = opacus.norm_sample(layer, [x], torch.ones_like(x))[layer.weight]
    assert found.dtype == torch.float16 and found.item() == 300


def test_arrays_that_do_not_fit_are_refused() -> None:
    layer = torch.nn.Conv1d(2, 3, 2)
    for sample in (opacus.grad_sample, opacus.norm_sample):
        with pytest.raises(ArgumentError, match="cotangent"):
            sample(layer, [torch.ones(4, 2, 5)], torch.ones(4, 3, 9))


@settings(deadline=None, max_examples=25)
@given(layers(batches=(1, 3)))
def test_unfolded_inputs(drawn: Drawn) -> None:
    layer, x = drawn
    expected = unfolded(layer, x).mean(1)
    rows = expected.flatten(end_dim=1)
    if layer.padding_mode == "zeros":
        found = patches.patches(x, *_hyper(layer))
        assert_close(found, expected)
        assert_close(patches.averaged_patches(x, *_hyper(layer)), expected.mean(1))
    both: Any = (("expand", rows), ("reduce", expected.mean(1)))
    for kind, wanted in both:
        if layer.bias is not None:
            wanted = torch.cat([wanted, wanted.new_ones(len(wanted), 1)], dim=1)
        mine = singd.process_input(x, layer, kind)
        assert_close(mine, wanted / len(wanted) ** 0.5)


def _hyper(layer: Any) -> tuple[Any, ...]:
    names = ("kernel_size", "stride", "padding", "dilation", "groups")
    return tuple(getattr(layer, name) for name in names)


@settings(deadline=None, max_examples=25)
@given(layers(batches=(1, 3)))
def test_input_covariances(drawn: Drawn) -> None:
    layer, x = drawn
    every = unfolded(layer, x)
    expected = every.mean(1)
    for bias in (False, True):
        if bias:
            ones = expected.new_ones(*expected.shape[:2], 1)
            expected = torch.cat([expected, ones], dim=2)
        positions, mean = expected.shape[1], expected.mean(1)
        rows = expected.flatten(end_dim=1)
        both: Any = (
            ("expand", rows.T @ rows / positions),
            ("reduce", mean.T @ mean),
        )
        for kind, wanted in both:
            found = curvlinops.input_covariance(layer, x, kind, bias, 11)
            assert_close(found, wanted / 11)
    if layer.groups == 1:
        rows = every.flatten(end_dim=2)
        assert_close(backpack.input_factor(layer, x), rows.T @ rows / x.shape[0])


@settings(deadline=None, max_examples=25)
@given(layers())
def test_products_with_the_transposed_jacobian(drawn: Drawn) -> None:
    layer, x = drawn
    vectors = cotangents(layer, x, 2)
    expected = torch.stack([gradients(layer, x, g)[0] for g in vectors])
    found = backpack.weight_products(layer, x, vectors, per_example=True)
    assert_close(found, expected)
    found = backpack.weight_products(layer, x, vectors, per_example=False)
    assert_close(found, expected.sum(1))
