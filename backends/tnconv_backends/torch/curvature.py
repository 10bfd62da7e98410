"""Kronecker factors of every layer of a model, collected while it is differentiated."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import nn

from tnconv.errors import ArgumentError, MissingDependencyError
from tnconv.functions.curvature import kfac_output_factor
from tnconv.networks.curvature import NORMALIZATIONS, Normalization
from tnconv.networks.unfolded import Approximation, Grouping
from tnconv_backends.torch.layers import Call, supported, wide

Tensor = torch.Tensor


@dataclass(frozen=True, slots=True)
class Factors:
    """The two factors of a layer, (blocks, n, n) each, and the examples they hold."""

    input: Tensor
    output: Tensor
    examples: int


@dataclass(frozen=True, slots=True)
class Conventions:
    """How factors are scaled and what of a layer they are of; as keywords of kfac."""

    approximation: Approximation
    normalization: Normalization
    output_normalization: Normalization
    loss_average: Normalization
    grouping: Grouping
    bias: bool

    def input_factor(self, call: Call) -> Tensor:
        """The factor of a call's input, not divided by its examples."""
        return call.input_factor(
            approximation=self.approximation,
            normalization=_of_positions(self.normalization),
            grouping=self.grouping,
            bias=self.bias and call.module.bias is not None,
        )

    def output_factor(self, call: Call, gradient: Tensor) -> Tensor:
        """The factor of a gradient, as of a loss that is no mean over examples."""
        found: Tensor = kfac_output_factor(
            call.channels_first(wide(gradient)),
            approximation=self.approximation,
            normalization=_of_positions(self.output_normalization),
            loss_average=_of_positions(self.loss_average),
            groups=call.groups if self.grouping == "block" else 1,
            batched=call.batched,
        )
        mean = self.loss_average in ("batch", "both")
        return found * call.examples**2 if mean else found

    def divisors(self, examples: int) -> tuple[int, int]:
        """What sums over all calls are divided by: of the input, of the output."""
        whole = ("batch", "both")
        out = (self.output_normalization in whole) + (self.loss_average in whole)
        return examples if self.normalization in whole else 1, examples**out


@dataclass(slots=True)
class _Sums:
    """What a layer has come to so far."""

    input: Tensor | None = None
    output: Tensor | None = None
    examples: int = 0

    def add_input(self, factor: Tensor, examples: int) -> None:
        self.input = factor if self.input is None else self.input.add_(factor)
        self.examples += examples

    def add_output(self, factor: Tensor) -> None:
        self.output = factor if self.output is None else self.output.add_(factor)


@dataclass(eq=False)
class Collector:
    """What :func:`kfac` yields: the layers, and their factors so far."""

    layers: Mapping[str, nn.Module]
    conventions: Conventions
    tick: Callable[[str], None]
    _sums: dict[nn.Module, _Sums] = field(default_factory=dict)
    _open: bool = True

    def factors(self) -> dict[str, Factors]:
        """The factors of every layer by name, over all backward passes so far.

        Raises ArgumentError, naming them, where layers have seen no backward pass.
        """
        missing = [n for n, module in self.layers.items() if module not in self._sums]
        if missing:
            raise ArgumentError(
                f"kfac: no backward pass came through {', '.join(missing)}; call "
                "backward of a loss that depends on them inside the block, or name the "
                "others with layers="
            )
        found = {n: self._sums[module] for n, module in self.layers.items()}
        return {name: self._scaled(sums) for name, sums in found.items()}

    def _scaled(self, sums: _Sums) -> Factors:
        into, out = self.conventions.divisors(max(1, sums.examples))
        assert sums.input is not None and sums.output is not None
        return Factors(sums.input / into, sums.output / out, sums.examples)

    def watch(self, name: str) -> Callable[..., None]:
        """A forward hook: wait for the gradient of what the layer gave."""

        def hook(
            module: Any, args: tuple[Any, ...], kwargs: dict[str, Any], output: Tensor
        ) -> None:
            if output.requires_grad and self._open:
                x = args[0] if args else kwargs["input"]
                call = Call(name, module, x.detach(), tuple(output.shape))
                output.register_hook(self._collecting(call))  # type: ignore[no-untyped-call]

        return hook

    def _collecting(self, call: Call) -> Callable[[Tensor], None]:
        """A tensor hook; the input counts once, each gradient by itself."""
        version, seen = call.x._version, False

        def collect(gradient: Tensor) -> None:
            nonlocal seen
            if not self._open:
                return
            if call.x._version != version:
                raise ArgumentError(
                    f"kfac: the input of layer {call.name} was changed in place before "
                    "the backward pass; take inplace=True off what follows it"
                )
            with torch.no_grad(), torch.autocast(gradient.device.type, enabled=False):
                output = self.conventions.output_factor(call, gradient.detach())
                sums = self._sums.setdefault(call.module, _Sums())
                if not seen:
                    factor = self.conventions.input_factor(call)
                    sums.add_input(factor, call.examples)
                sums.add_output(output)
            seen = True
            self.tick(call.name)

        return collect

    def close(self) -> None:
        """Collect no more, also from graphs that are alive still."""
        self._open = False


@contextmanager
def kfac(
    model: nn.Module,
    *,
    layers: Iterable[str] | None = None,
    approximation: Approximation = "expand",
    normalization: Normalization = "both",
    output_normalization: Normalization = "none",
    loss_average: Normalization = "none",
    grouping: Grouping = "block",
    bias: bool = True,
    passes: int | None = None,
) -> Iterator[Collector]:
    """Collect the Kronecker factors of a model over the backward passes inside.

    Layers are convolutions and transposed convolutions of 1 to 3 axes, and linear
    layers (all axes between the first and the last are positions). A layer that is
    called several times adds up. Half types are collected in float32; with a gradient
    scaler, divide output factors by the square of its scale.

    Args:
        model: any module; its hooks are gone after the block.
        layers: names as in ``model.named_modules()``; all that are known by default.
        approximation, normalization, grouping: of input factors, as for
            :func:`tnconv.kfac_input_factor`; examples are those of all passes.
        output_normalization, loss_average: of output factors, as ``normalization`` and
            ``loss_average`` of :func:`tnconv.kfac_output_factor`. A mean over the batch
            is one over all passes: of batches of any size, the result is that of one.
        bias: count a layer's bias as a feature of its input (where it has one).
        passes: show a progress bar towards so many backward passes (needs tqdm).

    Yields:
        A :class:`Collector`; ``factors()`` is a dictionary by layer name.

    Raises:
        ArgumentError: no such layers, unknown conventions; on a backward pass, an input
            that was changed in place.
        MissingDependencyError: a progress bar without tqdm.

    Source: Martens and Grosse, *Optimizing neural networks with Kronecker-factored
    approximate curvature*, ICML 2015; see also :func:`tnconv.kfac_input_factor`.

    >>> model = nn.Sequential(nn.Conv2d(3, 8, 3), nn.Flatten(), nn.Linear(32, 10))
    >>> with kfac(model, approximation="reduce") as collector:
    ...     model(torch.ones(5, 3, 4, 4)).logsumexp(1).sum().backward()
    >>> {n: (*f.input.shape, *f.output.shape) for n, f in collector.factors().items()}
    {'0': (1, 28, 28, 1, 8, 8), '2': (1, 33, 33, 1, 10, 10)}
    """
    conventions = Conventions(
        approximation,
        normalization,
        output_normalization,
        loss_average,
        grouping,
        bias,
    )
    _check(conventions)
    chosen = _chosen(model, layers)
    with ExitStack() as stack:
        tick = _progress(stack, passes, len(chosen))
        collector = Collector(chosen, conventions, tick)
        stack.callback(collector.close)
        for name, module in chosen.items():
            handle = module.register_forward_hook(
                collector.watch(name), with_kwargs=True
            )
            stack.callback(handle.remove)
        yield collector


def _check(conventions: Conventions) -> None:
    known = {
        "approximation": ("expand", "reduce"),
        "grouping": ("block", "average"),
        "normalization": NORMALIZATIONS,
        "output_normalization": NORMALIZATIONS,
        "loss_average": NORMALIZATIONS,
    }
    for name, values in known.items():
        value = getattr(conventions, name)
        if value not in values:
            raise ArgumentError(
                f"kfac: {name} is {value!r}; give one of {', '.join(map(repr, values))}"
            )


def _chosen(model: nn.Module, names: Iterable[str] | None) -> dict[str, nn.Module]:
    """The layers to watch, by name; a module that has two names is one layer."""
    known = {n: module for n, module in model.named_modules() if supported(module)}
    if names is None:
        if not known:
            raise ArgumentError(
                "kfac: the model has no convolution and no linear layer; give one that "
                "has"
            )
        return known
    names = list(names)
    if unknown := [name for name in names if name not in known]:
        raise ArgumentError(
            f"kfac: layers names {', '.join(unknown)}, which is no convolution or "
            f"linear layer of the model; it has {', '.join(known)}"
        )
    return {name: known[name] for name in names}


def _progress(
    stack: ExitStack, passes: int | None, layers: int
) -> Callable[[str], None]:
    """What to do as a layer is through: nothing, or move a bar."""
    if passes is None:
        return lambda name: None
    try:
        from tqdm import tqdm
    except ImportError:
        raise MissingDependencyError(
            'kfac: passes shows a progress bar; pip install "tnconv[progress]" for it'
        ) from None
    bar = stack.enter_context(tqdm(total=passes * layers, unit="layer"))

    def tick(name: str) -> None:
        bar.set_postfix_str(name, refresh=False)
        bar.update()

    return tick


def _of_positions(normalization: Normalization) -> Normalization:
    """The part of a normalization that one call knows."""
    return "positions" if normalization in ("positions", "both") else "none"
