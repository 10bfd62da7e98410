"""What compression did to each layer, as a table, as JSON and as a plot."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from tnconv.console import table
from tnconv.errors import MissingDependencyError
from tnconv_backends.torch.compress.options import Costs

KIND, VERSION = "tnconv compression report", 1


@dataclass(frozen=True)
class LayerReport:
    """One layer, before and after.

    Attributes:
        name: as in ``model.named_modules()``; ``type`` is its class.
        factorized: whether it is; ``reason`` says why its ranks are what they are, or
            why it is dense.
        format, ranks: of the factorized kernel.
        before, after: parameters of the weight, multiply-adds for an example, predicted
            seconds for the first batch that was given.
        measured: seconds for that batch before and after, where asked for.
        weight_error: ``|W - K| / |W|``; ``output_error`` the same of the layer's output
            on the data, in the mean; ``degeneracy`` of a CP kernel.
        remarks: what else a reader should know.
    """

    name: str
    type: str
    factorized: bool
    reason: str
    format: str | None = None
    ranks: tuple[int, ...] = ()
    before: Costs | None = None
    after: Costs | None = None
    measured: tuple[float, float] | None = None
    weight_error: float | None = None
    output_error: float | None = None
    degeneracy: float | None = None
    remarks: tuple[str, ...] = ()


@dataclass(frozen=True)
class Report:
    """All layers with weights; ``parameters`` are the whole model's, before and after.

    ``str()`` is a table.
    """

    layers: tuple[LayerReport, ...]
    parameters: tuple[int, int]

    @property
    def factorized(self) -> dict[str, LayerReport]:
        """The layers that are factorized, by name."""
        return {layer.name: layer for layer in self.layers if layer.factorized}

    @property
    def skipped(self) -> dict[str, str]:
        """The others by name, and why."""
        return {one.name: one.reason for one in self.layers if not one.factorized}

    def total(self, what: str) -> tuple[float, float] | None:
        """The sum of "macs" or "seconds" over all layers whose calls were seen."""
        pairs = [
            (getattr(one.before, what), getattr(one.after, what))
            for one in self.layers
            if one.before is not None and getattr(one.before, what) is not None
        ]
        if not pairs:
            return None
        return sum(a for a, _ in pairs), sum(b for _, b in pairs)

    def to_json(self) -> str:
        """All of it as JSON."""
        found = {
            "kind": KIND,
            "version": VERSION,
            "parameters": list(self.parameters),
            "macs": self.total("macs"),
            "seconds": self.total("seconds"),
            "layers": [asdict(layer) for layer in self.layers],
        }
        return json.dumps(found, indent=1)

    def __str__(self) -> str:
        rows = [_HEAD, *map(_row, self.layers), self._totals()]
        told = [column for column in zip(*rows, strict=True) if any(column[1:])]
        head, *body = zip(*told, strict=True)
        return "\n".join([table(head, body), "", *self._said()])

    def _said(self) -> Iterator[str]:
        """What is said of layers, each remark once, after the layers it is about."""
        about: dict[str, list[str]] = {}
        for one in self.layers:
            for note in _notes(one):
                about.setdefault(note, []).append(one.name)
        for note, names in about.items():
            yield f"{', '.join(names)}: {note}"

    def _totals(self) -> tuple[str, ...]:
        macs, seconds = self.total("macs"), self.total("seconds")
        return (
            "whole model",
            *("", "", _pair(self.parameters, 1)),
            *(_pair(macs, 1e-6), _pair(seconds, 1e3), "", "", ""),
        )

    def plot(self, path: str | Path) -> None:
        """Write a picture: what each layer costs before and after, and its errors.

        Raises MissingDependencyError without Matplotlib.
        """
        try:
            from matplotlib.figure import Figure
        except ImportError:
            raise MissingDependencyError(
                'report.plot needs Matplotlib; pip install "tnconv[draw]"'
            ) from None
        figure: Any = Figure(figsize=(9, 2.5 + 0.3 * len(self.layers)))
        left, right = figure.subplots(1, 2, sharey=True)
        _bars(left, self.layers)
        _errors(right, self.layers)
        figure.tight_layout()
        figure.savefig(path, dpi=120)


def _row(one: LayerReport) -> tuple[str, ...]:
    ranks = "x".join(map(str, one.ranks))
    costs = [_change(one, what, scale) for what, scale in _COLUMNS]
    measured = _pair(one.measured, 1e3)
    errors = (_number(one.weight_error), _number(one.output_error))
    return (one.name, one.format or "dense", ranks, *costs, measured, *errors)


_HEAD = (
    *("layer", "format", "ranks", "parameters", "million macs"),
    *("predicted ms", "measured ms", "error", "output error"),
)
_COLUMNS = (("params", 1.0), ("macs", 1e-6), ("seconds", 1e3))


def _change(one: LayerReport, what: str, scale: float) -> str:
    if one.before is None or getattr(one.before, what) is None:
        return ""
    return _pair((getattr(one.before, what), getattr(one.after, what)), scale)


def _pair(pair: tuple[float, float] | None, scale: float) -> str:
    if pair is None:
        return ""
    before, after = (_number(value * scale) for value in pair)
    return before if before == after else f"{before} -> {after}"


def _number(value: float | None) -> str:
    if value is None:
        return ""
    return f"{value:.0f}" if float(value).is_integer() else f"{value:.3g}"


def _notes(one: LayerReport) -> Iterator[str]:
    yield one.reason
    yield from one.remarks
    if one.degeneracy is not None and one.degeneracy > 10:
        yield f"its terms nearly cancel (degeneracy {one.degeneracy:.3g})"


def _bars(axes: Any, layers: tuple[LayerReport, ...]) -> None:
    known = [one for one in layers if one.before is not None]
    places = range(len(known))
    for side, label in ((0.2, "before"), (-0.2, "after")):
        heights = [getattr(one, label).params for one in known]
        axes.barh([p - side for p in places], heights, height=0.4, label=label)
    axes.set_yticks(list(places), [one.name for one in known])
    axes.invert_yaxis()
    axes.set_xscale("log")
    axes.set_xlabel("parameters")
    axes.legend()


def _errors(axes: Any, layers: tuple[LayerReport, ...]) -> None:
    known = [one for one in layers if one.before is not None]
    for name, mark in (("weight_error", "o"), ("output_error", "x")):
        points = [(getattr(one, name), at) for at, one in enumerate(known)]
        shown = [(x, y) for x, y in points if x is not None]
        if shown:
            axes.plot(*zip(*shown, strict=True), mark, label=name.replace("_", " "))
    axes.set_xlabel("relative error")
    if axes.get_legend_handles_labels()[0]:
        axes.legend()
