"""The public door: a dense weight in, a factorized kernel out."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from math import prod
from typing import Any

from tnconv.errors import ArgumentError
from tnconv.factor.choose import Choice, choose
from tnconv.factor.fit.fit import SWEEPS, Fitted, fit
from tnconv.factor.fit.held import Held, hold
from tnconv.factor.fit.layout import Layout
from tnconv.factor.fit.measure import Metric, metrics_of
from tnconv.factor.fit.spectra import cuts, sides
from tnconv.factor.fit.white import whiten
from tnconv.factor.formats import KernelShape, format_network, rank_caps
from tnconv.factor.kernel import FactorizedKernel, Fit
from tnconv.factor.question import Question
from tnconv.factor.rank import Cost, Rank, Ranks
from tnconv.factor.workload import Workload
from tnconv.network import Network

Array = Any
Covariance = Array | tuple[Array, Array]


def decompose(
    kernel: Array,
    format: str | Network,
    rank: Rank | None = None,
    *,
    groups: int = 1,
    transposed: bool = False,
    covariance: Covariance | None = None,
    round_to: int = 1,
    workload: Workload | None = None,
    seed: int = 0,
) -> FactorizedKernel:
    """Find factors near a dense weight: CP, Tucker, tensor train, SVD, or your own.

    Args:
        kernel: the weight, (out_channels, in_channels/groups, *kernel_size), or
            (in_channels, out_channels/groups, *kernel_size) of a transposed
            convolution; without kernel_size that of a linear layer. Real floats of any
            array library. NumPy, PyTorch and CuPy arrays are fitted where they are, in
            float64; all others are copied to the host once and fitted there.
        format: a name of :data:`tnconv.factor.FORMATS`, or a network of factors whose
            result is the weight.
        rank: an int for all bonds or one for each (of "tucker2" (out, in)), or
            :class:`~tnconv.factor.Fraction`, :class:`~tnconv.factor.Energy`,
            :class:`~tnconv.factor.RelativeError`, :class:`~tnconv.factor.EVBMF`; None
            with a network, which has ranks of its own.
        groups: groups of the layer. Each has factors of its own, of the same ranks.
        transposed: whether the layer is a transposed convolution.
        covariance: second moments of what the layer reads, as
            :func:`tnconv.kfac_input_factor` gives them ("expand"), (groups, features,
            features), or of its channels alone, or a pair whose Kronecker product it
            is, for channels and kernel positions; factors then come near the layer's
            output in the mean instead of the weight. Arrays where the weight is.
        round_to: ranks become multiples of it, as far as there are so many: larger, or
            smaller where there is a budget.
        workload: the calls of the layer, for a Fraction of "macs" or "seconds".
        seed: of all random starts; the same seed gives the same factors.

    Returns:
        Factors of the weight's library, dtype and device, of balanced norms, rounded
        once; ``.fit`` says how near they are and why the ranks are what they are.

    Raises:
        ArgumentError: ranks, shapes or values that do not fit, NaN among them.
        ArrayError: the weight is no array of real floats.

    Source: see :mod:`tnconv.factor.fit.starts` and
    :mod:`tnconv.factor.fit.alternate`; for the covariance Zhang et al., TPAMI 2016.

    >>> import numpy as np
    >>> from tnconv.factor import RelativeError
    >>> weight = np.random.default_rng(0).standard_normal((8, 4, 3, 3))
    >>> kernel = decompose(weight, "tucker2", RelativeError(0.3))
    >>> kernel.ranks, kernel.fit.error < 0.3
    ((8, 4), True)
    """
    held = hold("decompose", "kernel", kernel)
    shape = KernelShape(tuple(kernel.shape), groups, transposed)
    job = _Job(held, shape, format, covariance, seed, workload, _step(round_to))
    if isinstance(format, Network):
        if rank is not None:
            raise ArgumentError(
                f"decompose: rank is {rank!r}, and the network has ranks of its own; "
                "leave rank out, or change the sizes of the network's labels"
            )
        choice = Choice((), "given by the network")
        return job.kernel(format, choice)
    if rank is None:
        raise ArgumentError(
            f"decompose: no rank for {format!r}; give an int, a tuple, or Fraction, "
            "Energy, RelativeError or EVBMF"
        )
    choice = choose(rank, job.question())
    return job.kernel(format_network(format, shape, choice.ranks), choice)


def question_of(
    kernel: Array,
    format: str,
    *,
    groups: int = 1,
    transposed: bool = False,
    covariance: Covariance | None = None,
    round_to: int = 1,
    workload: Workload | None = None,
    seed: int = 0,
    sweeps: int = SWEEPS,
) -> Question:
    """What ranks of a weight are chosen by, with the arguments of :func:`decompose`.

    Errors that take a fit are those after ``sweeps``; with 0, of the short fits that
    starts are compared by. Raises what :func:`decompose` does for the same arguments.
    """
    held = hold("decompose", "kernel", kernel)
    shape = KernelShape(tuple(kernel.shape), groups, transposed)
    step = _step(round_to)
    job = _Job(held, shape, format, covariance, seed, workload, step, sweeps)
    return job.question()


@dataclass(frozen=True)
class _Job:
    """One weight to be fitted."""

    held: Held
    shape: KernelShape
    format: str | Network
    covariance: Covariance | None
    seed: int
    workload: Workload | None
    round_to: int
    sweeps: int = SWEEPS

    def kernel(self, network: Network, choice: Choice) -> FactorizedKernel:
        """The fitted kernel."""
        layout, found = self.fitted(network)
        factors = (self.held.back(f) for f in layout.given(found.factors, self.held.xp))
        named = self.format if isinstance(self.format, str) else network
        kernel = FactorizedKernel.of(
            named,
            self.shape.shape,
            tuple(factors),
            groups=self.shape.groups,
            transposed=self.shape.transposed,
        )
        record = Fit(
            found.error,
            found.output_error,
            found.degeneracy,
            choice.reason,
            choice.remarks,
        )
        return replace(kernel, fit=record)

    def fitted(self, network: Network) -> tuple[Layout, Fitted]:
        """Factors of a network, an axis per label."""
        layout = Layout.of(network)
        weight = layout.spread(self.held.values, self.held.xp)
        metrics, how = self.metrics(layout), {"seed": self.seed, "sweeps": self.sweeps}
        found = fit(self.held, layout, weight, metrics, **how)
        return layout, found

    def metrics(self, layout: Layout) -> tuple[Metric, ...]:
        """What distance is measured by."""
        if self.covariance is None:
            return ()
        return metrics_of(self.held, layout, self.shape, self.covariance)

    def question(self) -> Question:
        """What ranks are chosen by."""
        assert isinstance(self.format, str)
        xp, caps = self.held.xp, rank_caps(self.format, self.shape)
        layout = Layout.of(format_network(self.format, self.shape, 1))
        weight = layout.spread(self.held.values, xp)
        seen = whiten(xp, layout, weight, self.metrics(layout)).weight
        return Question(
            caps,
            layout.is_tree,
            partial(cuts, self.held, layout, seen),
            partial(cuts, self.held, layout, weight),
            partial(sides, self.held, layout, weight),
            float(xp.sum(seen * seen)),
            self.cost,
            self.error,
            self.round_to,
        )

    def error(self, ranks: Ranks) -> float:
        """The relative error of a kernel of some ranks, by a fit."""
        assert isinstance(self.format, str)
        found = self.fitted(format_network(self.format, self.shape, ranks))[1]
        return found.error if found.output_error is None else found.output_error

    def cost(self, of: Cost, ranks: Ranks | None) -> float:
        """What a kernel of some ranks costs, or the dense weight."""
        network = None
        if ranks is not None:
            assert isinstance(self.format, str)
            network = format_network(self.format, self.shape, ranks)
        if of == "params":
            if network is None:
                return prod(self.shape.shape)
            return sum(map(prod, network.arguments.values()))
        if self.workload is None:
            raise ArgumentError(
                f"decompose: a Fraction of {of!r} goes by the layer's calls; give "
                "workload=Workload(input_size, ...)"
            )
        if of == "macs":
            return self.workload.macs(self.shape, network)
        return self.workload.seconds(self.shape, self.held.given, network)


def _step(round_to: Any) -> int:
    kind = type(round_to).__name__
    if kind in ("bool", "bool_") or not hasattr(round_to, "__index__") or round_to < 1:
        raise ArgumentError(
            f"decompose: round_to is {round_to!r}; give an int of at least 1"
        )
    return int(round_to)
