"""The machine and the versions that a measurement belongs to."""

from __future__ import annotations

import os
import platform
import subprocess
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

#: read by the libraries when they are imported
THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
NAMED = ("numpy", "torch", "scipy", "opt_einsum", "cotengra", "einconv", "unfoldNd")


def fix_threads(threads: int) -> None:
    """Set the number of threads for the processes started from here."""
    os.environ.update(dict.fromkeys(THREADS, str(threads)))


def versions(more: tuple[str, ...] = ()) -> dict[str, str]:
    """Of Python and of everything that is measured, where installed."""
    found = {"python": platform.python_version()}
    for name in (*NAMED, *more):
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = "not installed"
    return found


def cpu() -> str:
    """The processor's name, with family and model where the system tells."""
    fields: dict[str, str] = {}
    path = Path("/proc/cpuinfo")
    if path.exists():
        for line in path.read_text().splitlines():
            name, _, value = line.partition(":")
            fields.setdefault(name.strip(), value.strip())
    name = fields.get("model name") or platform.processor() or platform.machine()
    if "cpu family" in fields:
        name += f" (family {fields['cpu family']}, model {fields.get('model', '?')})"
    return name


def available_bytes() -> int:
    """Memory that a process could take now; 8 GiB where the system does not tell."""
    path = Path("/proc/meminfo")
    if path.exists():
        for line in path.read_text().splitlines():
            if line.startswith("MemAvailable:"):
                return int(line.split()[1]) * 1024
    return 8 << 30


def commit() -> str:
    """The commit of this checkout, empty outside of one."""
    command = ["git", "rev-parse", "--short", "HEAD"]
    try:
        done = subprocess.run(
            command, cwd=Path(__file__).parent, capture_output=True, text=True
        )
    except OSError:
        return ""
    return done.stdout.strip()


def header(**settings: Any) -> dict[str, Any]:
    """Machine, versions, commit, and the settings of a run."""
    return {
        "cpu": cpu(),
        "cores": os.cpu_count(),
        "system": platform.system(),
        "versions": versions(),
        "commit": commit(),
        **settings,
    }
