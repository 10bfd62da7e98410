"""A tuning that is interrupted, lacks time or is done again."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from tests.tuning.small import LAYERS, keys, own_store, quick, task

import tnconv
from tnconv.store.database import Database
from tnconv.store.records import read_record
from tnconv.tuning import run as running
from tnconv.tuning.crew import Alone
from tnconv.tuning.outcome import Outcome
from tnconv.tuning.run import Effort, Tuning
from tnconv.tuning.search import listed
from tnconv.tuning.shelf import Shelf
from tnconv.tuning.trials import timed

__all__ = ["own_store", "quick"]


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
