"""A tuning from beginning to end, interrupted and gone on with."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.tuning.small import LAYERS, own_store, quick, task

import tnconv
from tnconv import networks
from tnconv.cli import main
from tnconv.errors import ArgumentError, StoreError
from tnconv.execution.expression import clear_caches
from tnconv.store.database import Database
from tnconv.store.lines import LineFile
from tnconv.store.manage import Fault, verified
from tnconv.store.records import read_record
from tnconv.tuning import run as running
from tnconv.tuning.crew import Alone, processes
from tnconv.tuning.outcome import Failure, Outcome
from tnconv.tuning.report import Report
from tnconv.tuning.run import Effort, Step, Tuning
from tnconv.tuning.search import listed
from tnconv.tuning.shelf import Shelf
from tnconv.tuning.trials import timed

__all__ = ["own_store", "quick"]


def keys(place: Database | LineFile) -> set[str]:
    return {key for key, _ in place.lines()}


def test_layers_are_tuned_into_the_users_store(own_store: Path, quick: None) -> None:
    steps: list[Step] = []
    report = tnconv.tune(LAYERS, batch=2, trials=3, seconds=60, watch=steps.append)
    assert [o.title for o in report.outcomes] == [
        f"{name} {operation}"
        for name in ("one", "two")
        for operation in ("forward", "input-vjp", "weight-vjp")
    ]
    assert not report.failures and not report.left and not report.known
    assert steps[-1].done == steps[-1].total == 12
    assert keys(Database(own_store)) == {o.key for o in report.outcomes}
    assert not own_store.with_name("own.sqlite.tuning").exists()
    again = tnconv.tune(LAYERS, batch=2, trials=3)
    assert (again.outcomes, again.known) == ((), 6)
    assert "6 were tuned before" in str(again)
    third = tnconv.tune(LAYERS[:1], batch=2, trials=3, again=True)
    assert len(third.outcomes) == 3


def test_what_is_tuned_is_found(own_store: Path, quick: None) -> None:
    x, weight = np.ones((2, 3, 9, 8)), np.ones((4, 3, 3, 3))
    expected = tnconv.conv(x, weight, padding=1)
    tnconv.tune(LAYERS[0], batch=2, trials=3, dtype="float64")
    clear_caches()
    network = networks.conv(x.shape, weight.shape, padding=1)
    found = tnconv.expression(network, dtype="float64")
    assert found.plan.source == f"the store {own_store}"
    assert np.allclose(tnconv.conv(x, weight, padding=1), expected)


def test_an_expression_under_a_limit_is_tuned_under_it(
    own_store: Path, quick: None
) -> None:
    network = networks.conv((16, 6, 50, 50), (8, 6, 3, 3), padding=1)
    limited = tnconv.expression(network, memory_limit=1_500_000)
    (outcome,) = tnconv.tune([limited], trials=2).outcomes
    record = read_record(outcome.line, "")
    assert record.key.constraints["memory_limit"] == 1_500_000
    clear_caches()
    again = tnconv.expression(network, memory_limit=1_500_000)
    assert again.plan.source.startswith("the store")
    assert again.peak_bytes <= 1_500_000


def test_networks_that_differ_in_spelling_are_tuned_once(
    own_store: Path, quick: None
) -> None:
    one = tnconv.parse("x: a b, y: b c -> a c", shapes={"x": (2, 3), "y": (3, 5)})
    two = tnconv.parse("q: j k, p: i j -> i k", shapes={"p": (2, 3), "q": (3, 5)})
    assert len(tnconv.tune([one, two], trials=1).outcomes) == 1


def test_a_network_that_cannot_be_tuned_is_reported(
    own_store: Path, quick: None
) -> None:
    network = networks.conv((2, 3, 9), (4, 3, 3))
    with tnconv.options(memory_limit=10):
        report = tnconv.tune([network], trials=2)
    assert not report.outcomes
    assert "MemoryLimitError" in report.failures[0].why
    assert "not tuned" in str(report)


@pytest.mark.parametrize(
    "wrong",
    [
        {"seconds": 0},
        {"seconds": float("nan")},
        {"trials": 0},
        {"seed": -1},
        {"operations": ["odd"]},
    ],
)
def test_odd_arguments(wrong: dict[str, Any], own_store: Path) -> None:
    with pytest.raises(ArgumentError, match="tune"):
        tnconv.tune(LAYERS, **wrong)
    with pytest.raises(ArgumentError, match="nothing"):
        tnconv.tune([])
    with pytest.raises(ArgumentError, match="no Network"):
        tnconv.tune(3)


def test_without_a_store_nothing_is_tuned(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TNCONV_STORE", "off")
    with pytest.raises(StoreError, match="TNCONV_STORE is off"):
        tnconv.tune(LAYERS)


@pytest.mark.parametrize("name", ["plans.jsonl", "plans.sqlite"])
def test_an_interrupted_tuning_goes_on(
    name: str, tmp_path: Path, quick: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    shelf = Shelf.at(tmp_path / name)
    tasks = [task(0), task(0, "weight-vjp"), task(1)]
    effort = Effort(trials=3)
    done: list[str] = []

    def interrupted(*given: Any) -> Outcome:
        if len(done) == 1:
            done.append("no")
            raise KeyboardInterrupt
        done.append(given[0].title)
        return timed(*given)

    monkeypatch.setattr(running, "timed", interrupted)
    tuning = Tuning(Alone(), shelf, effort, lambda step: None)
    with pytest.raises(KeyboardInterrupt):
        tuning.run(tasks)
    report = tuning.report()
    assert (len(report.outcomes), report.left) == (1, 2)
    assert len(keys(shelf.place)) == 1
    assert len(list(shelf.folder.iterdir())) == 1  # listed, and not timed
    searched = count_searches(monkeypatch)
    report = Tuning(Alone(), shelf, effort, lambda step: None).run(tasks)
    assert (len(report.outcomes), report.known, report.left) == (2, 1, 0)
    assert searched == ["two forward"]
    assert not shelf.folder.exists()


def count_searches(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The tasks that are searched for from now on."""
    searched: list[str] = []

    def counted(one: Any, *more: Any) -> Any:
        searched.append(one.title)
        return listed(one, *more)

    monkeypatch.setattr(running, "listed", counted)
    return searched


def test_damaged_listings_are_made_again(tmp_path: Path, quick: None) -> None:
    shelf = Shelf.at(tmp_path / "plans.jsonl")
    found = listed(task(), 2, 0)
    for text in ("", "{}\n", "\udcff", found.lines[0][:-5]):
        shelf.wait(found, 2, 0)
        assert shelf.waiting(found.key, 2, 0) == found
        (path,) = shelf.folder.iterdir()
        path.write_bytes(text.encode("utf-8", "surrogateescape"))
        assert shelf.waiting(found.key, 2, 0) is None
    assert shelf.waiting(found.key, 3, 0) is None
    other = listed(task(1), 2, 0)
    shelf.wait(replace(other, key=found.key), 2, 0)
    assert shelf.waiting(found.key, 2, 0) is None


def test_the_time_is_kept(tmp_path: Path, quick: None) -> None:
    tasks = [task(at, name) for at in (0, 1) for name in ("forward", "weight-vjp")]
    shelf = Shelf.at(tmp_path / "plans.jsonl")
    report = Tuning(Alone(), shelf, Effort(seconds=1e-6), lambda s: None).run(tasks)
    assert report.left == 4 and not report.outcomes
    assert "4 were not reached" in str(report)


def plans(found: Sequence[str]) -> list[Any]:
    """What lines say, less the date and its digest."""
    records = [json.loads(line) for line in found]
    for record in records:
        del record["date"], record["digest"]
    return records


def test_processes_list_the_plans_that_this_one_lists() -> None:
    tasks = [task(0), task(0, "weight-vjp"), task(1), task(1, "kfac-expand")]
    given = [(one, 4, 0) for one in tasks]
    with processes(2) as crew:
        found = dict(crew.answers(listed, given))
    for at, one in enumerate(tasks):
        assert plans(found[at].lines) == plans(listed(one, 4, 0).lines)


def test_any_executor_tunes(own_store: Path, quick: None) -> None:
    with ThreadPoolExecutor(2) as executor:
        report = tnconv.tune(LAYERS, batch=2, trials=2, executor=executor)
    assert len(report.outcomes) == len(keys(Database(own_store))) == 6


def test_again_replaces_what_is_kept(own_store: Path, quick: None) -> None:
    (first,) = tnconv.tune(LAYERS[:1], trials=2, operations=["forward"]).outcomes
    record = read_record(first.line, "")
    assert record.measured is not None
    lucky = replace(record, measured=replace(record.measured, seconds=1e-9))
    store = Database(own_store)
    store.put([lucky])
    (second,) = tnconv.tune(
        LAYERS[:1], trials=2, operations=["forward"], again=True
    ).outcomes
    line = store.find(first.key)
    assert line == second.line and second.seconds > 1e-8


def outcome(name: str, default: float, seconds: float, **more: Any) -> Outcome:
    forms = (("gemm",), ("window", "gemm"))
    place = ("numpy", "float32", "a processor", "key", "line")
    return Outcome(name, "forward", *place, default, seconds, 0.02, *forms, 4, **more)


def test_a_report_says_what_was_gained(tmp_path: Path) -> None:
    report = Report(
        (outcome("a", 2e-3, 1e-3), outcome("b", 1e-3, 1e-3, faults=("odd: why",))),
        (Failure("c", "reasons"),),
        known=1,
        left=2,
    )
    text = str(report)
    assert report.gain == pytest.approx(2**0.5)
    assert "1.41x" in text and "2.00x" in text and "window gemm" in text
    for said in ("b forward: not timed: odd: why", "c: not tuned: reasons", "1 were"):
        assert said in text
    pytest.importorskip("matplotlib")
    report.plot(tmp_path / "gains.png")
    Report(()).plot(tmp_path / "none.png")
    assert (tmp_path / "gains.png").read_bytes()[:4] == b"\x89PNG"


SECOND = """
import sys
import numpy, tnconv
from tnconv.planning.search import Search
def refuse(*args): raise SystemExit("a search was made")
Search.__init__ = refuse
x, w = numpy.ones((2, 3, 9, 8), "float32"), numpy.ones((4, 3, 3, 3), "float32")
y = tnconv.conv(x, w, padding=1)
tnconv.conv_weight_vjp(x, y, (3, 3), padding=1)
for name in ("cotengra", "opt_einsum", "tnconv.tuning"):
    assert name not in sys.modules, name
"""


def test_the_command_tunes_and_another_process_finds_it(
    own_store: Path, tmp_path: Path, quick: None, capsys: pytest.CaptureFixture[str]
) -> None:
    path, plot = tmp_path / "layers.json", tmp_path / "gains.png"
    path.write_text(json.dumps(LAYERS))
    command = ["tune", str(path), "--batch", "2", "--trials", "2"]
    assert main([*command, "--plot", str(plot)]) == 0
    said = capsys.readouterr().out
    assert "forward" in said and f"plans in {own_store}" in said
    assert plot.exists()
    assert main(command) == 0
    assert "6 were tuned before" in capsys.readouterr().out
    paths = os.pathsep.join(filter(None, [os.getcwd(), *sys.path]))
    environment = {**os.environ, "PYTHONPATH": paths}
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", SECOND],
        env=environment,
        capture_output=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr.decode()


def test_the_command_spreads_over_processes(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path, out = tmp_path / "layers.json", tmp_path / "plans.jsonl"
    path.write_text(json.dumps(LAYERS[1:]))
    command = ["tune", str(path), "--trials", "2", "--seconds", "60"]
    more = ["--workers", "2", "--out", str(out), "--operations", "forward"]
    assert main([*command, *more]) == 0
    assert len(keys(LineFile(out))) == 1


def test_the_command_keeps_what_is_found_when_interrupted(
    own_store: Path,
    tmp_path: Path,
    quick: None,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    path = tmp_path / "layers.json"
    path.write_text(json.dumps(LAYERS))
    calls = list[Any]()

    def interrupted(*given: Any) -> Outcome:
        calls.append(given)
        if len(calls) == 3:
            raise KeyboardInterrupt
        return timed(*given)

    monkeypatch.setattr(running, "timed", interrupted)
    assert main(["tune", str(path), "--trials", "2"]) == 1
    said = capsys.readouterr()
    assert "4 were not reached" in said.out and "interrupted" in said.err
    assert len(keys(Database(own_store))) == 2


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["nowhere.json"], "nowhere.json"),
        (["a.json", "--input", "3"], "--input is for a model"),
        (["some.module:function"], "needs the shape"),
        (["some.module:function", "--input", "1,x"], "needs the shape"),
        (["nowhere.json", "--seconds", "-1"], "above 0"),
        (["nowhere.json", "--threads", "0"], "--threads"),
    ],
)
def test_bad_arguments_get_a_sentence(
    arguments: list[str], said: str, own_store: Path, capsys: Any
) -> None:
    assert main(["tune", *arguments]) == 2
    error = capsys.readouterr().err
    assert said in error and len(error.splitlines()) == 1


def test_an_explanation_keeps_what_wins(own_store: Path, quick: None) -> None:
    network = networks.conv((2, 3, 9), (4, 3, 3))
    explained = tnconv.expression(network).explain(limit=2)
    outcome = explained.keep()
    assert keys(Database(own_store)) == {outcome.key}
    assert outcome.plans <= 2
    assert str(outcome).startswith(f"kept {outcome.key}")
    clear_caches()
    assert tnconv.expression(network).plan.source.startswith("the store")


def test_show_keeps(own_store: Path, quick: None, capsys: Any) -> None:
    assert main(["show", "a b, b c -> a c", "--shape", "2,3", "3,4", "--keep"]) == 0
    assert "kept " in capsys.readouterr().out
    assert len(keys(Database(own_store))) == 1


@pytest.mark.skipif(sys.platform == "win32", reason="signals")
@pytest.mark.parametrize("workers", [(), ("--workers", "2")], ids=["alone", "workers"])
def test_a_lost_client_leaves_the_store_whole(
    workers: tuple[str, ...], own_store: Path, tmp_path: Path
) -> None:
    path = tmp_path / "layers.json"
    path.write_text(json.dumps(LAYERS))
    command = ["-m", "tnconv", "tune", str(path), "--trials", "2", *workers]
    paths = os.pathsep.join(filter(None, [os.getcwd(), *sys.path]))
    environment = {**os.environ, "PYTHONPATH": paths, "TMPDIR": str(tmp_path)}
    client = subprocess.Popen(
        [sys.executable, *command], env=environment, stderr=subprocess.DEVNULL
    )
    place, end = Database(own_store), time.monotonic() + 120
    while not keys(place) and time.monotonic() < end:
        time.sleep(0.01)
    client.kill()
    client.wait()
    found = list(verified(place))
    assert found and not [one for one in found if isinstance(one, Fault)]
    report = tnconv.tune(LAYERS, trials=2)
    assert report.known >= 1 and len(report.outcomes) + report.known == 6
