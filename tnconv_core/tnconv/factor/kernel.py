"""A factorized kernel: a little network of factors that stands for a dense weight."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from math import prod
from typing import Any, final

from tnconv.errors import ArgumentError
from tnconv.factor import chain
from tnconv.factor.formats import (
    CUSTOM,
    KernelShape,
    bonds,
    format_network,
    ranks_of,
)
from tnconv.network import Input, Network, SubNetwork
from tnconv.networks.checks import Ints, Shape, Site

Array = Any


@dataclass(frozen=True, slots=True)
class Fit:
    """How a kernel was fitted to a dense weight, before its factors were rounded.

    Attributes:
        error: ``|weight - kernel| / |weight|``, 0 for a zero weight; None where no
            weight was given.
        output_error: the same of what the layer gives, where a covariance of its
            input or examples were given.
        degeneracy: of a CP kernel, the squared norms of its rank-1 terms over that of
            the weight: about 1, or large where terms nearly cancel.
        reason: why the ranks are what they are.
        remarks: what a reader should know, such as bonds with no signal.
    """

    error: float | None
    output_error: float | None = None
    degeneracy: float | None = None
    reason: str = "given"
    remarks: tuple[str, ...] = ()


@final
@dataclass(frozen=True, slots=True, eq=False)
class FactorizedKernel:
    """Factors, and the network that makes a weight of them.

    It is accepted wherever a weight is, and means the array that :meth:`to_dense`
    gives; the planner decides in which order factors and input are contracted.

    Attributes:
        format: a name of :data:`tnconv.factor.FORMATS`, or "custom".
        network: the factors are its arguments, the dense weight its result.
        factors: arrays of one library, dtype and device, in the network's order.
        groups: the groups of the layer.
        transposed: whether the weight is that of a transposed convolution, stored
            (in_channels, out_channels/groups, *kernel_size).
        fit: how near it is to the weight it was fitted to, if it was.

    Raises:
        ArgumentError: factors do not have the shapes that the network reads.
        ArrayError: libraries, dtypes or devices of the factors differ.

    >>> import numpy as np
    >>> kernel = FactorizedKernel.of(
    ...     "svd-out", (4, 3, 5), (np.ones((4, 2)), np.ones((2, 3, 5))))
    >>> kernel
    FactorizedKernel(svd-out, shape (4, 3, 5), ranks (2,), 38 parameters for 60)
    >>> kernel.to_dense()[0, 0, 0]
    np.float64(2.0)
    """

    format: str
    network: Network
    factors: tuple[Array, ...] = field(repr=False)
    groups: int = 1
    transposed: bool = False
    fit: Fit | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        from tnconv.execution.expression import places_of

        KernelShape(self.network.shape, self.groups, self.transposed)
        wanted = self.network.arguments
        if len(self.factors) != len(wanted):
            raise ArgumentError(
                f"factorized kernel: {self.format} has {len(wanted)} factors "
                f"({', '.join(wanted)}), got {len(self.factors)}"
            )
        places_of("factorized kernel", self.factors, tuple(wanted))
        for (name, shape), factor in zip(wanted.items(), self.factors, strict=True):
            if tuple(factor.shape) != shape:
                raise ArgumentError(
                    f"factorized kernel: factor {name!r} has shape "
                    f"{tuple(factor.shape)}; in a weight of shape {self.shape} with "
                    f"ranks {self.ranks} ({self.format}) it has {shape}"
                )

    @classmethod
    def of(
        cls,
        format: str | Network,
        shape: Sequence[int],
        factors: Sequence[Array],
        *,
        groups: int = 1,
        transposed: bool = False,
    ) -> FactorizedKernel:
        """A kernel from its factors; the ranks are read off their shapes.

        Args:
            format: a name of :data:`tnconv.factor.FORMATS` (the table there says what
                axes every factor has), or a network that gives the dense weight.
            shape: the dense weight's, (out_channels, in_channels/groups,
                *kernel_size), or (in_channels, out_channels/groups, *kernel_size).
            factors: arrays, in the order of the format.
            groups: the groups of the layer; then every factor has them as first axis.
            transposed: whether the layer is a transposed convolution.

        Raises:
            ArgumentError: an unknown format, ranks above their caps, or shapes that do
                not agree.
            ArrayError: libraries, dtypes or devices of the factors differ.
        """
        kernel = KernelShape(tuple(shape), groups, transposed)
        if isinstance(format, Network):
            _check_network(format, kernel)
            return cls(CUSTOM, format, tuple(factors), groups, transposed)
        ranks = ranks_of(format, kernel, factors)
        network = format_network(format, kernel, ranks)
        return cls(format, network, tuple(factors), groups, transposed)

    @property
    def shape(self) -> Shape:
        """The shape of the dense weight."""
        return self.network.shape

    @property
    def kernel_shape(self) -> KernelShape:
        """The shape with what its axes are."""
        return KernelShape(self.shape, self.groups, self.transposed)

    @property
    def ranks(self) -> tuple[int, ...]:
        """The sizes of the bonds, in the order in which factors name them; of
        ``tucker2`` (out, in)."""
        return tuple(self.network.sizes[bond] for bond in bonds(self.network))

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the factors."""
        return tuple(self.network.arguments)

    @property
    def dtype(self) -> Any:
        """The dtype of all factors."""
        return self.factors[0].dtype

    @property
    def device(self) -> Any:
        """The device of all factors."""
        return self.factors[0].device

    @property
    def error(self) -> float | None:
        """The relative error of the fit, None where it is not known."""
        return None if self.fit is None else self.fit.error

    @property
    def parameters(self) -> int:
        """The number of entries of all factors."""
        return sum(map(prod, self.network.arguments.values()))

    def macs(self, output_size: Ints, input_size: Ints | None = None) -> int:
        """Multiply-adds of the textbook chain for one example.

        Args:
            output_size: spatial size of the layer's output, an int or one per axis.
            input_size: that of its input; as the output's where it is not given.

        Raises:
            ArgumentError: sizes do not fit, or the network is no chain of factors.

        Source: the usual count, multiply-adds of one layer per factor (Kim et al.,
        ICLR 2016, for Tucker-2).
        """
        site = Site.of("macs", weight=self.shape)
        axes = len(self.shape) - 2
        out = site.per_axis("output_size", output_size, axes, 1)
        given = output_size if input_size is None else input_size
        into = site.per_axis("input_size", given, axes, 1)
        return chain.macs(
            self.network, out, into, groups=self.groups, transposed=self.transposed
        )

    def to_dense(self) -> Array:
        """The weight as one array of the factors' library."""
        from tnconv.functions.contract import contract

        return contract(self.network, *self.factors)

    def error_to(self, dense: Array) -> float:
        """How far this is from a dense weight: ``|dense - self| / |dense|``.

        Norms are Euclidean; of a zero weight the error is 0 or infinite. Raises
        ArgumentError where the shape of ``dense`` is another.
        """
        if tuple(dense.shape) != self.shape:
            raise ArgumentError(
                f"error_to: dense has shape {tuple(dense.shape)}, the factorized "
                f"kernel {self.shape}"
            )
        away, whole = _norm(dense - self.to_dense()), _norm(dense)
        if whole == 0:
            return 0.0 if away == 0 else float("inf")
        return away / whole

    def with_factors(self, factors: Sequence[Array]) -> FactorizedKernel:
        """The same network with other factors, of any library."""
        return replace(self, factors=tuple(factors), fit=None)

    def spec(self) -> dict[str, Any]:
        """All but the factors, as values that JSON knows."""
        from tnconv.factor.spec import to_spec

        return to_spec(self)

    @classmethod
    def from_spec(
        cls, spec: Mapping[str, Any], arrays: Mapping[str, Array]
    ) -> FactorizedKernel:
        """A kernel from :meth:`spec` and its factors by name; neither is trusted.

        Raises ArgumentError for a spec that is foreign, newer or out of range, and for
        arrays that are missing, unknown or of other shapes.

        >>> import numpy as np
        >>> a, b = np.ones((4, 2)), np.ones((2, 3, 5))
        >>> kernel = FactorizedKernel.of("svd-out", (4, 3, 5), (a, b))
        >>> again = FactorizedKernel.from_spec(kernel.spec(), kernel.arrays())
        >>> again.network == kernel.network
        True
        """
        from tnconv.factor.spec import of_spec

        return of_spec(spec, arrays)

    def arrays(self) -> dict[str, Array]:
        """The factors by name."""
        return dict(zip(self.names, self.factors, strict=True))

    def __repr__(self) -> str:
        more = f", {self.groups} groups" if self.groups > 1 else ""
        more += ", transposed" if self.transposed else ""
        return (
            f"FactorizedKernel({self.format}, shape {self.shape}, ranks {self.ranks}"
            f"{more}, {self.parameters} parameters for {prod(self.shape)})"
        )


def _check_network(network: Network, kernel: KernelShape) -> None:
    if network.shape != kernel.shape:
        raise ArgumentError(
            f"factorized kernel: the network gives shape {network.shape}, the weight "
            f"has {kernel.shape}"
        )
    if any(isinstance(op, SubNetwork) for op in network.operands):
        raise ArgumentError("factorized kernel: a factor is a network itself")
    often = [op.name for op in network.operands if isinstance(op, Input)]
    if not often or len(set(often)) != len(often):
        raise ArgumentError(
            "factorized kernel: the network must read arrays, each of them once; it "
            f"reads {', '.join(often) or 'none'}"
        )


def _norm(array: Array) -> float:
    from array_api_compat import array_namespace

    xp = array_namespace(array)
    if hasattr(array, "detach"):  # a number, and no part of a graph
        array = array.detach()
    size = xp.abs(array)
    if size.dtype.itemsize < 4 or xp.isdtype(size.dtype, "integral"):
        size = xp.astype(size, xp.float32)
    total: float = float(xp.sum(size * size))
    return float(total**0.5)
