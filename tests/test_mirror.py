"""Copies of one sub-network: mirror images, found and told apart."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from tests.planned import (
    MACHINES,
    arrays_for,
    kfac,
    run_planned,
)

import tnconv
from tnconv import networks
from tnconv.axis import Axis
from tnconv.edits import without_conjugates
from tnconv.network import Input, Network
from tnconv.options import current
from tnconv.planning.mirror import find_mirror
from tnconv.planning.planner import plan_network
from tnconv.rewrite import simplify
from tnconv.testing import evaluate


@pytest.mark.parametrize("approximation", ["expand", "reduce"])
def test_copies_are_mirror_images(approximation: str) -> None:
    network = kfac(approximation)
    mirror = find_mirror(network)
    assert mirror is not None
    for j, op in enumerate(network.operands):
        image = network.operands[mirror.operands[j]]
        assert image != op
        assert type(image) is type(op)
        assert mirror.operands[mirror.operands[j]] == j
        assert tuple(mirror.labels[a] for a in op.labels) == image.labels


def test_a_product_of_different_arrays_has_no_mirror() -> None:
    network = kfac("expand")
    first, *others = network.operands
    assert isinstance(first, Input)
    other = Network.build(
        [replace(first, name="y"), *others], network.output, network.sizes
    )
    assert find_mirror(network) is not None
    assert find_mirror(other) is None


def test_an_output_that_tells_copies_apart_has_no_mirror() -> None:
    network = tnconv.parse("x: n c, x: n d -> c d", shapes={"x": (5, 4)})
    assert find_mirror(network) is not None
    trace = tnconv.parse("x: n c, x: n d -> c", shapes={"x": (5, 4)})
    assert find_mirror(trace) is None


def test_axes_rename_both_ways() -> None:
    mirror = find_mirror(kfac("expand"))
    assert mirror is not None
    axes = (Axis(9, (("c", 1),)), Axis(9, (("i0", 1), ("n", 2))))
    assert mirror.axes(mirror.axes(axes)) == axes
    assert mirror.axes(axes) != axes
    assert mirror.named(("gemm", ("c", 1))) == ("gemm", ("c'", 1))


def test_copies_with_a_label_in_common_are_told_apart() -> None:
    factor = networks.kfac_input_factor(
        (1, 1, 11, 4), (3, 2), stride=(2, 1), dilation=(3, 2), normalization="none"
    )
    network = simplify(without_conjugates(factor)).network
    first, second = network.inputs
    assert set(first.labels) & set(second.labels)
    planned = plan_network(network, MACHINES[0], 8, current())
    arrays = arrays_for(network)
    assert np.array_equal(
        run_planned("numpy", planned, arrays), evaluate(network, arrays)
    )
