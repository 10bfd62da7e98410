"""A cluster of separate processes: the same plans, turns, and workers that die."""

import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.tuning.small import LAYERS, own_store, quick, task

import tnconv
from tnconv.cli import main
from tnconv.errors import ArgumentError
from tnconv.store.database import Database
from tnconv.store.records import read_record
from tnconv.tuning.cluster import cluster, team
from tnconv.tuning.search import listed
from tnconv.tuning.turns import alone

distributed = pytest.importorskip("distributed")
pytestmark = pytest.mark.filterwarnings("ignore")
__all__ = ["own_store", "quick"]


@pytest.fixture(scope="module")
def nodes() -> Iterator[Any]:
    """Two processes; one that dies is started again."""
    with distributed.LocalCluster(
        n_workers=2,
        threads_per_worker=1,
        processes=True,
        protocol="tcp",
        dashboard_address=":0",
        silence_logs=50,
    ) as found:
        yield found


@pytest.fixture
def client(nodes: Any) -> Iterator[Any]:
    """A client of both."""
    nodes.wait_for_workers(2)
    with distributed.Client(nodes) as found:
        yield found


def steps(line: str) -> Any:
    """What a line says of the plan itself."""
    plan = read_record(line, "").plan
    return plan.rewrites, plan.network, plan.steps, plan.blocks, plan.seconds


def test_a_cluster_lists_the_plans_that_this_process_lists(
    client: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "1")  # as Dask sets it for its workers
    monkeypatch.setenv("OPENBLAS_NUM_THREADS", "1")
    tasks = [task(0), task(0, "weight-vjp"), task(1), task(1, "kfac-expand")]
    found = dict(team(client).answers(listed, [(one, 4, 0) for one in tasks]))
    for at, one in enumerate(tasks):
        expected = list(map(steps, listed(one, 4, 0).lines))
        assert list(map(steps, found[at].lines)) == expected


def inside(folder: str, number: int) -> bool:
    """Whether nobody else is between the marks of a turn."""
    with alone():
        mark = Path(folder) / "mark"
        free = not mark.exists()
        mark.touch()
        time.sleep(0.05)
        mark.unlink()
    return free


def test_timings_take_turns_on_one_machine(client: Any, tmp_path: Path) -> None:
    given = [(str(tmp_path), number) for number in range(8)]
    answers = dict(team(client).answers(inside, given))
    assert answers == dict.fromkeys(range(8), True)


def test_a_worker_that_is_killed_halfway_changes_nothing(
    client: Any, own_store: Path
) -> None:
    pids, killed = client.run(os.getpid), list[int]()

    def watch(step: Any) -> None:
        if not killed:
            killed.append(next(iter(pids.values())))
            os.kill(killed[0], signal.SIGKILL)

    report = tnconv.tune(LAYERS, batch=2, trials=2, executor=client, watch=watch)
    assert killed and not report.failures and not report.left
    stored = Database(own_store).lines()
    assert {key for key, _ in stored} == {o.key for o in report.outcomes}
    assert len(stored) == 6
    assert killed[0] not in client.run(os.getpid).values()


def test_times_are_filed_under_the_workers_class(
    client: Any, own_store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENBLAS_NUM_THREADS", "77")  # here, not there
    (outcome,) = tnconv.tune(
        LAYERS[1:], trials=2, operations=["forward"], executor=client
    ).outcomes
    assert read_record(outcome.line, "").key.device.threads == 1


def test_the_command_finds_the_scheduler(
    nodes: Any, tmp_path: Path, capsys: Any
) -> None:
    path, out = tmp_path / "layers.toml", tmp_path / "plans.sqlite"
    path.write_text(
        "[[layers]]\nin_channels = 2\nout_channels = 3\ninput_size = [9]\n"
        "kernel_size = 3\n"
    )
    command = ["tune", str(path), "--trials", "2", "--out", str(out)]
    more = ["--operations", "forward", "--scheduler", nodes.scheduler_address]
    assert main([*command, *more]) == 0
    assert "1 thread" in capsys.readouterr().out
    assert len(Database(out).lines()) == 1


def pretend(name: str | None) -> None:
    """From now on a worker's processor has another name; its own again for None."""
    from tnconv.planning import device

    own = getattr(device, "own_model", device.cpu_model)
    device.own_model = own  # type: ignore[attr-defined]
    device.cpu_model = own if name is None else lambda: name  # type: ignore[assignment]


@pytest.fixture
def mixed(client: Any) -> Iterator[Any]:
    """Workers of two device classes."""
    first = sorted(client.run(os.getpid))[0]
    client.run(pretend, "another processor", workers=[first])
    yield client
    client.run(pretend, None)


def test_every_class_of_a_cluster_is_tuned_for(mixed: Any, own_store: Path) -> None:
    how: dict[str, Any] = {"trials": 2, "operations": ["forward"], "executor": mixed}
    report = tnconv.tune(LAYERS, **how)
    assert not report.failures and len(report.outcomes) == 4
    assert len(report.devices()) == 2 and set(report.devices().values()) == {2}
    records = [read_record(line, "") for _, line in Database(own_store).lines()]
    assert len({record.key.digest for record in records}) == 4
    models = sorted(record.key.device.model for record in records)
    assert models.count("another processor") == 2 and len(set(models)) == 2
    for outcome in report.outcomes:  # filed under the class that timed it
        assert str(read_record(outcome.line, "").key.device) == outcome.device
    again = tnconv.tune(LAYERS, **how)
    assert again.known == 4 and not again.outcomes


def test_the_command_tunes_for_every_class(
    mixed: Any, tmp_path: Path, capsys: Any
) -> None:
    path, out = tmp_path / "layers.toml", tmp_path / "plans.sqlite"
    path.write_text(
        "[[layers]]\nin_channels = 2\nout_channels = 3\ninput_size = [9]\n"
        "kernel_size = 3\n"
    )
    command = ["tune", str(path), "--trials", "2", "--out", str(out)]
    more = ["--operations", "forward", "--scheduler", mixed.scheduler.address]
    assert main([*command, *more]) == 0
    printed = capsys.readouterr().out
    assert "timed on another processor, 1 thread: 1" in printed
    assert printed.count("timed on ") == 2 and len(Database(out).lines()) == 2


def failing(backend: str, dtype: str, device: str | None) -> str:
    """A worker that cannot say what it is."""
    raise ImportError(backend)


def test_workers_that_do_not_say_their_class_are_given_any_task(
    client: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tnconv.tuning.cluster.class_of", failing)
    assert team(client).each([task(0)]) == [task(0)]


def test_no_scheduler_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    from tnconv.tuning import cluster as module

    monkeypatch.setattr(module, "PATIENCE", 1)
    with pytest.raises(ArgumentError, match="no scheduler answers"):
        with cluster("tcp://127.0.0.1:9"):
            pass


def test_what_is_no_executor_is_refused(own_store: Path) -> None:
    with pytest.raises(ArgumentError, match="executor"):
        tnconv.tune(LAYERS, executor=3)
