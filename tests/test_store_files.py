"""Damaged and foreign files in the place of a store, and machines that refuse."""

import os
import random
import sqlite3
import subprocess
import sys
import warnings
from pathlib import Path

import pytest
from tests.damage import NETWORK, is_reported, own_store, used
from tests.stores import record_of

from tnconv.cli import main
from tnconv.errors import StoreError
from tnconv.store import places
from tnconv.store.database import APPLICATION, Database
from tnconv.store.manage import Fault, verified
from tnconv.store.places import StoreWarning
from tnconv.store.reading import BadRecordError
from tnconv.store.records import read_record

__all__ = ["own_store"]


def small_database(path: Path) -> bytes:
    """A store of one plan, its log written back."""
    Database(path).put([record_of(NETWORK)])
    connection = sqlite3.connect(path)
    connection.execute("PRAGMA journal_mode = DELETE")
    connection.close()
    return path.read_bytes()


def survives(path: Path) -> bool:
    """Whether a damaged store is planned and verified with a warning, or used; it never
    is an error, and nothing else is said."""
    places._warn.cache_clear()
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        known = used()
    assert all(issubclass(w.category, StoreWarning) for w in said)
    list(verified(Database(path)))
    return known or bool(said)


def test_truncation_at_every_place(own_store: Path) -> None:
    whole = small_database(own_store)
    draw = random.Random(0)
    for length in sorted({0, 1, 15, 16, 99, 100, *draw.sample(range(len(whole)), 60)}):
        own_store.write_bytes(whole[:length])
        assert survives(own_store) or length <= 1  # to SQLite a new store
        assert own_store.read_bytes() == whole[:length]


@pytest.mark.sweep
def test_truncation_at_every_byte(own_store: Path) -> None:
    whole = small_database(own_store)
    ((_, good),) = Database(own_store).lines()
    for length in range(len(whole)):
        own_store.write_bytes(whole[:length])
        database = Database(own_store)
        try:
            lines = database.lines()
        except StoreError:
            continue
        for _, line in lines:
            try:
                assert read_record(line, "").line() == good
            except BadRecordError:
                continue


def test_flipped_bits_of_a_database(own_store: Path) -> None:
    whole = small_database(own_store)
    draw = random.Random(0)
    ((_, good),) = Database(own_store).lines()
    for at in [*range(0, 100, 7), *draw.sample(range(len(whole)), 60)]:
        broken = bytearray(whole)
        broken[at] ^= 1 << draw.randrange(8)
        own_store.write_bytes(broken)
        survives(own_store)
        for item in verified(Database(own_store)):
            assert isinstance(item, Fault) or item.line() == good


@pytest.mark.parametrize(
    ("pragma", "said"),
    [
        ("user_version = 2", "schema is 2"),
        ("application_id = 7", "something else"),
    ],
)
def test_newer_and_foreign_databases_are_left(
    pragma: str, said: str, own_store: Path
) -> None:
    small_database(own_store)
    connection = sqlite3.connect(own_store)
    connection.execute(f"PRAGMA {pragma}")
    connection.close()
    before = own_store.read_bytes()
    is_reported(said)
    with pytest.raises(StoreError, match=said):
        Database(own_store).put([record_of(NETWORK)])
    assert main(["plans", "prune"]) == 2
    assert own_store.read_bytes() == before


def test_somebody_elses_database_is_left(own_store: Path) -> None:
    connection = sqlite3.connect(own_store)
    connection.execute("CREATE TABLE plans (holiday TEXT)")
    connection.close()
    before = own_store.read_bytes()
    is_reported("something else")
    with pytest.raises(StoreError, match="something else"):
        Database(own_store).put([record_of(NETWORK)])
    assert own_store.read_bytes() == before
    assert APPLICATION == int.from_bytes(b"tncv", "big")


def test_texts_and_folders_in_its_place_are_left(own_store: Path) -> None:
    own_store.write_text("dear diary, " * 100)
    is_reported("not a database")
    with pytest.raises(StoreError, match="not a database"):
        Database(own_store).put([record_of(NETWORK)])
    assert own_store.read_text() == "dear diary, " * 100
    own_store.unlink()
    own_store.mkdir()
    is_reported("unable to open|I/O error")


# ---- a machine that does not let us

CHILD = """
import os, resource, sys, warnings
from tests.stores import NETWORKS, record_of
import tnconv
from tnconv.errors import StoreError
from tnconv.store.database import Database
from pathlib import Path
path = Path(os.environ["TNCONV_STORE"])
record = record_of(NETWORKS["line"])
others = [record_of(network) for network in NETWORKS.values()]
{limit}
try:
    Database(path).put(others)
except StoreError as error:
    print("refused:", error)
warnings.simplefilter("always")
plan = tnconv.expression(NETWORKS["line"]).plan
print("planned:", plan.source)
"""


def child(limit: str) -> str:
    """What a process prints that is held to a limit; it never fails."""
    paths = os.pathsep.join(filter(None, [os.getcwd(), *sys.path]))
    done = subprocess.run(
        [sys.executable, "-c", CHILD.replace("{limit}", limit)],
        env={**os.environ, "PYTHONPATH": paths},
        capture_output=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr.decode()
    return done.stdout.decode()


def test_a_full_disk_is_an_error_in_words_and_loses_nothing(own_store: Path) -> None:
    Database(own_store).put([record_of(NETWORK)])
    size = own_store.stat().st_size
    limit = (
        "import signal; signal.signal(signal.SIGXFSZ, signal.SIG_IGN); "
        f"resource.setrlimit(resource.RLIMIT_FSIZE, ({size}, {size}))"
    )
    said = child(limit)
    assert f"refused: {own_store}" in said and "planned: the store" in said
    assert not [one for one in verified(Database(own_store)) if isinstance(one, Fault)]
    assert len(Database(own_store).lines()) == 1


@pytest.mark.skipif(os.name != "posix" or os.getuid() != 0, reason="needs setuid")
@pytest.mark.parametrize(("mode", "found"), [(0o755, True), (0o700, False)])
def test_without_permission_plans_are_read_or_made(
    mode: int, found: bool, own_store: Path, tmp_path: Path
) -> None:
    for folder in [tmp_path, *tmp_path.parents][:3]:
        os.chmod(folder, 0o755)
    Database(own_store).put([record_of(NETWORK)])
    own_store.chmod(0o644)
    os.chmod(tmp_path, mode)
    said = child("os.setgid(65534); os.setuid(65534)")
    assert "refused:" in said
    assert ("planned: the store" in said) is found
    assert len(Database(own_store).lines()) == 1
