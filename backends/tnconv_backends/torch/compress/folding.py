"""Batch normalization: folded into the layer before it, or its averages made anew."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import pairwise
from typing import Any

import torch
from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_eval, fuse_linear_bn_eval

from tnconv.errors import ArgumentError
from tnconv_backends.torch.compress.survey import Batch, Run, default_run, evaluating

NORMS = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d)
_CONVS = (nn.Conv1d, nn.Conv2d, nn.Conv3d)
_TRANSPOSED = (nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d)
LAYERS = (*_CONVS, *_TRANSPOSED, nn.Linear)


class Folded(nn.Identity):
    """Stands where a batch normalization was; ``into`` is the layer that took it in."""

    def __init__(self, into: str) -> None:
        super().__init__()
        self.into = into

    def extra_repr(self) -> str:
        """Where it went."""
        return f"into={self.into!r}"


def fold_batchnorm(model: nn.Module) -> list[tuple[str, str]]:
    """Fold, in place, every batch normalization that follows a layer in a Sequential.

    The layer's weight and bias take in what the normalization does in eval mode, and
    a ``Folded`` stands in its place, by which :func:`save` knows. Only neighbors in a
    ``nn.Sequential`` are known to follow one another. Returns the pairs of names.

    Raises ArgumentError where a normalization is in training mode.

    >>> model = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU()).eval()
    >>> fold_batchnorm(model)
    [('0', '1')]
    """
    found = list(_neighbors(model))
    for _, norm in found:
        if model.get_submodule(norm).training:
            raise ArgumentError(
                f"fold_batchnorm: {norm!r} is in training mode, in which it goes by "
                "each batch; call model.eval() first"
            )
    for layer, norm in found:
        folded_at(model, layer, norm)
    return found


def folded_at(model: nn.Module, layer_name: str, norm_name: str) -> None:
    """Fold one normalization, by name, into one layer."""
    layer, norm = _at(model, layer_name), _at(model, norm_name)
    if type(layer) not in LAYERS or type(norm) not in NORMS:
        raise ArgumentError(
            f"fold_batchnorm: {layer_name!r} and {norm_name!r} are a "
            f"{type(layer).__name__} and a {type(norm).__name__}, no layer and no "
            "batch normalization"
        )
    _put(model, layer_name, _fused(layer, norm.eval()))
    _put(model, norm_name, Folded(layer_name).train(layer.training))


def recalibrate(
    model: nn.Module, batches: Iterable[Batch], *, run: Run = default_run
) -> nn.Module:
    """Make the running averages of batch normalizations anew, in place.

    Factorized layers shift what normalizations see. Averages are plain means over the
    batches; everything else (dropout) stays in eval mode, and modes are as they were
    afterwards. Returns the model.

    Raises ArgumentError where there is no batch, or no normalization with averages.

    >>> model = nn.Sequential(nn.Conv1d(1, 2, 3), nn.BatchNorm1d(2))
    >>> _ = recalibrate(model, [torch.ones(4, 1, 8)])
    >>> seen = model[0](torch.ones(1, 1, 3))[0, :, 0]
    >>> bool(torch.allclose(model[1].running_mean, seen))
    True
    """
    norms = [m for m in model.modules() if isinstance(m, NORMS) and _has_averages(m)]
    if not norms:
        raise ArgumentError("recalibrate: the model has no batch normalization")
    momenta = [norm.momentum for norm in norms]
    batch = None
    try:
        with torch.no_grad(), evaluating(model):
            for norm in norms:
                norm.reset_running_stats()
                norm.momentum = None  # a plain mean over all batches
                norm.training = True
            for batch in batches:
                run(model, batch)
    finally:
        for norm, momentum in zip(norms, momenta, strict=True):
            norm.momentum = momentum
    if batch is None:
        raise ArgumentError("recalibrate: there is no batch; give at least one")
    return model


def _neighbors(model: nn.Module) -> Iterator[tuple[str, str]]:
    """Every layer and the normalization right after it, both used nowhere else."""
    places = [n for n, _ in model.named_modules(remove_duplicate=False)]
    uses = [model.get_submodule(name) for name in places]
    for name, module in model.named_modules():
        if type(module) is not nn.Sequential:
            continue
        children = list(module.named_children())
        for (a, layer), (b, norm) in pairwise(children):
            single = sum(m is layer or m is norm for m in uses) == 2
            if single and type(layer) in LAYERS and type(norm) in NORMS:
                if _has_averages(norm):
                    start = f"{name}." if name else ""
                    yield start + a, start + b


def _fused(layer: Any, norm: Any) -> nn.Module:
    training, wanted = layer.training, layer.weight.requires_grad
    if isinstance(layer, nn.Linear):
        found = fuse_linear_bn_eval(layer.eval(), norm)
    else:
        transposed = isinstance(layer, _TRANSPOSED)
        if transposed and layer.groups > 1:
            raise ArgumentError(
                "fold_batchnorm: a transposed convolution with groups is not folded"
            )
        found = fuse_conv_bn_eval(layer.eval(), norm, transpose=transposed)
    found.weight.requires_grad_(wanted)
    return found.train(training)


def _has_averages(norm: Any) -> bool:
    return norm.running_mean is not None


def _at(model: nn.Module, name: str) -> nn.Module:
    try:
        return model.get_submodule(name)
    except AttributeError:
        raise ArgumentError(
            f"fold_batchnorm: the model has no module {name!r}"
        ) from None


def _put(model: nn.Module, name: str, module: nn.Module) -> None:
    parent, _, child = name.rpartition(".")
    setattr(model.get_submodule(parent), child, module)
