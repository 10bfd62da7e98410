"""A factorized layer as layers of PyTorch's own, one for each factor.

A label that comes in, is on the factor or not, and goes on is a group of that layer
(CP's bond, whose layers are depthwise); one that comes in and stops is an input channel
of the group; one that is new is an output channel.
"""

from __future__ import annotations

import copy
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import prod
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from tnconv.errors import ArgumentError
from tnconv.factor.chain import Stage, chain

if TYPE_CHECKING:
    from tnconv_backends.torch.compress.base import FactorizedModule

Tensor = torch.Tensor
Labels = tuple[str, ...]


@dataclass(frozen=True)
class _Step:
    """A stage, its channels told apart, and its weight (group, out, in, *kernel)."""

    stage: Stage
    group: Labels
    into: Labels
    out: Labels
    weight: Tensor


def sequential(module: FactorizedModule) -> nn.Sequential:
    """The textbook chain of a factorized layer; its parameters are copies.

    Raises ArgumentError where a network of one's own is no such chain.
    """
    stages = chain(
        module.network, groups=_groups(module), transposed=module.kind.transposed
    )
    taken = sorted(axis for stage in stages for axis in stage.taken)
    if taken != list(range(len(module.network.shape) - 2)):
        raise _unfit("every axis of the kernel is on one factor")
    layers: OrderedDict[str, nn.Module] = OrderedDict()
    for step in _steps(module, stages):
        last = step.stage is stages[-1]
        layer: Any = _layer(module, step, with_bias=last)
        layers[step.stage.factor] = layer.train(module.training)
    return nn.Sequential(layers)


def lowered(model: nn.Module) -> nn.Module:
    """A copy of a model with every factorized layer as layers of PyTorch's own.

    It needs no tnconv to run, scripts, traces and exports to ONNX as Conv,
    ConvTranspose and Gemm nodes; a transposed layer that is called with an output size
    is the one thing that it cannot stand for.

    >>> from tnconv_backends.torch.compress import FactorizedLinear
    >>> model = nn.Sequential(FactorizedLinear(4, 3, format="svd-in", ranks=2))
    >>> [type(layer).__name__ for layer in lowered(model)[0]]
    ['Linear', 'Linear']
    """
    from tnconv_backends.torch.compress.base import FactorizedModule
    from tnconv_backends.torch.compress.layers import replaced

    result = copy.deepcopy(model)
    modules = dict(result.named_modules())
    new = {
        n: sequential(m) for n, m in modules.items() if isinstance(m, FactorizedModule)
    }
    return replaced(result, new)


def _steps(module: FactorizedModule, stages: Sequence[Stage]) -> list[_Step]:
    """Every stage, with channels in the order in which the next one reads them."""
    order = _order(stages)
    spatial = _kernel_labels(module)
    state = tuple(sorted(stages[0].before, key=order.__getitem__))
    found = []
    for stage in stages:
        group = tuple(a for a in state if a in stage.after)
        into = tuple(a for a in state if a not in stage.after)
        new = set(stage.after) - set(group)
        out = tuple(sorted(new, key=order.__getitem__))
        if state != (*group, *into):
            raise _unfit("channels stay in the order in which they are summed")
        kernel = tuple(a for a in spatial if a in stage.labels)
        weight = _weight(module, stage, (*group, *out, *into), kernel)
        parts = [prod(weight.shape[: len(group)])]
        parts += [prod(weight.shape[len(group) :][: len(out)])]
        parts += [prod(weight.shape[len(group) + len(out) :][: len(into)])]
        axes = [
            weight.shape[-len(kernel) + kernel.index(a)] if a in kernel else 1
            for a in spatial
        ]
        found.append(_Step(stage, group, into, out, weight.reshape(*parts, *axes)))
        state = (*group, *out)
    return found


def _order(stages: Sequence[Stage]) -> dict[str, int]:
    """Labels by when they are summed, the last first; results before all."""
    ends = dict.fromkeys((a for s in stages for a in (*s.before, *s.after)), 0)
    for at, stage in enumerate(stages):
        for label in {*stage.before} - {*stage.after}:
            ends[label] = at
    kept = stages[-1].after
    first = stages[0].before
    whole = {a: len(stages) + (a in first) for a in kept}  # groups of the layer lead
    ends |= whole
    return {label: -at for label, at in ends.items()}


def _weight(
    module: FactorizedModule, stage: Stage, channels: Labels, kernel: Labels
) -> Tensor:
    """The factor with an axis for every label; repeated along those it has not."""
    sizes = module.network.sizes
    factor = module.factors[stage.factor].detach()
    wanted = (*channels, *kernel)
    own = tuple(a for a in wanted if a in stage.labels)
    found = factor.permute([stage.labels.index(a) for a in own])
    for at, label in enumerate(wanted):
        if label not in own:
            found = found.unsqueeze(at)
    return found.expand([sizes[a] for a in wanted]).clone()


def _layer(module: FactorizedModule, step: _Step, with_bias: bool) -> nn.Module:
    bias = module.bias if with_bias else None
    if not _kernel_labels(module):
        return _linear(step, bias)
    groups, out, into, *kernel = step.weight.shape
    moved = bool(step.stage.taken) and module.kind.transposed
    hyper = _hyper(module.hyper, step.stage.taken, len(kernel), moved)
    axes = len(kernel) - 1
    kinds = (nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d)
    build: Any = (kinds if moved else (nn.Conv1d, nn.Conv2d, nn.Conv3d))[axes]
    layer = build(
        groups * into,
        groups * out,
        tuple(kernel),
        groups=groups,
        bias=bias is not None,
        device="meta",
        **hyper,
    )
    weight = step.weight.transpose(1, 2) if moved else step.weight
    _fill(layer, weight.flatten(0, 1).contiguous(), bias)
    return layer  # type: ignore[no-any-return]


def _linear(step: _Step, bias: Tensor | None) -> nn.Linear:
    groups, out, into = step.weight.shape
    has = bias is not None
    layer = nn.Linear(groups * into, groups * out, bias=has, device="meta")
    weight: Tensor = torch.block_diag(*step.weight)  # type: ignore[no-untyped-call]
    _fill(layer, weight, bias)
    return layer


def _hyper(
    hyper: Mapping[str, Any], taken: Sequence[int], axes: int, transposed: bool
) -> dict[str, Any]:
    """The hyper-parameters along the axes that a factor takes, none along others."""
    neutral = {"stride": 1, "padding": 0, "dilation": 1, "output_padding": 0}
    found: dict[str, Any] = {}
    for name, value in hyper.items():
        if name == "groups" or (name == "output_padding" and not transposed):
            continue
        if isinstance(value, str):
            found[name] = value
        else:
            each = (value[j] if j in taken else neutral[name] for j in range(axes))
            found[name] = tuple(each)
    return found


def _fill(layer: Any, weight: Tensor, bias: Tensor | None) -> None:
    layer.weight = nn.Parameter(weight)
    if bias is not None:
        layer.bias = nn.Parameter(bias.detach().clone())


def _groups(module: FactorizedModule) -> int:
    return int(getattr(module, "groups", 1))


def _kernel_labels(module: FactorizedModule) -> Labels:
    """The labels of the kernel's positions, an axis each."""
    return tuple(axis.labels[0] for axis in module.network.output[2:])


def _unfit(wanted: str) -> ArgumentError:
    return ArgumentError(
        f"to_sequential: the network of this layer is no chain of layers, in which "
        f"{wanted}; use to_dense, or one of tnconv.factor.FORMATS"
    )
