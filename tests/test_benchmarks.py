"""The sub-commands of ``python -m benchmarks``, on little data."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path

import pytest
from benchmarks import summary
from benchmarks.__main__ import COMMANDS
from benchmarks.page import (
    choice,
)
from benchmarks.record import Journal, Measured, load
from tests.benchmarked import ROOT, command


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
    assert re.search(r"\| everybody \| KFAC-reduce .* \(1\) \| dcgan5", tables)
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


def test_choices_are_measured_and_shown(tmp_path: Path) -> None:
    out = tmp_path / "choices.json"
    words = ("--only", "3c3d/conv3", "--batch", "1", "--every", "1", "--plans", "2")
    printed = command("regret", *words, "--operations", "forward", "--out", str(out))
    assert re.search(r"\| forward \| 1 \| \d+\.\d{3} \|", printed)
    shown = choice(json.loads(out.read_text("utf-8")))
    assert printed.strip() in shown
    assert "1 layers, batch 1" in shown


def test_tuned_plans_are_found_and_measured_anew(tmp_path: Path) -> None:
    store, out = tmp_path / "plans.sqlite", tmp_path / "tuned.json"
    words = ("--only", "resnet18_256/layer4.0.downsample", "--batch", "1", "--trials")
    more = ("2", "--operations", "forward", "kfac-reduce", "--again", "0")
    files = ("--store", str(store), "--out", str(out))
    printed = command("tuned", *words, *more, *files)
    assert "A second process found all 2 plans without a search." in printed
    assert re.search(r"\| all \| 2 \| \d \| \d+\.\d{3} \|", printed)
    data = json.loads(out.read_text("utf-8"))
    assert len(data["rows"]) == 2
    data["rows"][0][2], data["rows"][1:] = [3.0, 3.0, 1.0], []  # ended after the first
    out.write_text(json.dumps(data), "utf-8")
    assert "| 3.00 |" in command("tuned", *words, *more, *files)
    rows = json.loads(out.read_text("utf-8"))["rows"]
    assert len(rows) == 2 and rows[0][2] == [3, 3, 1]
    other = ("--threads", "1")  # other settings, another file
    command("tuned", *words, *more, *files, *other, status=1)


def test_a_cluster_searches_as_one_process_does() -> None:
    pytest.importorskip("distributed")
    words = ("--only", "resnet18_256/layer4", "--operations", "forward")
    printed = command("spread", *words, "--trials", "2")
    assert "the same in all runs" in printed and "killed halfway" in printed


@pytest.mark.parametrize("name", ["memory", "overhead", "planning"])
def test_smaller_commands(name: str) -> None:
    if name == "memory" and not sys.platform.startswith("linux"):
        pytest.skip("reads the kernel's own figures")
    words: dict[str, tuple[str, ...]] = {
        "memory": ("--library", "numpy"),
        "overhead": ("--rounds", "3"),
        "planning": ("--only", "3c3d/conv3", "--every", "1"),
    }
    assert re.search(r"\d\.\d", command(name, *words[name]))


def test_the_command_line_lists_its_commands() -> None:
    listed = command()
    assert all(f"\n  {name} " in listed for name in COMMANDS)
    assert "usage" in command("nothing", status=2)


def test_documents_name_commands_that_there_are() -> None:
    pages = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
    text = "".join(path.read_text("utf-8") for path in pages)
    named = set(re.findall(r"python -m benchmarks (\w+)", text))
    assert named and named <= set(COMMANDS)
    assert "python -m benchmarks." not in text
