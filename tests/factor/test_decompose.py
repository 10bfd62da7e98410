"""The public door: every format on every kind of weight, and what it refuses."""

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from tnconv.factor import (
    FORMATS,
    KernelShape,
    format_network,
    rank_caps,
)
from tnconv.factor.decompose import decompose
from tnconv.factor.kernel import FactorizedKernel

Array = NDArray[Any]


def normal(*shape: int, seed: int = 0) -> Array:
    return np.random.default_rng(seed).standard_normal(shape)


def planted(format: str, shape: tuple[int, ...], rank: int, **more: Any) -> Array:
    """A weight that a format holds exactly."""
    kernel = KernelShape(shape, **more)
    caps = rank_caps(format, kernel)
    ranks = tuple(min(rank, cap) for cap in caps.values())
    network = format_network(format, kernel, ranks)
    factors = [normal(*s, seed=j) for j, s in enumerate(network.arguments.values(), 1)]
    return np.asarray(FactorizedKernel.of(format, shape, factors, **more).to_dense())


SHAPES = ((8, 6, 3), (6, 4, 3, 2), (4, 3, 2, 3, 2), (6, 5))


@pytest.mark.parametrize("format", FORMATS)
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("more", [{}, {"groups": 2}, {"groups": 2, "transposed": True}])
def test_a_weight_of_low_rank_is_found_again(
    format: str, shape: tuple[int, ...], more: dict[str, Any]
) -> None:
    if format == "svd-spatial" and len(shape) < 4:
        pytest.skip("needs two spatial axes")
    weight = planted(format, shape, 2, **more)
    caps = rank_caps(format, KernelShape(shape, **more))
    found = decompose(weight, format, tuple(min(2, c) for c in caps.values()), **more)
    assert found.shape == shape
    assert found.groups == more.get("groups", 1)
    assert found.error is not None
    assert found.error_to(weight) == pytest.approx(found.error, abs=1e-7)
    exact = format not in ("cp", "cp3", "tr")  # these are found by descent
    assert found.error < (1e-7 if exact else 0.1)
