"""What each layer could be: dense, or factorized in some format with some ranks."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import exp, prod
from typing import Any

from torch import nn

from tnconv.errors import ArgumentError
from tnconv.factor import (
    FORMATS,
    KernelShape,
    RelativeError,
    format_network,
)
from tnconv.factor.choose import choose
from tnconv.factor.decompose import question_of
from tnconv.factor.question import Question
from tnconv.factor.rank import Cost, Ranks
from tnconv_backends.torch.compress.layers import kernel_shape
from tnconv_backends.torch.compress.survey import Seen

#: shares of the squared error at which ranks are tried, from little error to much
LEVELS = tuple(1 / (1 + exp(7 - 10.5 * j / 23)) for j in range(24))
#: ranks tried where each takes a fit, as shares of the largest
TRIALS = tuple(2 ** (-j / 2) for j in range(1, 9))


@dataclass(frozen=True)
class Costs:
    """What a layer costs: entries, multiply-adds for an example, predicted seconds.

    The latter two are None where its calls were not seen.
    """

    params: int
    macs: float | None = None
    seconds: float | None = None

    def of(self, what: Cost) -> float:
        """One of them, which is known."""
        found = {"params": self.params, "macs": self.macs, "seconds": self.seconds}
        value = found[what]
        assert value is not None
        return value


@dataclass(frozen=True)
class Option:
    """A way for a layer to be; ``error`` is the squared relative error expected.

    ``format`` is None for the dense layer.
    """

    format: str | None
    ranks: Ranks
    params: int
    error: float


class Pricing:
    """What a layer costs dense and factorized; seconds are planned once each."""

    def __init__(self, layer: nn.Module, seen: Seen | None) -> None:
        own: Any = layer
        self.weight = own.weight
        self.shape = kernel_shape(layer)
        self.seen = seen
        self.shape_size = prod(self.shape.shape)
        self._seconds: dict[tuple[str | None, Ranks], float] = {}

    def costs(self, format: str | None, ranks: Ranks = ()) -> Costs:
        """All that is known."""
        params = int(self.cost("params", format, ranks))
        if self.seen is None:
            return Costs(params)
        macs = self.cost("macs", format, ranks)
        return Costs(params, macs, self.cost("seconds", format, ranks))

    def cost(self, what: Cost, format: str | None, ranks: Ranks = ()) -> float:
        """One cost; of multiply-adds and seconds where calls were seen."""
        network = None
        if format is not None:
            network = format_network(format, self.shape, ranks)
        if what == "params":
            parts = (
                [self.shape.shape] if network is None else network.arguments.values()
            )
            return sum(map(prod, parts))
        assert self.seen is not None
        if what == "macs":
            return self.seen.workload.macs(self.shape, network) * self.seen.repeats
        key = (format, ranks)
        if key not in self._seconds:
            one = self.seen.workload.seconds(self.shape, self.weight.detach(), network)
            self._seconds[key] = one * self.seen.calls
        return self._seconds[key]


def fitting(formats: Sequence[str], shape: KernelShape) -> tuple[str, ...]:
    """The formats that mean something for a kernel; a matrix has one, the SVD."""
    positions = prod(shape.shape[2:])
    if positions == 1:
        return ("svd-out",)
    long = sum(n > 1 for n in shape.shape[2:])
    return tuple(f for f in formats if f != "svd-spatial" or long > 1)


def check_formats(formats: Iterable[str]) -> tuple[str, ...]:
    """Names of known formats; raises ArgumentError for any other."""
    found = (formats,) if isinstance(formats, str) else tuple(formats)
    unknown = [f for f in found if f not in FORMATS]
    if unknown or not found:
        raise ArgumentError(
            f"compress: formats has {', '.join(map(repr, unknown)) or 'nothing'}; give "
            f"some of {', '.join(FORMATS)}"
        )
    return found


def options_of(
    layer: nn.Module, formats: Sequence[str], moments: Any, round_to: int, seed: int
) -> list[Option]:
    """Every format with ranks from little error to much, in fewer parameters."""
    own: Any = layer
    shape = kernel_shape(layer)
    dense = prod(shape.shape)
    found = []
    for format in fitting(formats, shape):
        question = question_of(
            own.weight,
            format,
            groups=shape.groups,
            transposed=shape.transposed,
            covariance=moments,
            round_to=round_to,
            seed=seed,
            sweeps=0,
        )
        for ranks in _ranks(question):
            params = int(question.cost("params", ranks))
            if params < dense:
                found.append(Option(format, ranks, params, _error(question, ranks)))
    return found


def _ranks(question: Question) -> list[Ranks]:
    """Ranks to choose from: by spectra, or where errors take fits a few."""
    least = question.rounded(question.uniform(1))
    if question.square == 0:
        return [least]
    if question.parted:
        levels = (choose(RelativeError(e**0.5), question).ranks for e in LEVELS)
        return list(dict.fromkeys((*levels, least)))
    most = max(question.full)
    trials = (max(1, round(most * share)) for share in TRIALS)
    each = (question.rounded(question.uniform(r)) for r in trials)
    return list(dict.fromkeys((*each, least)))


def _error(question: Question, ranks: Ranks) -> float:
    """The squared relative error to expect, from spectra or from a short fit."""
    if question.square == 0:
        return 0.0
    if question.parted:
        return _left_out(question, ranks)
    return question.error(ranks) ** 2


def _left_out(question: Question, ranks: Ranks) -> float:
    """What all cuts leave out: at most this is the squared error."""
    pairs = zip(question.caps, ranks, strict=True)
    total = sum(question.cuts[bond].left_out(rank) for bond, rank in pairs)
    return min(1.0, total / question.square)
