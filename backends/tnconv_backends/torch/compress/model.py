"""A trained model in, the model with factorized layers and a report out."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import torch
from torch import nn

from tnconv.errors import ArgumentError
from tnconv.factor import EVBMF, Energy, Fraction, RelativeError
from tnconv.factor.rank import Rank
from tnconv_backends.torch.compress import folding
from tnconv_backends.torch.compress.choose import Chooser, Plan
from tnconv_backends.torch.compress.layers import Layers, Where, layers_of, replaced
from tnconv_backends.torch.compress.options import check_formats
from tnconv_backends.torch.compress.progress import bar
from tnconv_backends.torch.compress.report import LayerReport, Report
from tnconv_backends.torch.compress.survey import (
    Batch,
    Run,
    Survey,
    default_run,
    survey,
)
from tnconv_backends.torch.compress.timing import measured

#: formats that a budget chooses from: those whose errors spectra tell
FORMATS = ("tucker2", "svd-out", "svd-in", "svd-spatial")


def compress(
    model: nn.Module,
    *,
    budget: Fraction | None = None,
    rank: Rank | Mapping[str, Rank] | None = None,
    formats: str | Sequence[str] = FORMATS,
    where: Where | None = None,
    data: Iterable[Batch] | None = None,
    example: Batch | None = None,
    run: Run = default_run,
    round_to: int = 1,
    slower: bool = False,
    measure: bool = False,
    fold_batchnorm: bool = False,
    inplace: bool = False,
    seed: int = 0,
    progress: bool = False,
) -> tuple[nn.Module, Report]:
    """Factorize the layers of a trained model.

    Layers are Conv1d to 3d, ConvTranspose1d to 3d and Linear. Under a budget each gets
    the format and the ranks with which the sum of all -log(1 - squared error) is least;
    a layer that is better dense stays dense. With ``rank`` each layer gets that.

    Args:
        model: any module; it is copied unless ``inplace``.
        budget: a share of the whole model's cost: ``Fraction(0.5)`` of its parameters,
            ``Fraction(0.5, of="macs")`` of multiply-adds (of known layers, for one
            example), ``Fraction(0.5, of="seconds")`` of predicted time for the first
            batch. The latter two need ``data`` or ``example``.
        rank: in the place of a budget: an int, a tuple, ``Fraction``, ``Energy``,
            ``RelativeError`` or ``EVBMF`` for every layer, or a mapping of layer names
            to these, others staying dense.
        formats: names of :data:`tnconv.factor.FORMATS`; with ``rank`` the first that a
            layer has axes for. A layer without kernel positions has one, "svd-out".
        where: names of layers, or a function of (name, module).
        data: batches of calibration inputs; kernels then come near the layers' outputs
            on them, in the mean, instead of the weights. Not used for training.
        example: one batch, for sizes only; the first of ``data`` by default.
        run: how a model runs on a batch; by default a tensor, or the first entry of a
            tuple or list, is the input.
        round_to: ranks become multiples of it.
        slower: also factorize layers that are predicted to be slower than dense (where
            calls were seen).
        measure: time every factorized layer on inputs of the size that was seen.
        fold_batchnorm: first fold batch normalizations into the layers before them, as
            :func:`tnconv_backends.torch.compress.fold_batchnorm` does.
        inplace: change ``model`` itself.
        seed: of random starts.
        progress: show a bar (needs tqdm).

    Returns:
        The model, and a :class:`Report` with a line for each layer that has weights.

    Raises:
        ArgumentError: neither or both of budget and rank, unknown names, a budget that
            cannot be met, a mapping's ranks that do not fit their layer.
        MissingDependencyError: a progress bar without tqdm.

    Source: the errors are those of truncated spectra (Eckart and Young); for the choice
    under a budget see :mod:`tnconv_backends.torch.compress.solve`.

    >>> from tnconv.factor import Fraction
    >>> model = nn.Sequential(nn.Conv2d(8, 16, 3), nn.Flatten(), nn.Linear(64, 32))
    >>> small, report = compress(model, budget=Fraction(0.5))
    >>> report.parameters[0], report.parameters[1] <= report.parameters[0] / 2
    (3248, True)
    >>> small, report = compress(model, rank=4)
    >>> [type(module).__name__ for module in small]
    ['FactorizedConv2d', 'Flatten', 'FactorizedLinear']
    """
    _check(budget, rank)
    names = check_formats(formats)
    before = _parameters(model)
    model = model if inplace else copy.deepcopy(model)
    if fold_batchnorm:
        folding.fold_batchnorm(model)
    layers = layers_of(model, where)
    if isinstance(rank, Mapping):
        layers = _named(layers, rank)
    seen = _surveyed(model, layers, data, example, run, progress)
    layers = _used(layers, seen)
    _check_seen(budget, seen)
    chooser = Chooser(layers.found, seen, names, round_to, slower, seed)
    with bar(progress, "factorizing", len(layers.found)) as tick:
        plans = (
            chooser.under(budget, _parameters(model), tick)
            if budget is not None
            else chooser.given(rank, tick)
        )
    times = measured(layers.found, plans, seen) if measure else {}
    lines = [_line(model, name, layers, plans, times) for name in _order(model, layers)]
    new = {name: plan.module for name, plan in plans.items() if plan.module is not None}
    result = replaced(model, new)
    return result, Report(tuple(lines), (before, _parameters(result)))


def _check(budget: Any, rank: Any) -> None:
    if (budget is None) == (rank is None):
        raise ArgumentError(
            "compress: give one of budget and rank: a Fraction of the whole model's "
            'cost, as Fraction(0.5, of="macs"), or what each layer gets'
        )
    if budget is not None and not isinstance(budget, Fraction):
        raise ArgumentError(
            f"compress: budget is {budget!r:.60}; give a Fraction, as "
            'tnconv.factor.Fraction(0.5, of="params")'
        )
    each = rank.values() if isinstance(rank, Mapping) else [rank]
    for one in each if rank is not None else ():
        if not isinstance(one, (Fraction, Energy, RelativeError, EVBMF)):
            _check_numbers(one)


def _check_numbers(rank: Any) -> None:
    values = rank if isinstance(rank, (tuple, list)) else (rank,)
    if not values or not all(type(n) is int and n > 0 for n in values):
        raise ArgumentError(
            f"compress: rank is {rank!r:.60}; give ints of at least 1, Fraction, "
            "Energy, RelativeError, EVBMF, or a mapping of layer names to these"
        )


def _named(layers: Layers, rank: Mapping[str, Rank]) -> Layers:
    """Only the layers that a mapping names."""
    wrong = [name for name in rank if name not in layers.found]
    if wrong:
        why = "; ".join(
            f"{name!r}: {layers.skipped.get(name, 'no such layer')}" for name in wrong
        )
        raise ArgumentError(
            f"compress: rank names layers that are not factorized ({why}); it can name "
            f"{', '.join(layers.found) or 'none'}"
        )
    left = {name: "not chosen" for name in layers.found if name not in rank}
    found = {n: module for n, module in layers.found.items() if n in rank}
    return Layers(found, layers.skipped | left)


def _surveyed(
    model: nn.Module,
    layers: Layers,
    data: Iterable[Batch] | None,
    example: Batch | None,
    run: Run,
    progress: bool,
) -> Survey:
    if data is None and example is None:
        return Survey()
    if isinstance(data, torch.Tensor):
        raise ArgumentError(
            "compress: data is a tensor; give batches, as a list of tensors or a loader"
        )
    batches = [example] if data is None else data
    with bar(progress, "calibrating", None) as tick:
        return survey(
            model,
            layers.found,
            batches,
            run=run,
            moments=data is not None,
            tick=tick,
        )


def _check_seen(budget: Fraction | None, seen: Survey) -> None:
    if budget is not None and budget.of != "params" and not seen.seen:
        raise ArgumentError(
            f"compress: a budget in {budget.of} goes by the sizes of inputs; give "
            "example= (one batch) or data="
        )


def _used(layers: Layers, seen: Survey) -> Layers:
    """Without layers whose weight is used by a function, or which never ran."""
    skipped = {
        name: "its weight is used outside the layer (a functional call)"
        for name in seen.elsewhere
    }
    if seen.seen:
        for name in layers.found:
            if name not in seen.seen:
                skipped.setdefault(name, "it did not run on the data")
    found = {n: module for n, module in layers.found.items() if n not in skipped}
    return Layers(found, layers.skipped | skipped)


def _parameters(model: nn.Module) -> int:
    return sum(p.numel() for p in model.parameters())


def _order(model: nn.Module, layers: Layers) -> list[str]:
    known = {*layers.found, *layers.skipped}
    return [name for name, _ in model.named_modules() if name in known]


def _line(
    model: nn.Module,
    name: str,
    layers: Layers,
    plans: Mapping[str, Plan],
    times: Mapping[str, tuple[float, float]],
) -> LayerReport:
    kind = type(model.get_submodule(name)).__name__
    if name in layers.skipped:
        return LayerReport(name, kind, False, layers.skipped[name])
    return plans[name].line(name, kind, times.get(name))
