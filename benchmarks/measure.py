"""Time and memory of calls that do the same work."""

from __future__ import annotations

import ctypes
import gc
import random
import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

Call = Callable[[], Any]
#: rounds that everybody plays, and the most that anybody plays
LEAST, MOST = 3, 300


@dataclass(frozen=True)
class Timing:
    """The median of the seconds of some calls."""

    seconds: float
    calls: int


def alternate(
    calls: Mapping[str, Call], seconds: float, seed: int
) -> dict[str, Timing]:
    """Time calls in turn, in a new order every round.

    Everybody has an equal share of ``seconds`` and plays at least ``LEAST`` rounds; who
    is slow plays fewer, so that who is fast is measured well. The order changes because
    who comes next finds the caches as the one before left them.
    """
    share = seconds / max(1, len(calls))
    times: dict[str, list[float]] = {name: [] for name in calls}
    shuffler, active = random.Random(seed), list(calls)
    gc.collect()
    gc.disable()
    try:
        while active:
            shuffler.shuffle(active)
            for name in active:
                times[name].append(clocked(calls[name]))
            active = [name for name in active if not _enough(times[name], share)]
    finally:
        gc.enable()
    return {
        name: Timing(statistics.median(own), len(own)) for name, own in times.items()
    }


def _enough(own: list[float], share: float) -> bool:
    return len(own) >= MOST or (len(own) >= LEAST and sum(own) >= share)


def clocked(call: Call) -> float:
    """Seconds of one call, the result dropped."""
    before = time.perf_counter()
    call()
    return time.perf_counter() - before


def extra_bytes(call: Call) -> int | None:
    """Peak resident memory of a call beyond what was there before, and its result.

    The kernel lets a process reset its own peak (Linux); None on other systems. What
    was freed before is handed back first, or it would hide the peak.
    """
    try:
        ctypes.CDLL(None).malloc_trim(0)
        Path("/proc/self/clear_refs").write_text("5")
        before = _status("VmRSS")
    except (AttributeError, OSError):
        return None
    result = call()
    return max(0, _status("VmHWM") - before - int(result.nbytes))


def _status(field: str) -> int:
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(field + ":"):
            return int(line.split()[1]) * 1024
    raise OSError(f"this system does not report {field}")
