"""What tests of workers share: factors in blocks, and processes with little room."""

from __future__ import annotations

import math
import multiprocessing
from pathlib import Path
from typing import Any

import numpy as np
from tests.libraries import Array

import tnconv

SHAPE, KERNEL = (4, 4, 16, 16), (3, 3)


LIMIT = 80_000


SPAWN = multiprocessing.get_context("spawn")


def factor(x: Any, executor: Any = None, limit: int | None = LIMIT) -> Any:
    """A KFAC factor in blocks: images that are summed, or rows."""
    with tnconv.options(memory_limit=limit, executor=executor):
        return tnconv.kfac_input_factor(x, KERNEL, padding=1)


def inputs(seed: int = 0) -> Array:
    """A map of normal values."""
    return np.random.default_rng(seed).standard_normal(SHAPE)


ROOM = 96 << 20


def confine(room: int) -> None:
    """From now on this process may take so many bytes more, and none beyond."""
    import resource

    import tnconv_backends.numpy  # noqa: F401  # its libraries are there before

    pages = int(Path("/proc/self/statm").read_text().split()[0])
    limit = pages * resource.getpagesize() + room
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))


def wide(executor: Any = None, limit: int | None = None) -> Array:
    """A factor by windows of 105 MB."""
    x = np.random.default_rng(1).standard_normal((16, 16, 64, 64)).astype("float32")
    how = {"forms": ("window", "gemm"), "memory_share": math.inf}
    with tnconv.options(memory_limit=limit, executor=executor, **how):
        return np.asarray(tnconv.kfac_input_factor(x, (5, 5), padding=2))
