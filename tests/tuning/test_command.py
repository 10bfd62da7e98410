"""The command that tunes: what it prints, keeps when interrupted, and refuses."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from tests.tuning.small import LAYERS, keys, own_store, quick

import tnconv
from tnconv import networks
from tnconv.cli import main
from tnconv.execution.expression import clear_caches
from tnconv.store.database import Database
from tnconv.store.lines import LineFile
from tnconv.store.manage import Fault, verified
from tnconv.tuning import run as running
from tnconv.tuning.outcome import Outcome
from tnconv.tuning.trials import timed

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

__all__ = ["own_store", "quick"]


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
