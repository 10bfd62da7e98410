"""Workers: all answers come, dead ones are replaced, time is kept."""

import os
import signal
import sys
import time
from collections.abc import Iterator
from concurrent.futures import BrokenExecutor, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from tnconv.tuning.crew import Alone, Team, processes


@pytest.fixture(scope="module")
def team() -> Iterator[Team]:
    """Two processes."""
    with processes(2) as crew:
        yield crew


def double(number: int) -> int:
    """Twice the number; 3 is refused."""
    if number == 3:
        raise ValueError("three")
    return 2 * number


def fatal(number: int, said: str) -> int:
    """Kills its worker the first time it is asked for 2, and always for 4."""
    mark = Path(said) / f"{number}"
    if (number == 2 and not mark.exists()) or number == 4:
        mark.touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return number


def nap(number: int, seconds: float) -> int:
    """A number, later."""
    time.sleep(seconds)
    return number


NUMBERS = [(number,) for number in range(6)]


@pytest.mark.parametrize("kind", ["alone", "threads", "processes"])
def test_every_answer_comes_once(kind: str, request: Any) -> None:
    if kind == "processes":
        crew: Any = request.getfixturevalue("team")
    else:
        crew = Alone() if kind == "alone" else Team(ThreadPoolExecutor(2))
    answers = dict(crew.answers(double, NUMBERS))
    assert isinstance(answers.pop(3), ValueError)
    assert answers == {0: 0, 1: 2, 2: 4, 4: 8, 5: 10}


@pytest.mark.skipif(sys.platform == "win32", reason="signals")
def test_a_dead_worker_is_replaced_and_the_guilty_task_given_up(
    team: Team, tmp_path: Path
) -> None:
    given = [(number, str(tmp_path)) for number in range(6)]
    answers = dict(team.answers(fatal, given))
    assert isinstance(answers.pop(4), BrokenExecutor)
    assert answers == {0: 0, 1: 1, 2: 2, 3: 3, 5: 5}
    assert dict(team.answers(double, [(1,)])) == {0: 2}


def test_what_has_not_begun_in_time_is_left_out(team: Team) -> None:
    given = [(number, 0.3) for number in range(20)]
    for crew in (Alone(), team):
        answers = dict(crew.answers(nap, given, time.monotonic() + 0.5))
        assert 0 < len(answers) < 20
        assert all(at == answer for at, answer in answers.items())
    assert dict(team.answers(double, [(1,)])) == {0: 2}


def test_an_executor_that_is_given_is_not_shut_down() -> None:
    with ThreadPoolExecutor(1) as executor:
        with Team(executor) as crew:
            assert list(crew.answers(double, [(1,)])) == [(0, 2)]
        assert executor.submit(double, 2).result() == 4
