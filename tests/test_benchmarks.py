"""The sub-commands of ``python -m benchmarks``, on little data."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from benchmarks import contestants, layers, places, summary, worker
from benchmarks.__main__ import COMMANDS
from benchmarks.cases import Cannot, make
from benchmarks.compact import pack, unpack
from benchmarks.crew import Crew, Member
from benchmarks.expected import Wrong, check
from benchmarks.page import (
    BOUNDS,
    CHOICES,
    KEPT,
    PAGE,
    choice,
    kept,
    page,
    picture_of,
    section,
)
from benchmarks.record import Journal, Measured, Results, load

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
        contestants, "modules", lambda *_: {**ours, "wrong": wrong(1.001)}
    )
    found = worker.measure(TASK, lambda _: None)
    assert "relative error" in found.cannot["wrong"]
    assert "wrong" not in found.seconds and "torch" in found.seconds
    monkeypatch.setattr(contestants, "modules", lambda *_: {**ours, "wrong": wrong(1)})
    assert "wrong" in worker.measure(TASK, lambda _: None).seconds


def test_check_sees_shapes_values_and_nan() -> None:
    right = torch.ones(2, 3)
    check(right.numpy(), right)
    for result in (right.mT, right + 1e-3, right * float("nan")):
        with pytest.raises(Wrong, match="wrong result"):
            check(result, right)


def test_dense_patterns_beyond_the_memory_are_refused() -> None:
    layer = layers.select("m5")[0]
    case = make("forward", layer, 1, 8 * GIB, 0).torch()
    known = contestants.modules("torch")
    for name in ("opt_einsum", "einconv"):
        with pytest.raises(Cannot, match="dense index patterns are too large: 19"):
            contestants.build(known[name], case)


EXCESS = """
import numpy, torch
from benchmarks.worker import limit_memory, reason
limit_memory(1 << 28)
for ones in (numpy.ones, torch.ones):
    try:
        ones(1 << 30)
    except Exception as error:
        print(reason(error))
"""


@pytest.mark.skipif(sys.platform == "win32", reason="limits are POSIX")
def test_a_worker_may_not_take_more_memory_than_it_is_given() -> None:
    assert python("-c", EXCESS).splitlines() == ["out of memory"] * 2


def test_what_takes_too_long_is_ended_and_listed() -> None:
    with Crew("torch", GIB, 1, limit=1e-9) as crew:
        found = crew.measured(TASK)
    assert found.cannot[contestants.OURS] == "the start: took longer than 1e-09 s"
    assert not found.seconds


def test_who_brings_a_worker_down_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    good = Measured("forward", TASK.layer.name)
    seen: list[dict[str, str]] = []

    def follow(self: Member, task: worker.Task) -> tuple[str, Measured | None]:
        seen.append(task.skip)
        self.blame = "killed"
        return "einconv", good if "einconv" in task.skip else None

    for name in ("start", "end"):
        monkeypatch.setattr(Member, name, lambda self: None)
    monkeypatch.setattr(Member, "follow", follow)
    assert Member(GIB, 1, 1.0).measured(TASK) is good
    assert seen == [{}, {"einconv": "killed"}]


# ---- figures


def case(layer: str, turn: int = 1, **seconds: float) -> Measured:
    """A case with times, and a extra memory of a tenth."""
    return Measured(
        "forward",
        layer,
        turn,
        patterns=1,
        given=6 * 1024,
        result=4 * 1024,
        seconds=seconds,
        extra={"tnconv": 1024},
    )


RESULTS = Results(
    HEADER,
    (
        case("a", tnconv=2.0, torch=1.0, einconv=8.0, again=1.1),
        case("b", tnconv=1.0, torch=2.0, again=2.0),
        case("a", 2, tnconv=1.0, torch=0.9),
        Measured("forward", "c", cannot={"torch": "too large: 3 GiB"}),
    ),
)


def test_figures_of_a_run() -> None:
    low, high = summary.rows(RESULTS, "forward")
    assert (low.measured.layer, low.ratios, low.repeated) == ("a", (0.5, 0.9), 0.9)
    assert (high.peer, high.ratios, high.share) == ("torch", (2.0,), {"tnconv": 0.1})
    assert summary.geomean(row.ratios[0] for row in (low, high)) == pytest.approx(1.0)
    assert summary.against([low, high]) == {"torch": [0.5, 2.0], "einconv": [4.0]}
    assert summary.resolution([low, high], "torch") == [1.0, 1.1]
    assert summary.refusals(RESULTS, "forward") == {"torch": {"too large": ["c"]}}


def test_the_compact_form_says_the_same() -> None:
    known = unpack(json.loads(pack(RESULTS)))
    assert known == RESULTS


def test_layers_are_chosen_by_a_fixed_spread() -> None:
    every = layers.select()
    assert len(every) == 222 and len({layer.name for layer in every}) == 222
    few = layers.select(sample=5)
    assert len(few) == 5 and few == layers.select(sample=5)
    sizes = sorted(layer.macs for layer in few)
    assert sizes[0] == min(layer.macs for layer in every)
    assert sizes[-1] == max(layer.macs for layer in every)
    assert all(layer.macs <= 1e6 for layer in layers.select(max_macs=1e6))


def test_a_section_names_the_gpu_it_was_measured_on() -> None:
    facts = {"cores": 16, "cpu": "Some CPU", "threads": 8, "date": "2026-11-26"}
    gpu = HEADER | facts | {"device": "cuda", "gpu": "Some GPU"}
    text = section(Results(gpu, RESULTS.cases))
    assert text.startswith("## On PyTorch, Some GPU\n")
    assert "and one Some GPU, " in text and "results-torch-cuda.png" in text
    assert picture_of(HEADER) == "torch"
    assert picture_of(gpu | {"backend": "cupy"}) == "cupy"


def test_a_call_on_a_device_ends_when_the_device_is_done(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    done: list[str] = []
    monkeypatch.setattr("torch.cuda.synchronize", done.append)
    assert places.finished(lambda: 3, "cuda:1")() == 3
    assert done == ["cuda:1"]
    call = object
    assert places.finished(call, places.CPU) is call


def test_the_page_is_what_the_command_makes_of_the_kept_results() -> None:
    files = sorted(KEPT.glob("*.json"))
    assert files and sum(path.stat().st_size for path in files) < 300_000
    text = PAGE.read_text("utf-8")
    assert text == page([load(path) for path in files], kept(BOUNDS), kept(CHOICES))
    pictures = re.findall(r"\]\((.*\.png)\)", text)
    assert pictures and all((PAGE.parent / name).exists() for name in pictures)


def test_documents_name_commands_that_there_are() -> None:
    pages = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
    text = "".join(path.read_text("utf-8") for path in pages)
    named = set(re.findall(r"python -m benchmarks (\w+)", text))
    assert named and named <= set(COMMANDS)
    assert "python -m benchmarks." not in text
