"""Native weight gradients along some axes of a map: the others are summed in place."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

import numpy as np
import pytest
from tests.test_forms import planned, run

import tnconv
from tnconv.execution.program import Native, View
from tnconv.network import Network
from tnconv.planning.builder import Builder
from tnconv.planning.forms.native import NATIVE
from tnconv.planning.site import Form, Site, Variant
from tnconv.testing import evaluate

pytest.importorskip("torch")


def gradient(x: str, cotangent: str, stride: int) -> Network:
    """The gradient of a kernel along ``i``; maps have an axis ``h`` besides."""
    sizes = {"n": 3, "c": 4, "h": 5, "i": 9, "d": 2, "o": 9 if stride == 1 else 5}
    shapes = [tuple(sizes[a] for a in labels.split()) for labels in (x, cotangent)]
    text = f"x: {x}, v: {cotangent}, i ~ {stride} o + k - 1 -> d c k"
    return tnconv.parse(text, shapes=shapes, sizes={"k": 3})


def weights(word: str) -> Form:
    """Native calls in the weight role alone, those of whose variants hold a word."""

    def variants(b: Builder, site: Site) -> Iterable[Variant]:
        found = [v for v in NATIVE.variants(b, site) if v[0] == "weight"]
        return [v for v in found if word in v]

    return replace(NATIVE, variants=variants)


@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("order", ["n c h i, n d h o", "n c i h, n d o h"])
def test_an_axis_without_a_kernel_stays_in_the_map(order: str, stride: int) -> None:
    """One call reads both arrays as they lie."""
    x, cotangent = order.split(", ")
    network = gradient(x, cotangent, stride)
    found = planned(network, "torch", {"native": weights("beside")})
    (step,) = [s for s in found.program.steps if isinstance(s, Native)]
    assert step.convolution.role == "weight"
    assert sorted(step.convolution.kernel) == [1, 3]
    assert not any(isinstance(s, View) and s.copy for s in found.program.steps)
    rng = np.random.default_rng(0)
    shapes = network.arguments.items()
    arrays = {name: np.asarray(rng.integers(-3, 4, s) * 1.0) for name, s in shapes}
    assert np.array_equal(run(found, "torch", arrays), evaluate(network, arrays))


def test_an_axis_outside_the_channels_is_none_of_the_map() -> None:
    network = gradient("n h c i", "n h d o", 1)
    found = planned(network, "torch", {"native": weights("weight")})
    (step,) = [s for s in found.program.steps if isinstance(s, Native)]
    assert len(step.convolution.kernel) == 1
