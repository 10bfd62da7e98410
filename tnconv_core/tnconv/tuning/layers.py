"""Layers as records of a file describe them, and the networks of their operations."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any

from tnconv import networks
from tnconv.errors import ArgumentError, TnconvError
from tnconv.network import Network
from tnconv.options import Options, changed, current
from tnconv.store.reading import BadRecordError, items, truth, whole, words

Ints = tuple[int, ...]

#: what defines a layer; whatever else a record says is not read
NEEDED = ("in_channels", "out_channels", "input_size", "kernel_size")
OPTIONAL = ("stride", "padding", "padding_pairs", "dilation", "output_padding")
MORE = ("groups", "padding_mode", "transposed", "batch", "name", "id")
#: how alike two names are when one is taken for a slip of the pen
ALIKE = 0.85


@dataclass(frozen=True, slots=True)
class Layer:
    """A convolution, or a transposed one, on a batch of inputs; sizes are spatial."""

    name: str
    batch: int
    in_channels: int
    out_channels: int
    input_size: Ints
    kernel_size: Ints
    transposed: bool
    hyper: Mapping[str, Any]

    @property
    def x(self) -> Ints:
        """The shape of the input."""
        return (self.batch, self.in_channels, *self.input_size)

    @property
    def weight(self) -> Ints:
        """The shape of the weight, in PyTorch's order."""
        first, second = self.out_channels, self.in_channels
        if self.transposed:
            first, second = second, first
        return (first, second // self.hyper["groups"], *self.kernel_size)

    @property
    def output(self) -> Ints:
        """The shape of the output."""
        return self._built("").shape

    def network(self, operation: str) -> Network:
        """The network of one of :data:`OPERATIONS`."""
        return OPERATIONS[operation](self)

    def _built(self, suffix: str, *given: Any, **more: Any) -> Network:
        prefix = "conv_transpose" if self.transposed else "conv"
        build = getattr(networks, f"{prefix}{suffix}")
        arguments = given or (self.x, self.weight)
        found: Network = build(*arguments, **more, **self.hyper)
        return found


def _input_vjp(layer: Layer) -> Network:
    given = (layer.weight, layer.output, layer.input_size)
    return layer._built("_input_vjp", *given)


def _weight_vjp(layer: Layer, per_example: bool = False) -> Network:
    given = (layer.x, layer.output, layer.kernel_size)
    return layer._built("_weight_vjp", *given, per_example=per_example)


def _factor(layer: Layer, approximation: str) -> Network:
    kind = "kfac_transpose" if layer.transposed else "kfac"
    build = getattr(networks, f"{kind}_input_factor")
    how = {"approximation": approximation, **layer.hyper}
    found: Network = build(layer.x, layer.kernel_size, **how)
    return found


#: what can be tuned of a layer, by name
OPERATIONS: dict[str, Callable[[Layer], Network]] = {
    "forward": lambda layer: layer._built(""),
    "input-vjp": _input_vjp,
    "weight-vjp": _weight_vjp,
    "per-example": lambda layer: _weight_vjp(layer, per_example=True),
    "kfac-expand": lambda layer: _factor(layer, "expand"),
    "kfac-reduce": lambda layer: _factor(layer, "reduce"),
}
#: what training calls
TRAINING = ("forward", "input-vjp", "weight-vjp")


def aimed(operation: str) -> Options:
    """The options in force, with the share of memory that the public function of an
    operation aims at: plans are kept under both."""
    from tnconv.functions.curvature import TARGETS

    options, kind = current(), operation.removeprefix("kfac-")
    if kind not in TARGETS or options.memory_target is not None:
        return options
    return changed(options, {"memory_target": TARGETS[kind]})


def check_operations(operations: Sequence[str]) -> tuple[str, ...]:
    """The operations, in order and each once; ArgumentError for one that is not
    known.

    >>> check_operations(["forward", "forward"])
    ('forward',)
    """
    for name in operations:
        if name not in OPERATIONS:
            known = ", ".join(OPERATIONS)
            raise ArgumentError(f"tune: operation {name!r} is none of {known}")
    return tuple(dict.fromkeys(operations))


def read_layer(record: Mapping[str, Any], batch: int) -> Layer:
    """The layer that a record describes.

    It has ``in_channels``, ``out_channels``, ``input_size`` and ``kernel_size``, and
    may have what :func:`tnconv.conv` takes beside arrays, ``padding_pairs`` (which
    count before ``padding``), ``transposed``, ``output_padding``, ``batch`` (else the
    one given) and ``name``. Sizes are numbers, or lists of one for each axis. Raises
    ArgumentError where something is missing, misspelled or does not fit.

    >>> layer = read_layer({"in_channels": 3, "out_channels": 8, "input_size": [9, 9],
    ...                     "kernel_size": 3, "padding": 1}, batch=2)
    >>> layer.output
    (2, 8, 9, 9)
    """
    _check_names(record)
    try:
        layer = _layer(record, batch)
        layer.output  # noqa: B018  whether sizes fit is what building tells
    except (BadRecordError, TnconvError) as error:
        raise ArgumentError(f"the layer does not fit: {error}") from error
    return layer


def _check_names(record: Mapping[str, Any]) -> None:
    known = (*NEEDED, *OPTIONAL, *MORE)
    for name in NEEDED:
        if name not in record:
            raise ArgumentError(f"a layer has no {name}")
    for name in set(record) - set(known):
        close = get_close_matches(name, known, 1, ALIKE)
        if close and close[0] not in record:
            raise ArgumentError(f"a layer has {name!r}, which is not {close[0]!r}")


def _layer(record: Mapping[str, Any], batch: int) -> Layer:
    sizes = record["input_size"]
    axes = len(sizes) if isinstance(sizes, list) else 1
    transposed = truth(record.get("transposed", False), "transposed")
    return Layer(
        words(record.get("name", record.get("id", "layer")), "name"),
        whole(record.get("batch", batch), "batch", 1),
        whole(record["in_channels"], "in_channels", 1),
        whole(record["out_channels"], "out_channels", 1),
        _ints(sizes, "input_size", axes),
        _ints(record["kernel_size"], "kernel_size", axes),
        transposed,
        _hyper(record, axes, transposed),
    )


def _hyper(record: Mapping[str, Any], axes: int, transposed: bool) -> dict[str, Any]:
    """Hyper-parameters as builders take them."""
    found: dict[str, Any] = {
        "stride": _ints(record.get("stride", 1), "stride", axes),
        "padding": _padding(record, axes),
        "dilation": _ints(record.get("dilation", 1), "dilation", axes),
        "groups": whole(record.get("groups", 1), "groups", 1),
    }
    if transposed:
        more = record.get("output_padding", 0)
        return found | {"output_padding": _ints(more, "output_padding", axes)}
    mode = words(record.get("padding_mode", "zeros"), "padding_mode")
    return found | {"padding_mode": mode}


def _padding(record: Mapping[str, Any], axes: int) -> Any:
    pairs = record.get("padding_pairs")
    if pairs is None:
        given = record.get("padding", 0)
        return given if isinstance(given, str) else _ints(given, "padding", axes)
    ends = [items(pair, "a pair of padding", 2) for pair in items(pairs, "padding")]
    read = [tuple(whole(n, "padding", -(1 << 48)) for n in pair) for pair in ends]
    even = all(low == high for low, high in read)
    return tuple(low for low, _ in read) if even else tuple(read)


def _ints(value: Any, what: str, axes: int) -> Ints:
    listed = value if isinstance(value, list) else [value] * axes
    return tuple(whole(n, what) for n in items(listed, what, axes))
