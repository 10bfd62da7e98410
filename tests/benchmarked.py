"""Commands of ``python -m benchmarks`` run as a user does, and a task for a worker."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from benchmarks import layers, worker

torch = pytest.importorskip("torch")
ROOT = Path(__file__).resolve().parents[1]
GIB = 1 << 30
HEADER = {"backend": "torch", "batch": 2, "versions": {"numpy": "2"}}
LAYER = layers.select("3c3d/conv3")[0]
TASK = worker.Task("forward", LAYER, 1, "torch", 2, 0.0, GIB, 1, 0)


def command(*words: str, status: int = 0) -> str:
    """Run a sub-command of this checkout; its output."""
    return python("-m", "benchmarks", *words, status=status)


def python(*words: str, status: int = 0) -> str:
    """Run Python with the modules of this process; its output."""
    done = subprocess.run(
        [sys.executable, *words],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == status, done.stdout + done.stderr
    return done.stdout
