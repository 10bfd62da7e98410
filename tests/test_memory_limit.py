"""Memory limits, kept by blocks, and the peak that is predicted."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest
from tests.planned import (
    CASES,
    arrays_for,
)

import tnconv
from tnconv import networks


@pytest.mark.parametrize("limit", [8_000_000, 3_000_000, 1_500_000])
def test_memory_limit_is_kept_by_blocks(limit: int) -> None:
    network = networks.conv((16, 6, 50, 50), (8, 6, 3, 3), padding=1)
    arrays = arrays_for(network)
    expression = tnconv.expression(network, dtype="float64", memory_limit=limit)
    assert expression.plan.blocks is not None
    assert expression.peak_bytes <= limit
    expected = tnconv.expression(network, dtype="float64")(**arrays)
    assert np.array_equal(expression(**arrays), expected)
    tracemalloc.start()
    result = expression(**arrays)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak - result.nbytes <= limit + 200_000  # buffers inside NumPy's einsum


def test_a_limit_nothing_can_keep_is_an_error() -> None:
    network = networks.conv((8, 3, 20, 20), (4, 3, 3, 3), padding=1)
    with pytest.raises(tnconv.MemoryLimitError, match="memory_limit=100 bytes"):
        tnconv.expression(network, memory_limit=100)


def test_predicted_peak_matches_what_numpy_allocates() -> None:
    for network in CASES.values():
        arrays = arrays_for(network)
        expression = tnconv.expression(network, dtype="float64")
        expression(**arrays)
        tracemalloc.start()
        result = expression(**arrays)
        peak = tracemalloc.get_traced_memory()[1] - result.nbytes
        tracemalloc.stop()
        assert peak <= 1.1 * expression.peak_bytes + 20_000
