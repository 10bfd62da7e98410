"""The tuned plan of a factorized convolution, as a call beside the default one.

What :func:`tnconv.tune` keeps lies in a file that only this call looks into: the same
process runs both plans side by side, each through the public door.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from contextvars import copy_context
from pathlib import Path
from typing import Any

import tnconv
from tnconv.network import Network


def tuned(
    network: Network, seconds: float, call: Callable[[], Any]
) -> Callable[[], Any]:
    """``call`` with the plan that tuning found for its network in so many seconds of
    timing; what else the call plans, it plans by default."""
    context = copy_context()
    with tempfile.TemporaryDirectory() as folder:
        store = Path(folder) / "plans.jsonl"
        report = tnconv.tune(network, backend="torch", seconds=seconds, store=store)
        for failure in report.failures:
            raise SystemExit(f"{failure.title}: {failure.why}")
        context.run(lambda: tnconv.options(store=[store]).__enter__())
        context.run(call)  # the plan is read now, and kept
    return lambda: context.run(call)
