"""Training a factorized model on: balanced factors, learning rates of their own."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from math import prod
from typing import Any

import torch
from torch import nn

from tnconv.errors import ArgumentError
from tnconv_backends.torch.compress.base import FactorizedModule
from tnconv_backends.torch.compress.progress import bar

Tensor = torch.Tensor
Step = Callable[[nn.Module, Any], Tensor]


def balance(model: nn.Module) -> nn.Module:
    """Scale the factors of every factorized layer, in place, to norms of one size.

    A factor of n entries gets a norm in proportion to the square root of n, so that
    entries of all factors are of one size; the weight stays what it is. Returns the
    model.
    """
    with torch.no_grad():
        for module in model.modules():
            if isinstance(module, FactorizedModule):
                _balance(list(module.factors.values()))
    return model


def parameter_groups(
    model: nn.Module, lr: float, *, factors: float | Mapping[str, float] = 1.0
) -> list[dict[str, Any]]:
    """Groups for an optimizer of PyTorch, each with a learning rate of its own.

    Args:
        model: a model with factorized layers.
        lr: the rate of all that is no factor.
        factors: what the rate of factors is multiplied with, or that by format (CP
            wants smaller steps than Tucker); formats that are not named have 1.

    Returns:
        Dictionaries of ``params``, ``lr`` and ``name``; frozen parameters are in none.

    Raises:
        ArgumentError: rates that are no numbers above 0.
    """
    for rate in (
        lr,
        *(factors.values() if isinstance(factors, Mapping) else [factors]),
    ):
        if isinstance(rate, bool) or not isinstance(rate, (int, float)) or not rate > 0:
            raise ArgumentError(
                f"parameter_groups: a rate is {rate!r}; give numbers above 0"
            )
    groups: dict[str, dict[str, Any]] = {}
    known: set[int] = set()

    def add(name: str, rate: float, parameter: nn.Parameter) -> None:
        if parameter.requires_grad and id(parameter) not in known:
            known.add(id(parameter))
            group = {"params": [], "lr": rate, "name": name}
            groups.setdefault(name, group)["params"].append(parameter)

    for module in model.modules():
        if isinstance(module, FactorizedModule):
            many = isinstance(factors, Mapping)
            share = factors.get(module.format, 1.0) if many else factors  # type: ignore[union-attr]
            for factor in module.factors.values():
                add(f"factors of {module.format}", lr * share, factor)  # type: ignore[operator]
    for parameter in model.parameters():
        add("others", lr, parameter)
    return list(groups.values())


def finetune(
    model: nn.Module,
    batches: Iterable[Any],
    step: Step,
    *,
    lr: float = 1e-3,
    factors: float | Mapping[str, float] = 1.0,
    epochs: int = 1,
    optimizer: Callable[[list[dict[str, Any]]], torch.optim.Optimizer] | None = None,
    clip: float | None = 1.0,
    progress: bool = False,
) -> list[float]:
    """Train a factorized model on, in place; a plain loop.

    Factors are balanced first. The model trains in training mode, and its modes are as
    they were afterwards.

    Args:
        model: a model with factorized layers.
        batches: what is iterated once per epoch, such as a loader.
        step: a function of (model, batch) that returns the loss.
        lr, factors: as for :func:`parameter_groups`.
        epochs: how often the batches are gone through.
        optimizer: makes one from parameter groups; Adam by default.
        clip: the largest norm of all gradients together, or None.
        progress: show a bar (needs tqdm).

    Returns:
        The mean loss of each epoch.

    Raises:
        ArgumentError: a loss that is not finite, or no batch.

    >>> from tnconv_backends.torch.compress import FactorizedLinear
    >>> model, x = FactorizedLinear(4, 2, format="svd-in", ranks=1), torch.ones(3, 4)
    >>> step = lambda model, x: model(x).square().mean()
    >>> losses = finetune(model, [x] * 20, step, lr=0.05, epochs=2)
    >>> losses[1] < losses[0]
    True
    """
    balance(model)
    modes = {module: module.training for module in model.modules()}
    groups = parameter_groups(model, lr, factors=factors)
    chosen = (optimizer or torch.optim.Adam)(groups)
    losses = []
    model.train()
    try:
        with bar(progress, "fine-tuning", None) as tick:
            for _ in range(epochs):
                losses.append(_epoch(model, batches, step, chosen, clip, tick))
    finally:
        for module, training in modes.items():
            module.training = training
    return losses


def _epoch(
    model: nn.Module,
    batches: Iterable[Any],
    step: Step,
    optimizer: torch.optim.Optimizer,
    clip: float | None,
    tick: Callable[[], None],
) -> float:
    total, count = 0.0, 0
    for batch in batches:
        optimizer.zero_grad()
        loss = step(model, batch)
        value = float(loss.detach())
        if value != value or abs(value) == float("inf"):
            raise ArgumentError(
                f"finetune: the loss is {value} at batch {count}; lower lr, or the "
                "share of factors"
            )
        loss.backward()  # type: ignore[no-untyped-call]
        if clip is not None:
            nn.utils.clip_grad_norm_(model.parameters(), clip)
        optimizer.step()
        total, count = total + value, count + 1
        tick()
    if not count:
        raise ArgumentError(
            "finetune: there is no batch; give a list or a loader, which is gone "
            "through once per epoch"
        )
    return total / count


def _balance(factors: list[nn.Parameter]) -> None:
    """Factors with entries of one root mean square, and the same product."""
    sizes = [float(f.detach().double().square().mean().sqrt()) for f in factors]
    if min(sizes) <= 0:
        return  # a zero weight has nothing to balance
    mean = prod(size ** (1 / len(sizes)) for size in sizes)
    for factor, size in zip(factors, sizes, strict=True):
        factor.mul_(mean / size)
