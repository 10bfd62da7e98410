"""The commands of docs/measurements.md run, on little data."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("torch")

ROOT = Path(__file__).resolve().parents[1]
LITTLE = {
    "benchmarks.layers": ["--only", "3c3d/conv3", "--batch", "2", "--seconds", "0"],
    "benchmarks.memory": ["--library", "numpy"],
    "benchmarks.overhead": [],
}


@pytest.mark.parametrize("module", sorted(LITTLE))
def test_benchmark_runs(module: str) -> None:
    if module == "benchmarks.memory" and not sys.platform.startswith("linux"):
        pytest.skip("reads the kernel's own figures")
    command = [sys.executable, "-m", module, *LITTLE[module]]
    done = subprocess.run(
        command, cwd=ROOT, capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stderr
    assert re.search(r"\d\.\d", done.stdout)


def test_the_page_names_no_other_command() -> None:
    page = (ROOT / "docs" / "measurements.md").read_text("utf-8")
    assert set(re.findall(r"python -m (benchmarks\.\w+)", page)) == set(LITTLE)
