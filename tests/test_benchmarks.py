"""The sub-commands of ``python -m benchmarks``, on little data."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from benchmarks import contestants, layers, summary, worker
from benchmarks.__main__ import COMMANDS
from benchmarks.cases import OPERATIONS, make
from benchmarks.compact import pack, unpack
from benchmarks.expected import Wrong, check
from benchmarks.page import KEPT, PAGE, page
from benchmarks.record import Journal, Measured, Results, load
from benchmarks.run import Crew

pytest.importorskip("torch")

ROOT = Path(__file__).resolve().parents[1]
GIB = 1 << 30
HEADER = {"backend": "torch", "batch": 2, "versions": {"numpy": "2"}}
TASK = worker.Task("forward", layers.select("3c3d/conv3")[0], 1, "torch", 2, 0.0, GIB, 1, 0)


def command(*words: str, status: int = 0) -> str:
    """Run a sub-command of this checkout; its output."""
    path = os.pathsep.join(sys.path)
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks", *words],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": path},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == status, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def measured(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What a run over a convolution and a transposed one wrote, in two parts."""
    path = tmp_path_factory.mktemp("run") / "torch.jsonl"
    words = ("run", "--out", str(path), "--batch", "1", "--seconds", "0")
    command(*words, "--only", "3c3d/conv3", "--operation", "forward", "kfac-reduce")
    again = command(*words, "--only", "dcgan5/up8", "--operation", "kfac-reduce")
    assert again.count("\n") == 1
    return path


def test_a_run_lists_times_and_reasons(measured: Path) -> None:
    forward, reduced, refused = load(measured).cases
    assert {"tnconv", "torch", "again", "opt_einsum"} <= set(forward.seconds)
    assert all(seconds > 0 for seconds in forward.seconds.values())
    assert forward.cannot["torch.func.vmap"] == "does not offer this operation"
    assert "torch" in reduced.cannot
    assert reduced.seconds.keys().isdisjoint(reduced.cannot)
    assert "not offered for transposed" in refused.cannot["everybody"]
    assert (forward.patterns, forward.taps) == (2, 9)


def test_a_run_goes_on_where_it_was_cut_off(measured: Path, tmp_path: Path) -> None:
    path = tmp_path / "cut.jsonl"
    path.write_bytes(measured.read_bytes()[:-40])
    known = load(path)
    assert len(known.cases) == 2
    journal = Journal(path, known.header)
    journal.add(Measured("forward", "next"))
    assert [case.layer for case in load(path).cases][2:] == ["next"]
    with pytest.raises(SystemExit, match="batch"):
        Journal(path, {**known.header, "batch": 64})


def test_tables_page_and_picture(measured: Path, tmp_path: Path) -> None:
    small, drawn, text = (tmp_path / name for name in ("a.json", "a.svg", "a.md"))
    command("compact", str(measured), "--out", str(small))
    command("plot", str(small), "--out", str(drawn))
    command("page", str(small), "--out", str(text))
    tables = command("table", str(small))
    assert tables in text.read_text("utf-8")
    assert "| forward | all | 1 |" in tables
    assert "| KFAC-reduce input factor | everybody | " in tables
    assert drawn.stat().st_size > 1000


def test_numpy_has_its_own_contestants(tmp_path: Path) -> None:
    path = tmp_path / "numpy.jsonl"
    words = ("--backend", "numpy", "--batch", "1", "--seconds", "0")
    command(
        *("run", "--out", str(path), "--only", "3c3d/conv3", *words),
        *("--operation", "forward", "--repeats", "1", "--below", "inf"),
    )
    first, second = load(path).cases
    assert (first.round, second.round) == (1, 2)
    assert {"tnconv", "windows", "offsets", "torch", "again"} <= set(first.seconds)
    assert set(summary.peers(first, "numpy")) == {"windows", "offsets"}


@pytest.mark.parametrize("name", ["memory", "overhead"])
def test_smaller_commands(name: str) -> None:
    if name == "memory" and not sys.platform.startswith("linux"):
        pytest.skip("reads the kernel's own figures")
    words = {"memory": ("--library", "numpy"), "overhead": ("--rounds", "3")}
    assert re.search(r"\d\.\d", command(name, *words[name]))


def test_the_command_line_lists_its_commands() -> None:
    listed = command()
    assert all(f"\n  {name} " in listed for name in COMMANDS)
    assert "usage" in command("nothing", status=2)


# ---- what is refused


def wrong(factor: float) -> Any:
    """A contestant whose results are off by a factor."""

    def build(case: Any) -> Any:
        own = contestants.modules("torch")["torch"].BUILDS[case.kind](case)
        return lambda: factor * own()

    return SimpleNamespace(
        NAME="wrong", LIBRARY="torch", NEEDS=(), BUILDS={"narrow": build}
    )


def test_a_wrong_contestant_is_not_timed(monkeypatch: pytest.MonkeyPatch) -> None:
    known = contestants.modules("torch")
    ours = {name: known[name] for name in (contestants.OURS, "torch")}
    monkeypatch.setattr(
        contestants, "modules", lambda _: {**ours, "wrong": wrong(1.001)}
    )
    found = worker.measure(TASK, lambda _: None)
    assert "relative error" in found.cannot["wrong"]
    assert "wrong" not in found.seconds and "torch" in found.seconds
    monkeypatch.setattr(contestants, "modules", lambda _: {**ours, "wrong": wrong(1)})
    assert "wrong" in worker.measure(TASK, lambda _: None).seconds


def test_check_sees_shapes_values_and_nan() -> None:
    right = np.ones((2, 3), np.float32)
    check(right, right)
    for result in (right.T, right + 1e-3, right * np.float32("nan")):
        with pytest.raises(Wrong, match="wrong result"):
            check(result, right)


def test_dense_patterns_beyond_the_memory_are_refused() -> None:
    (layer,) = layers.select("m5/conv1") or layers.select("m5")[:1]
    case = make("forward", layer, 1, 8 * GIB, 0).torch()
    known = contestants.modules("torch")
    for name in ("opt_einsum", "einconv"):
        with pytest.raises(Exception, match="dense index patterns are too large: 38"):
            contestants.build(known[name], case)


def hungry(case: Any) -> Any:
    """Ask for more memory than a worker may take."""
    return np.ones(4 * GIB // 8)


def test_a_worker_refuses_what_exceeds_its_memory() -> None:
    with pytest.raises(MemoryError):
        worker.limit_memory(GIB)
    assert worker.reason(MemoryError()) == "out of memory"
