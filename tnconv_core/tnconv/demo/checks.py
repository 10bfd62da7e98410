"""The checks of the demo: one network, and one result that three ways agree on."""

from __future__ import annotations

from typing import Any

import numpy as np

import tnconv
from tnconv.demo import loops
from tnconv.demo.build import BANK, BLUR, LAYERS, POOL
from tnconv.demo.filters import Array, Kernels
from tnconv.network import Input, Network, Pattern
from tnconv.planning.plan import Plan

#: of the largest value; float32 sums of some ten thousand products
TOLERANCE = 1e-5
CROP = 6


class CheckFailed(Exception):
    """A check of the demo failed; the message says which and by how much."""


def one_network(network: Network) -> None:
    """Refuse a network whose layers were not joined into a flat one."""
    kinds = [type(operand) for operand in network.operands]
    expected = len(LAYERS) * 2  # patterns: one per layer and spatial axis
    inputs = len(LAYERS) + 2  # weights, the photograph, one more factor of a kernel
    if kinds.count(Pattern) != expected or kinds.count(Input) != inputs:
        raise CheckFailed(f"the layers are not one network: {network}")
    if len(kinds) != expected + inputs:
        raise CheckFailed(
            f"the network has operands beside arrays and patterns: {network}"
        )


def one_plan(network: Network, plan: Plan) -> None:
    """Refuse a plan that does not contract the whole network in one path."""
    operands = len(plan.network.operands)
    touched = {number for step in plan.path() for number in step}
    if not touched >= set(range(operands)):
        raise CheckFailed(f"the plan leaves operands out: {plan.path()}")
    results = range(operands, operands + len(plan.steps) - 1)
    if not touched >= set(results):  # all results but the last go into another step
        raise CheckFailed(f"the plan falls into parts: {plan.path()}")
    if set(plan.network.arguments) != set(network.arguments):
        raise CheckFailed(f"the plan reads other arrays: {plan.network}")


def layer_by_layer(photo: Any, weights: dict[str, Any]) -> dict[str, Any]:
    """The result after every layer, each a convolution of its own."""
    results: dict[str, Any] = {}
    x = photo
    for layer in (BLUR, BANK, POOL):
        x = tnconv.conv(x, weights[layer.weight], **layer.hyper)
        results[layer.weight] = x
    return results


def agree(what: str, found: Array, expected: Array) -> float:
    """The largest difference, relative to the largest value; raises past tolerance."""
    if found.shape != expected.shape:
        raise CheckFailed(f"{what}: shape {found.shape}, expected {expected.shape}")
    scale = max(float(np.abs(expected).max()), 1e-12)
    error = float(np.abs(found - expected).max()) / scale
    if not error <= TOLERANCE:  # a NaN fails too
        raise CheckFailed(
            f"{what}: a difference of {error:.1e} of the largest value "
            f"(allowed: {TOLERANCE:.0e})"
        )
    return error


def agree_with_loops(result: Array, photo: Array, kernels: Kernels) -> float:
    """Compare a corner and the middle of the result with plain loops."""
    channels, height, width = result.shape
    worst = 0.0
    for top, left in ((0, 0), ((height - CROP) // 2, (width - CROP) // 2)):
        rows, columns = range(top, top + CROP), range(left, left + CROP)
        values = loops.crop(photo, kernels, rows, columns)
        expected = np.asarray(values).reshape(channels, CROP, CROP)
        found = result[:, top : top + CROP, left : left + CROP]
        worst = max(worst, agree("plain loops on a crop", found, expected))
    return worst
