"""Factors fitted again, layer after layer, to what the dense model gave there."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import nn

from tnconv.errors import ArgumentError
from tnconv.factor.fit.layer import streamed_least_squares
from tnconv_backends.torch.compress.base import FactorizedModule
from tnconv_backends.torch.compress.progress import bar
from tnconv_backends.torch.compress.survey import Batch, Run, default_run, evaluating

Tensor = torch.Tensor


def refit(
    model: nn.Module,
    dense: nn.Module,
    data: Iterable[Batch],
    *,
    run: Run = default_run,
    sweeps: int = 2,
    iterations: int = 8,
    progress: bool = False,
) -> dict[str, float]:
    """Fit the factors of each layer, in place, by least squares on its outputs.

    Layers are taken in the order in which they run. Each reads what it gets in
    ``model``, where those before it are factorized and fitted already, and should give
    what its dense layer gave in ``dense``: so it makes up for their errors as well. No
    gradients are taken, and biases stay.

    Args:
        model: a compressed model, in the state that :func:`compress` left it in.
        dense: the model that it was made from.
        data: batches; what one layer reads and gives on all of them is held, no
            more; the layer runs on one batch at a time.
        run: how a model runs on a batch, as for :func:`compress`.
        sweeps, iterations: as for :func:`tnconv.factor.fit.layer.layer_least_squares`.
        progress: show a bar (needs tqdm).

    Returns:
        The relative error of the output of every layer by name.

    Raises:
        ArgumentError: models that do not fit each other, layers that run more than once
            or not at all, no data.

    Source: layer after layer with the inputs of the approximated model: Zhang et al.,
    TPAMI 2016, section 3.3.
    """
    batches = list(data)
    if not batches:
        raise ArgumentError("refit: data holds no batch; give at least one")
    names = {
        module: name
        for name, module in model.named_modules()
        if isinstance(module, FactorizedModule)
    }
    for name in names.values():
        _check(dense, name)
    found: dict[str, float] = {}
    with bar(progress, "refitting", len(names)) as tick, torch.no_grad():
        for module in _in_order(model, names, batches[0], run):
            name = names[module]
            read, _ = _seen(model, module, batches, run)
            _, wanted = _seen(dense, dense.get_submodule(name), batches, run)
            found[name] = _refitted(module, read, wanted, sweeps, iterations)
            tick()
    return found


def _refitted(
    module: FactorizedModule,
    read: list[Tensor],
    wanted: list[Tensor],
    sweeps: int,
    iterations: int,
) -> float:
    """Give a layer better factors; what its output is off by then."""
    hyper = {name: v for name, v in module.hyper.items() if name != "groups"}
    batches = []
    for x, y in zip(read, wanted, strict=True):
        rows = module.kind.rows(x, module.network)
        flat = y.reshape(-1, y.shape[-1]) if rows.ndim == 2 else y
        batches.append((rows, flat))
    kernel = streamed_least_squares(
        module.kernel,
        batches,
        module.bias,
        sweeps=sweeps,
        iterations=iterations,
        **hyper,
    )
    for name, factor in kernel.arrays().items():
        module.factors[name].copy_(factor)
    assert kernel.fit is not None and kernel.fit.output_error is not None
    return kernel.fit.output_error


def _in_order(
    model: nn.Module, names: dict[FactorizedModule, str], batch: Batch, run: Run
) -> list[FactorizedModule]:
    """Layers as they run; each must run once."""
    order: list[Any] = []
    with _hooked(list(names), lambda module, x, y: order.append(module)):
        with evaluating(model):
            run(model, batch)
    for module, name in names.items():
        if order.count(module) != 1:
            raise ArgumentError(
                f"refit: layer {name!r} runs {order.count(module)} times on a batch, "
                "and factors are fitted to one output; leave it dense, or do not refit"
            )
    return order


def _seen(
    model: nn.Module, module: nn.Module, batches: Iterable[Batch], run: Run
) -> tuple[list[Tensor], list[Tensor]]:
    """What a layer read and gave on all batches."""
    read: list[Tensor] = []
    gave: list[Tensor] = []

    def note(_: Any, x: Tensor, y: Tensor) -> None:
        read.append(x.detach())
        gave.append(y.detach())

    with _hooked([module], note), evaluating(model):
        for batch in batches:
            run(model, batch)
    if not read:
        raise ArgumentError("refit: a layer of the dense model does not run on data")
    return read, gave


@contextmanager
def _hooked(modules: Iterable[nn.Module], note: Any) -> Iterator[None]:
    def hook(module: Any, args: Any, kwargs: Any, output: Tensor) -> None:
        note(module, args[0] if args else kwargs["input"], output)

    handles = [m.register_forward_hook(hook, with_kwargs=True) for m in modules]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


def _check(dense: nn.Module, name: str) -> None:
    try:
        dense.get_submodule(name)
    except AttributeError:
        raise ArgumentError(
            f"refit: the dense model has no layer {name!r}; give the model that was "
            "compressed"
        ) from None
