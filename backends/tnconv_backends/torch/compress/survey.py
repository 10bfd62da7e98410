"""What a model does on some batches: sizes, second moments, and odd uses of weights."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from math import prod
from typing import Any

import torch
from torch import nn
from torch.overrides import TorchFunctionMode

from tnconv.errors import ArgumentError
from tnconv.factor import Workload
from tnconv.functions.curvature import kfac_input_factor
from tnconv_backends.torch.layers import Call, wide

Tensor = torch.Tensor
Batch = Any
Run = Callable[[nn.Module, Batch], Any]

#: second moments, or those of channels and of kernel positions
Moments = tuple[Tensor, ...]
#: features up to which second moments are of all of them at once
FEATURES = 4096
#: the share of the moments of positions in a pair; the others are the identity's
TOGETHER = 0.2


@dataclass
class Seen:
    """The calls of a layer: of what sizes, how often for a batch, on what moments.

    ``repeats`` is how many times the layer runs for an example, positions of a linear
    layer included; ``moments`` are sums over all inputs.
    """

    workload: Workload
    calls: int
    repeats: float
    moments: Moments | None = None

    @property
    def covariance(self) -> Tensor | tuple[Tensor, Tensor] | None:
        """What :func:`tnconv.decompose` takes."""
        if self.moments is None:
            return None
        if len(self.moments) == 1:
            return self.moments[0]
        channels, positions = self.moments
        return channels, _whiter(positions)


@dataclass
class Survey:
    """What was seen of every layer, and which weights are used outside their layer."""

    seen: dict[str, Seen] = field(default_factory=dict)
    elsewhere: set[str] = field(default_factory=set)


def default_run(model: nn.Module, batch: Batch) -> Any:
    """A tensor is the model's input, and so is the first entry of a tuple or list."""
    if isinstance(batch, (tuple, list)) and batch:
        batch = batch[0]
    if not isinstance(batch, Tensor):
        raise ArgumentError(
            f"compress: a batch is a {type(batch).__name__}; give tensors, tuples that "
            "begin with the input, or run=, a function of (model, batch)"
        )
    return model(batch)


@contextmanager
def evaluating(model: nn.Module) -> Iterator[None]:
    """A model in eval mode; afterwards the mode of each module is what it was."""
    modes = {module: module.training for module in model.modules()}
    model.eval()
    try:
        yield
    finally:
        for module, training in modes.items():
            module.training = training


def survey(
    model: nn.Module,
    layers: Mapping[str, nn.Module],
    batches: Iterable[Batch],
    *,
    run: Run = default_run,
    moments: bool = False,
    tick: Callable[[], None] = lambda: None,
) -> Survey:
    """Run a model on batches, without gradients and in eval mode, and watch its layers.

    The first batch is looked at for sizes, all of them for moments. Modes of modules
    are as they were afterwards. Raises ArgumentError where there is no batch.
    """
    found = Survey()
    batch = None
    with ExitStack() as stack:
        stack.enter_context(evaluating(model))
        stack.enter_context(torch.no_grad())
        watch = stack.enter_context(_Weights(layers, found.elsewhere))
        for name, module in layers.items():
            for handle in watch.hooks(name, module, _noting(found, name, moments)):
                stack.callback(handle.remove)
        for batch in batches:
            run(model, batch)
            watch.first = False
            tick()
    if batch is None:
        raise ArgumentError("compress: data holds no batch; give at least one")
    return found


def _noting(found: Survey, name: str, moments: bool) -> Callable[..., None]:
    def note(module: Any, x: Tensor, output: Tensor, first: bool) -> None:
        call = Call(name, module, x, tuple(output.shape))
        if first:
            _note_sizes(found.seen, call)
        if moments and name in found.seen:
            seen = found.seen[name]
            seen.moments = _sum(seen.moments, _moments(call))

    return note


def _note_sizes(seen: dict[str, Seen], call: Call) -> None:
    """Sizes of a layer's first call; a later one counts as the same again."""
    linear = isinstance(call.module, nn.Linear)
    rows = prod(call.x.shape[:-1]) if linear else call.examples
    repeats = rows / call.examples if linear else 1.0
    if call.name in seen:
        seen[call.name].calls += 1
        seen[call.name].repeats += repeats
        return
    drop = ("kernel_size", "groups")
    hyper = {} if linear else {k: v for k, v in call.hyper().items() if k not in drop}
    axes = 0 if linear else len(call.module.kernel_size)
    size = tuple(call.x.shape[call.x.ndim - axes :])
    seen[call.name] = Seen(Workload(size, rows, hyper), 1, repeats)


def _moments(call: Call) -> Moments:
    """Second moments of what the layer reads: (groups, features, features).

    Where there are many features, of channels and of positions, a pair.
    """
    module = call.module
    kernel = () if isinstance(module, nn.Linear) else module.kernel_size
    x = call.channels_first(wide(call.x))
    inner = x.shape[1 if call.batched else 0] // call.groups
    how: dict[str, Any] = {"approximation": "expand", "normalization": "none"}
    if inner * prod(kernel) <= FEATURES:
        return (call.input_factor(**how),)
    ones = (1,) * max(1, len(kernel))
    channels: Tensor = kfac_input_factor(x, ones, groups=call.groups, **how)
    if prod(kernel) == 1:
        return (channels,)
    axes = x.shape[x.ndim - len(kernel) :]
    rows = x.reshape(-1, call.groups, inner, *axes).transpose(1, 2)
    alone = replace(call, x=rows.reshape(-1, call.groups, *axes))
    return channels, alone.input_factor(**how)


def _whiter(positions: Tensor) -> Tensor:
    """Second moments of positions, mostly as if these did not go together.

    Each channel has neighbors of its own kind, and a product with the channels' moments
    takes all of them for alike.
    """
    mean = positions.diagonal(dim1=-2, dim2=-1).mean(-1)[:, None, None]
    one = torch.eye(positions.shape[-1]).to(positions)
    return TOGETHER * positions + (1 - TOGETHER) * mean * one


def _sum(first: Moments | None, second: Moments) -> Moments:
    if first is None:
        return second
    return tuple(a + b for a, b in zip(first, second, strict=True))


class _Weights(TorchFunctionMode):
    """Sees weights that are used while their layer does not run."""

    def __init__(self, layers: Mapping[str, nn.Module], found: set[str]) -> None:
        super().__init__()
        self.names = {id(_weight(module)): name for name, module in layers.items()}
        self.found = found
        self.active: list[str] = []
        self.first = True

    def __torch_function__(
        self, func: Any, types: Any, args: Sequence[Any] = (), kwargs: Any = None
    ) -> Any:
        reads = getattr(func, "__name__", "") != "__get__" or func in _VIEWS
        if reads and self.first:
            for value in (*args, *(kwargs or {}).values()):
                name = self.names.get(id(value))
                if name is not None and name not in self.active:
                    self.found.add(name)
        return func(*args, **(kwargs or {}))

    def hooks(self, name: str, module: Any, note: Callable[..., None]) -> list[Any]:
        """Hooks that know when a layer runs, and tell what it was called with."""

        def before(module: Any, args: Any) -> None:
            self.active.append(name)

        def after(module: Any, args: Any, kwargs: Any, output: Any) -> None:
            x = args[0] if args else kwargs["input"]
            note(module, x, output, self.first)
            self.active.remove(name)

        return [
            module.register_forward_pre_hook(before),
            module.register_forward_hook(after, with_kwargs=True),
        ]


def _weight(module: Any) -> Any:
    return module.weight


#: attributes of a weight that are the weight again
_VIEWS = {
    getattr(getattr(Tensor, name), "__get__", None) for name in ("T", "mT", "data")
}
