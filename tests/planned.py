"""Networks to plan, arrays for them, odd prices, and plans run on a backend."""

from __future__ import annotations

from dataclasses import replace
from random import Random
from typing import Any

import numpy as np
import pytest

import tnconv
from tnconv import networks
from tnconv.edits import pair, rename_inputs, without_conjugates
from tnconv.edits import replace as put
from tnconv.execution.registry import backend
from tnconv.network import Network
from tnconv.planning.constants import nearest
from tnconv.planning.device import cpu
from tnconv.planning.machine import Machine
from tnconv.planning.planner import Planned
from tnconv.rewrite import simplify

NUMPY, TORCH = MACHINES = (nearest("numpy", cpu(2)), nearest("torch", cpu(2)))

CASES = {
    "forward": networks.conv((2, 4, 7, 6), (6, 2, 3, 2), padding=1, groups=2),
    "strided": networks.conv((2, 3, 9), (4, 3, 3), stride=2, padding=(1,), dilation=2),
    "asymmetric": networks.conv((2, 2, 6), (3, 2, 4), padding=((3, -1),), stride=3),
    "reflect": networks.conv((2, 2, 6), (3, 2, 3), padding=2, padding_mode="reflect"),
    "input": networks.conv_input_vjp((4, 2, 3, 3), (2, 4, 3, 4), (6, 8), stride=2,
                                     padding=1),
    "weight": networks.conv_weight_vjp((2, 4, 6, 5), (2, 4, 6, 5), (3, 3), padding=1,
                                       groups=4),
    "per example": networks.conv_weight_vjp((3, 2, 8), (3, 4, 4), (3,), stride=2,
                                            padding=1, per_example=True),
    "circular": networks.conv_input_vjp((4, 2, 3), (2, 4, 5), (5,), padding=1,
                                        padding_mode="circular"),
    "transposed": networks.conv_transpose((2, 4, 5), (4, 3, 3), stride=2, padding=1,
                                          output_padding=1),
    "factor": without_conjugates(networks.kfac_input_factor(
        (2, 4, 7), (3,), padding=1, groups=2, normalization="none")),
    "unfold": networks.unfold((2, 3, 5, 4), (2, 3), padding=1),
    "fold": networks.fold((2, 12, 9), (5, 4), (2, 2), stride=2, padding=1),
    "window sums": tnconv.parse("x: n c i, i ~ 2 o + 3 k - 1 -> n c o",
                                shapes={"x": (2, 3, 300)}, sizes={"k": 40, "o": 90}),
}  # fmt: skip


def arrays_for(network: Network, seed: int = 0) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(seed)
    shapes = network.arguments.items()
    return {n: np.asarray(rng.integers(-3, 4, s) * 1.0) for n, s in shapes}


def scrambled(machine: Machine, random: Random) -> Machine:
    """Prices drawn over six decades, so that odd plans are chosen."""

    def odd(value: float) -> float:
        return float(value * 10 ** random.uniform(-3, 3))

    names = ("call", "gemm", "multiply", "copy", "gaps", "strided_sum", "add", "mirror",
             "fft", "cumulative")  # fmt: skip
    native = {
        key: replace(rate, rate=odd(rate.rate)) for key, rate in machine.native.items()
    }
    changes: dict[str, Any] = {name: odd(getattr(machine, name)) for name in names}
    return replace(machine, native=native, **changes)


def run_planned(
    name: str, planned: Planned, arrays: dict[str, np.ndarray]
) -> np.ndarray:
    if name == "torch":
        torch = pytest.importorskip("torch")
        given = [torch.from_numpy(arrays[n]) for n in planned.network.arguments]
        place = backend("torch").place(given[0])
    else:
        given = [arrays[n] for n in planned.network.arguments]
        place = backend(name).place(given[0])
    return np.asarray(backend(name).compile(planned.program, place)(given))


def gram(size: int) -> Network:
    """Windows times windows: the matrix of all pairs of kernel positions."""
    unfolded = tnconv.parse(
        "x: n c i, i ~ o + k -> n c k o", shapes={"x": (2, 3, size)}, sizes={"k": 3}
    )
    return pair(unfolded, shared=("n", "o"), output=("c", "k", "c'", "k'"))


def layers(count: int, size: int = 10) -> Network:
    """Layers in a row, as one network."""
    network: Network | None = None
    shape: tuple[int, ...] = (2, 3, size)
    for layer in range(count):
        weight = (4, shape[1], 3)
        step = networks.conv(shape, weight, padding=1, stride=1 + layer % 2)
        step = rename_inputs(step, {"weight": f"w{layer}"})
        shape = step.shape
        network = step if network is None else put(step, "x", network)
    assert network is not None
    return network


def kfac(approximation: Any) -> Network:
    hyper: dict[str, Any] = {"padding": 1, "approximation": approximation}
    network = networks.kfac_input_factor((8, 64, 28, 28), (3, 3), **hyper)
    return simplify(tnconv.edits.without_conjugates(network)).network


def plane_layers(count: int) -> Network:
    """Two-dimensional layers in a row."""
    network: Network | None = None
    shape: tuple[int, ...] = (8, 16, 32, 32)
    for layer in range(count):
        step = networks.conv(shape, (16, shape[1], 3, 3), padding=1)
        step = rename_inputs(step, {"weight": f"w{layer}"})
        shape = step.shape
        network = step if network is None else put(step, "x", network)
    assert network is not None
    return network
