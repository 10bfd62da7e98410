"""Extra memory on a long 1-d signal, as the kernel of the system counts it."""

from __future__ import annotations

import sys

import pytest
from benchmarks.measure import extra_bytes
from benchmarks.memory import arrays_of, given_bytes, operations

pytestmark = pytest.mark.skipif(
    not sys.platform.startswith("linux"), reason="a process resets its peak on Linux"
)


@pytest.mark.parametrize("library", ["numpy", "torch"])
def test_extra_memory_stays_within_twice_inputs_and_result(library: str) -> None:
    pytest.importorskip(library)
    for name, call in operations(arrays_of(library)).items():
        result, extra = int(call().nbytes), extra_bytes(call)
        assert extra is not None
        assert extra <= 2 * (result + given_bytes(name)), name
        if name == "unfold":  # written straight into the result, in pages of 2 MiB
            assert extra <= 3 << 20
