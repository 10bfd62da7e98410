"""Every convolution of real networks against PyTorch: forward, VJPs, KFAC factors.

The layers are scaled down (channels, spatial sizes); the sweep runs them at full size.
"""

import math
from typing import Any

import numpy as np
import pytest
from benchmarks.layers import records
from tests.libraries import NUMPY, TORCH, Library

from tnconv import functions

torch = pytest.importorskip("torch")

LAYERS = list(records())
LARGEST = {1: 64, 2: 12, 3: 6}
CHANNELS = 6
FULL_MACS = 2_000_000_000  # per example; larger layers stay scaled down in the sweep

by_layer = pytest.mark.parametrize("layer", LAYERS, ids=lambda layer: layer["id"])
by_library = pytest.mark.parametrize(
    "library", (NUMPY, TORCH), ids=lambda lib: lib.name
)


def scaled(layer: dict[str, Any]) -> dict[str, Any]:
    """The layer with fewer channels and smaller maps, everything else as it is."""
    into, out, groups = layer["in_channels"], layer["out_channels"], layer["groups"]
    if groups > 1:
        few = min(groups, 3)
        into, out, groups = (
            few * min(into // groups, 2),
            few * min(out // groups, 2),
            few,
        )
    else:
        into, out = min(into, CHANNELS), min(out, CHANNELS)
    spatial = []
    for size, kernel, stride, dilation, pair in zip(
        *(layer[k] for k in ("input_size", "kernel_size", "stride", "dilation")),
        layer["padding_pairs"],
        strict=True,
    ):
        reach = dilation * (kernel - 1) + 1
        least = reach - sum(pair) + 2 * stride if not layer["transposed"] else 3
        remainder = (size + sum(pair) - reach) % stride if stride > 1 else 0
        least += (remainder - (least + sum(pair) - reach)) % stride
        spatial.append(min(size, max(least, LARGEST[layer["N"]] // stride)))
    return {
        **layer,
        "in_channels": into,
        "out_channels": out,
        "groups": groups,
        "input_size": spatial,
    }


def hyper(layer: dict[str, Any]) -> dict[str, Any]:
    """The keywords of a layer for the public functions."""
    known: dict[str, Any] = {
        "stride": tuple(layer["stride"]),
        "padding": tuple(map(tuple, layer["padding_pairs"])),
        "dilation": tuple(layer["dilation"]),
        "groups": layer["groups"],
    }
    if layer["transposed"]:
        known["output_padding"] = tuple(layer["output_padding"])
    return known


def shapes(layer: dict[str, Any], batch: int) -> tuple[tuple[int, ...], ...]:
    """The shapes of input and weight."""
    into, out = layer["in_channels"], layer["out_channels"]
    first, second = (into, out) if layer["transposed"] else (out, into)
    x = (batch, into, *layer["input_size"])
    return x, (first, second // layer["groups"], *layer["kernel_size"])


def peer(layer: dict[str, Any], x: Any, weight: Any) -> Any:
    """PyTorch's own layer."""
    known = {k: v for k, v in hyper(layer).items() if k != "padding"}
    if layer["transposed"]:
        run = getattr(torch.nn.functional, f"conv_transpose{layer['N']}d")
        symmetric = tuple(low for low, _ in layer["padding_pairs"])
        return run(x, weight, padding=symmetric, **known)
    ends = [end for pair in reversed(layer["padding_pairs"]) for end in pair]
    padded = torch.nn.functional.pad(x, ends)
    return getattr(torch.nn.functional, f"conv{layer['N']}d")(padded, weight, **known)


def check(layer: dict[str, Any], library: Library, dtype: str, limit: float) -> None:
    """Forward, input VJP and weight VJP of one layer against PyTorch's autograd."""
    generator = torch.Generator().manual_seed(0)
    wide = getattr(torch, dtype)
    x, weight = (
        torch.randn(shape, generator=generator, dtype=wide).requires_grad_()
        for shape in shapes(layer, 2)
    )
    out = peer(layer, x, weight)
    cotangent = torch.randn(out.shape, generator=generator, dtype=wide)
    x_vjp, weight_vjp = torch.autograd.grad(out, (x, weight), cotangent)
    ours = [library.array(t.detach().numpy(), dtype) for t in (x, weight, cotangent)]
    prefix = "conv_transpose" if layer["transposed"] else "conv"
    kernel, sizes = tuple(layer["kernel_size"]), tuple(layer["input_size"])
    known = hyper(layer)
    results = {
        "forward": (getattr(functions, prefix)(ours[0], ours[1], **known), out),
        "input VJP": (
            getattr(functions, f"{prefix}_input_vjp")(ours[1], ours[2], sizes, **known),
            x_vjp,
        ),
        "weight VJP": (
            getattr(functions, f"{prefix}_weight_vjp")(
                ours[0], ours[2], kernel, **known
            ),
            weight_vjp,
        ),
    }
    for what, (found, expected) in results.items():
        want = expected.detach().numpy()
        scale = max(1.0, float(np.abs(want).max()))
        np.testing.assert_allclose(
            library.values(found), want, rtol=0, atol=limit * scale, err_msg=what
        )


@by_library
@by_layer
def test_scaled_layer(layer: dict[str, Any], library: Library) -> None:
    check(scaled(layer), library, "float64", 1e-12)


@pytest.mark.sweep
@by_library
@by_layer
def test_full_layer(layer: dict[str, Any], library: Library) -> None:
    full = layer if layer["macs"] <= FULL_MACS else scaled(layer)
    check(full, library, "float32", 1e-4)


def unfolded(layer: dict[str, Any], x: Any) -> Any:
    """PyTorch's unfolded input: batch, groups, channels and kernel, positions."""
    axes = layer["N"]
    ends = [end for pair in reversed(layer["padding_pairs"]) for end in pair]
    x = torch.nn.functional.pad(x, ends)
    for axis, (kernel, stride, dilation) in enumerate(
        zip(layer["kernel_size"], layer["stride"], layer["dilation"], strict=True)
    ):
        x = x.unfold(2 + axis, dilation * (kernel - 1) + 1, stride)[..., ::dilation]
    spatial = range(2, 2 + axes)
    x = x.permute(0, 1, *range(2 + axes, 2 + 2 * axes), *spatial)
    inner = x.shape[1] // layer["groups"] * math.prod(layer["kernel_size"])
    positions = math.prod(x.shape[2 + axes :])
    return x.reshape(x.shape[0], layer["groups"], inner, positions)


def check_factors(
    layer: dict[str, Any], library: Library, dtype: str, limit: float
) -> None:
    """KFAC-expand and KFAC-reduce of one layer against the unfolded input."""
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(shapes(layer, 2)[0], generator=generator, dtype=torch.float64)
    columns = unfolded(layer, x)
    means = columns.mean(-1, keepdim=True)
    given, kernel = library.array(x.numpy(), dtype), tuple(layer["kernel_size"])
    for approximation, over, a in (
        ("expand", "batch", columns),
        ("reduce", "both", means),
    ):
        want = torch.einsum("ngao,ngbo->gab", a, a).numpy() / 2
        known = {"approximation": approximation, "normalization": over, **hyper(layer)}
        found = functions.kfac_input_factor(given, kernel, **known)
        scale = float(np.abs(want).max())
        np.testing.assert_allclose(
            library.values(found), want, rtol=0, atol=limit * scale
        )


CONVOLUTIONS = [layer for layer in LAYERS if not layer["transposed"]]
by_convolution = pytest.mark.parametrize(
    "layer", CONVOLUTIONS, ids=lambda layer: layer["id"]
)
LARGEST_FACTOR = 2_500  # rows of one block; larger layers stay scaled down


@by_library
@by_convolution
def test_factors_of_scaled_layer(layer: dict[str, Any], library: Library) -> None:
    check_factors(scaled(layer), library, "float64", 1e-12)


@pytest.mark.sweep
@by_library
@by_convolution
def test_factors_of_full_layer(layer: dict[str, Any], library: Library) -> None:
    rows = math.prod(layer["weight_shape"][1:])
    small = rows <= LARGEST_FACTOR and layer["macs"] <= FULL_MACS // 2
    check_factors(layer if small else scaled(layer), library, "float32", 1e-5)


def test_scaling_keeps_what_makes_a_layer() -> None:
    assert len(LAYERS) > 200
    for layer in LAYERS:
        small = scaled(layer)
        for key in ("kernel_size", "stride", "dilation", "padding_pairs", "transposed"):
            assert small[key] == layer[key]
        assert (small["groups"] > 1) == (layer["groups"] > 1)
