"""Eight writers of one store, killed at random: nothing that was committed is lost.

A writer says (in a file of its own, synchronously) which plan it wrote once it was told
so by the store. Its plans are copies of a few, under keys of other thread counts, so
that writing is all it does.
"""

import os
import random
import signal
import time
import warnings
from dataclasses import dataclass, field, replace
from pathlib import Path
from traceback import format_exc

import pytest
from tests.stores import NETWORKS, record_of

from tnconv.store.database import Database
from tnconv.store.records import Record, read_record

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")

WRITERS = 8


def copy_of(record: Record, number: int) -> Record:
    """The same plan, as if for a processor of so many threads."""
    device = replace(record.key.device, threads=number)
    return replace(record, key=replace(record.key, device=device))


def write(store: Path, said: Path, records: list[Record], first: int) -> None:
    """Write plans, and say so, until somebody ends it."""
    done = os.open(said, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    for turn in range(first, first + 1_000_000):
        record = copy_of(records[turn % len(records)], turn)
        Database(store).put([record])
        os.write(done, (record.key.digest + "\n").encode())


@dataclass
class Crew:
    """Writers that are started, killed and started again."""

    folder: Path
    records: list[Record]
    writers: dict[int, Path] = field(default_factory=dict)
    started: int = 0

    @property
    def store(self) -> Path:
        """What all of them write."""
        return self.folder / "plans.sqlite"

    def start(self) -> None:
        """One more writer, with keys of its own."""
        self.started += 1
        said = self.folder / f"said-{self.started}"
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # a writer touches no lock of other threads
            child = os.fork()
        if not child:
            try:
                write(self.store, said, self.records, self.started * 1_000_000)
            except BaseException:
                (self.folder / f"error-{os.getpid()}").write_text(format_exc())
            finally:
                os._exit(1)
        self.writers[child] = said

    def kill(self, child: int) -> None:
        """SIGKILL, wherever it is; it has not ended by itself."""
        del self.writers[child]
        os.kill(child, signal.SIGKILL)
        _, status = os.waitpid(child, 0)
        failed = self.folder / f"error-{child}"
        assert not failed.exists(), failed.read_text()
        assert os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL

    def committed(self) -> set[str]:
        """The keys that writers said they wrote; a last word may be cut off."""
        words = (p.read_text().split() for p in self.folder.glob("said-*"))
        return {word for found in words for word in found if len(word) == 32}


def run(folder: Path, rounds: int, seed: int) -> int:
    """Kill one writer after another; how many plans were committed."""
    draw = random.Random(seed)
    records = [record_of(NETWORKS[name]) for name in ("line", "conv", "weight")]
    crew = Crew(folder, records)
    database = Database(crew.store)
    for _ in range(WRITERS):
        crew.start()
    try:
        for turn in range(rounds):
            time.sleep(draw.uniform(0.0, 0.1))
            said = crew.committed()
            crew.kill(draw.choice([*crew.writers]))
            crew.start()
            if turn % 10 == 0:
                check(database, said)
    finally:
        for child in [*crew.writers]:
            crew.kill(child)
    said = crew.committed()
    check(database, said)
    for key, line in database.lines():
        assert read_record(line, "").key.digest == key
    return len(said)


def check(database: Database, said: set[str]) -> None:
    """The store is whole and holds what was committed."""
    assert not said or database.check() == []
    assert said <= {key for key, _ in database.lines()}


def test_killed_writers_lose_nothing(tmp_path: Path) -> None:
    assert run(tmp_path, 20, seed=0) > 5


@pytest.mark.sweep
def test_killed_writers_lose_nothing_in_two_hundred_rounds(tmp_path: Path) -> None:
    assert run(tmp_path, 200, seed=1) > 50
