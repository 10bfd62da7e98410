"""Device classes: what constants of the cost model belong to."""

from __future__ import annotations

import os
import platform
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

#: variables that say how many threads a BLAS uses, the first that is set counts
THREADS = (
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "BLIS_NUM_THREADS",
    "OMP_NUM_THREADS",
)


@dataclass(frozen=True, slots=True)
class Device:
    """A class of devices that take equal times: a processor model with its number of
    threads, or a GPU model.

    >>> print(Device("cpu", "Some Processor", 4))
    Some Processor, 4 threads
    """

    kind: str = "cpu"
    model: str = ""
    threads: int = 1

    def __str__(self) -> str:
        name = self.model or self.kind
        if self.kind != "cpu":
            return name
        return f"{name}, {self.threads} thread{'s' if self.threads != 1 else ''}"


def cpu(threads: int | None = None) -> Device:
    """This processor with a number of threads, as many as the BLAS takes by default."""
    return Device("cpu", cpu_model(), threads or blas_threads(os.environ))


def blas_threads(environment: Mapping[str, str]) -> int:
    """How many threads a BLAS uses: what the environment says, else all processors.

    >>> blas_threads({"OMP_NUM_THREADS": "3"})
    3
    """
    for name in THREADS:
        text = environment.get(name, "").partition(",")[0].strip()
        if text.isdecimal() and int(text):
            return int(text)
    return processors()


def processors() -> int:
    """The processors that this process may run on."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


@cache
def cpu_model() -> str:
    """The processor's name, with family and model where the system tells them."""
    try:
        text = Path("/proc/cpuinfo").read_text(errors="replace")
    except OSError:  # not Linux
        return platform.processor() or platform.machine()
    first = text.partition("\n\n")[0]
    facts = dict(line.split(":", 1) for line in first.splitlines() if ":" in line)
    facts = {key.strip(): value.strip() for key, value in facts.items()}
    name = facts.get("model name") or platform.machine()
    numbers = [facts[key] for key in ("cpu family", "model") if key in facts]
    return f"{name} ({'/'.join(numbers)})" if numbers else name
