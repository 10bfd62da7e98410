"""Which layers of a model can be factorized, and why the others cannot."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn
from torch.nn.utils.parametrize import ParametrizationList, is_parametrized

from tnconv.errors import ArgumentError
from tnconv.factor import KernelShape
from tnconv_backends.torch.compress.base import FactorizedModule
from tnconv_backends.torch.compress.modules import FACTORIZED

#: which layers are chosen: their names, or a function of (name, module)
Where = Iterable[str] | Callable[[str, nn.Module], bool]
_HOOKS = (
    "_forward_hooks",
    "_forward_pre_hooks",
    "_backward_hooks",
    "_backward_pre_hooks",
)


@dataclass(frozen=True)
class Layers:
    """The layers that can be factorized, by name, and why others stay as they are."""

    found: dict[str, nn.Module]
    skipped: dict[str, str]


def layers_of(model: nn.Module, where: Where | None = None) -> Layers:
    """Sort the layers of a model.

    Raises ArgumentError where ``where`` names layers that the model has not.

    >>> model = nn.Sequential(nn.Conv2d(3, 8, 3), nn.Embedding(5, 8), nn.Linear(8, 1))
    >>> layers_of(model).skipped
    {'1': 'an Embedding is no layer that is factorized', '2': 'of rank 1 already'}
    """
    chosen = _chosen(model, where)
    owners = _owners(model)
    found, skipped = {}, {}
    for name, module in model.named_modules():
        if not _has_weights(module):
            continue
        reason = _reason(module, owners)
        if reason is None and not chosen(name, module):
            reason = "not chosen"
        if reason is None:
            found[name] = module
        else:
            skipped[name] = reason
    return Layers(found, skipped)


def kernel_shape(layer: nn.Module) -> KernelShape:
    """The shape of a layer's weight with what its axes are."""
    own: Any = layer
    kind = FACTORIZED[type(layer)].kind
    groups = int(getattr(own, "groups", 1))
    return KernelShape(tuple(own.weight.shape), groups, kind.transposed)


def replaced(model: nn.Module, new: Mapping[str, nn.Module]) -> nn.Module:
    """Put modules in the place of others, under every name these have."""
    by_old = {model.get_submodule(name): module for name, module in new.items()}
    for parent in list(model.modules()):
        for name, child in list(parent._modules.items()):
            if child is not None and child in by_old:
                setattr(parent, name, by_old[child])
    return by_old.get(model, model)


def _chosen(model: nn.Module, where: Where | None) -> Callable[[str, nn.Module], bool]:
    if where is None:
        return lambda name, module: True
    if callable(where):
        return where
    names = {where} if isinstance(where, str) else set(where)
    known = {name for name, module in model.named_modules() if _has_weights(module)}
    if unknown := sorted(map(str, names - known)):
        raise ArgumentError(
            f"compress: where names {', '.join(unknown)}, and the model has no such "
            f"layers; it has {', '.join(sorted(known)) or 'none'}"
        )
    return lambda name, module: name in names


def _has_weights(module: nn.Module) -> bool:
    if isinstance(module, (*FACTORIZED, FactorizedModule)):
        return True
    if isinstance(module, ParametrizationList):  # belongs to the layer it computes
        return False
    return any(p.ndim > 1 for p in module.parameters(recurse=False))


def _owners(model: nn.Module) -> Counter[int]:
    """How many modules have each parameter."""
    return Counter(
        id(p) for module in model.modules() for p in module.parameters(recurse=False)
    )


def _reason(module: nn.Module, owners: Counter[int]) -> str | None:
    """Why a layer stays as it is; None where it need not."""
    if isinstance(module, FactorizedModule):
        return "factorized already"
    if not isinstance(module, tuple(FACTORIZED)):
        article = "an" if type(module).__name__[0] in "AEIOU" else "a"
        return f"{article} {type(module).__name__} is no layer that is factorized"
    if is_parametrized(module) or "weight" not in module._parameters:
        return "its weight is computed from other parameters (a parametrization)"
    if type(module) not in FACTORIZED:
        return f"a {type(module).__name__} may have a forward of its own"
    weight: Any = module.weight
    if owners[id(weight)] > 1:
        return "its weight is another layer's too (tied)"
    if any(getattr(module, hooks) for hooks in _HOOKS):
        return "it has hooks, which a new layer would lose"
    if not weight.is_floating_point():
        return f"its weight is {str(weight.dtype).removeprefix('torch.')}"
    if not bool(torch.isfinite(weight).all()):
        return "its weight holds NaN or infinite values"
    return _small(kernel_shape(module))


def _small(kernel: KernelShape) -> str | None:
    sizes = kernel.sizes
    if min(sizes["d"], sizes["c"]) > 1:
        return None
    if kernel.groups > 1 and sizes["d"] == sizes["c"] == 1:
        return "depthwise: there are no channels to factorize"
    return "of rank 1 already" if len(kernel.kernel) < 1 else None
