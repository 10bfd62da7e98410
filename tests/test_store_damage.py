"""Stores that are damaged, foreign, newer or hostile: said in words, never trusted."""

import json
import os
import random
import sqlite3
import subprocess
import sys
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.stores import NETWORKS, record_of, records_of

import tnconv
from tnconv.cli import main
from tnconv.errors import StoreError
from tnconv.execution.expression import clear_caches
from tnconv.store import places, records
from tnconv.store.database import APPLICATION, Database
from tnconv.store.key import canonical_text
from tnconv.store.lines import LineFile, write_lines
from tnconv.store.manage import Fault, verified
from tnconv.store.places import StoreWarning
from tnconv.store.reading import BadRecordError
from tnconv.store.records import read_record

NETWORK = NETWORKS["line"]


@pytest.fixture(autouse=True)
def own_store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A user's store of the test's own, which is not there yet."""
    path = tmp_path / "plans.sqlite"
    monkeypatch.setenv("TNCONV_STORE", str(path))
    clear_caches()
    places._warn.cache_clear()
    yield path
    clear_caches()


def used(path: Path | None = None) -> bool:
    """Whether the network's plan comes from a store; there never is an error."""
    clear_caches()
    with tnconv.options(store=[path] if path else []):
        plan = tnconv.expression(NETWORK).plan
    return plan.source.startswith("the store")


def is_reported(said: str, path: Path | None = None) -> None:
    """One warning in these words, and the network is planned."""
    with pytest.warns(StoreWarning, match=said):
        assert not used(path)
    assert not used(path)  # a second warning would be an error


# ---- records


def resealed(change: Callable[[dict[str, Any]], Any]) -> str:
    """A record with changes, and digests that fit them."""
    body = json.loads(record_of(NETWORK).line())
    change(body)
    del body["digest"]
    head = canonical_text({name: body.pop(name) for name in ("key", "structure")})
    text = f"{head[:-1]},{canonical_text(body)[1:-1]}"
    return f'{text},"digest":"{records._sealed(text)}"}}'


def change(*path: str | int, value: Any) -> Callable[[dict[str, Any]], None]:
    """Put a value in the place at the end of a path."""

    def run(body: Any) -> None:
        for name in path[:-1]:
            body = body[name]
        body[path[-1]] = value

    return run


DEEP = json.loads("[" * 400 + "]" * 400)
STEP = ("plan", "steps", 0)
HOSTILE = {
    "schema": change("schema", value=2),
    "no schema": change("schema", value="1"),
    "size": change("network", "sizes", "l0", value=3),
    "huge size": change("network", "sizes", "l0", value=10**30),
    "huge float": change("plan", "seconds", value=1e300),
    "negative": change("plan", "seconds", value=-1.0),
    "wrong type": change("plan", "steps", value="all"),
    "a table": change("plan", "steps", value={}),
    "deep": change(*STEP, "variant", value=DEEP),
    "deep network": change("network", "operands", value=DEEP),
    "form": change(*STEP, "form", value="../../etc/passwd"),
    "unknown form": change(*STEP, "form", value="teleport"),
    "other form": change(*STEP, "form", value="lag"),
    "variant": change(*STEP, "variant", value=["sideways", True]),
    "values": change(*STEP, "values", value=[0, 0]),
    "out of range": change(*STEP, "values", value=[99]),
    "negative value": change(*STEP, "values", value=[-1]),
    "constraint": change(*STEP, "constraints", value=[0]),
    "no steps": change("plan", "steps", value=[]),
    "rewrites": change("plan", "rewrites", value="as wished"),
    "another rewrite": change("plan", "rewrites", value="kernel-output swap"),
    "control": change("plan", "rewrites", value="\x1b[2J"),
    "blocks": change("plan", "blocks", value={"label": "l0", "size": 0, "bodies": []}),
    "no label": change("plan", "blocks", value={"label": "?", "size": 1, "bodies": []}),
    "parts": change("plan", "parts", value=[None]),
    "more": change("code", value="__import__('os').system('false')"),
    "dtype": change("dtype", value="float64"),
    "backend": change("backend", value="/bin/sh"),
    "measured": change("measured", value={"seconds": "fast"}),
    "versions": change("versions", value=["1"]),
    "null": change("network", value=None),
    "kernel": change("plan", "network", "operands", value=[]),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_records_are_not_used(
    name: str, own_store: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    line = resealed(HOSTILE[name])
    key = record_of(NETWORK).key
    path = tmp_path / "plans.jsonl"
    write_lines(path, [])
    path.write_text(path.read_text() + line + "\n")
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        assert not used(path)
    assert len(said) == 1 and issubclass(said[0].category, StoreWarning)
    assert main(["plans", "verify", str(path)]) == 1
    assert key.digest in capsys.readouterr().err
    before = path.read_bytes()
    assert main(["plans", "import", str(path)]) == 1
    assert not used()
    assert path.read_bytes() == before


def test_a_good_record_in_disguise_is_good() -> None:
    found = read_record(resealed(lambda body: None), "exact search")
    assert found.plan == record_of(NETWORK).plan


def test_a_record_under_the_key_of_another_is_not_used(own_store: Path) -> None:
    database, wrong = Database(own_store), record_of(NETWORKS["conv"])
    database.put([wrong])
    connection = sqlite3.connect(own_store)
    row = (record_of(NETWORK).key.digest, wrong.key.digest)
    connection.execute("UPDATE plans SET key = ? WHERE key = ?", row)
    connection.commit()
    connection.close()
    is_reported("another network")
    assert [type(item) for item in verified(database)] == [Fault]


@pytest.mark.parametrize(
    "text",
    [
        "", "null", "[]", "{}", "{", '{"schema": 1}', "NaN", '{"key": Infinity}',
        "[" * 100_000, '{"a":' * 50_000, "1" * 10_000, '"\\ud800"', "\x00",
        '{"schema": 1e999}', '{"schema": true}',
    ],
)  # fmt: skip
def test_texts_that_are_no_records(text: str) -> None:
    with pytest.raises(BadRecordError):
        read_record(text, "")


def test_every_flipped_bit_of_a_record_is_found() -> None:
    line = record_of(NETWORK).line()
    draw = random.Random(0)
    for at in draw.sample(range(len(line)), 200):
        flipped = chr(ord(line[at]) ^ 1 << draw.randrange(7))
        with pytest.raises(BadRecordError):
            read_record(line[:at] + flipped + line[at + 1 :], "")


# ---- files of lines


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "not JSON"),
        ("hello", "not JSON"),
        ('{"kind": "holiday pictures"}', "not a file of plans"),
        ('{"kind": "tnconv plans", "schema": 2}', "schema is 2"),
        ('{"kind": "tnconv plans"}', "schema is None"),
        ("[" * 100_000, "not JSON"),
    ],
)
def test_foreign_files_are_reported_and_left(
    text: str, said: str, tmp_path: Path
) -> None:
    path = tmp_path / "other.jsonl"
    path.write_text(text)
    is_reported(said, path)
    assert main(["plans", "verify", str(path)]) == 1
    assert main(["plans", "export", str(path)]) == 2
    assert path.read_text() == text


def test_a_file_that_is_not_there_is_reported(tmp_path: Path) -> None:
    is_reported("No such file", tmp_path / "none.jsonl")


def test_a_file_cut_off_anywhere_keeps_its_whole_lines(tmp_path: Path) -> None:
    path = tmp_path / "plans.jsonl"
    found = records_of(["line", "conv"])
    write_lines(path, found)
    whole = path.read_bytes()
    lines = [record.line() for record in found]
    for length in range(0, len(whole), 41):
        path.write_bytes(whole[:length])
        os.utime(path, ns=(length, length))
        try:
            kept = [line for _, line in LineFile(path).lines()]
        except StoreError:
            assert length < len(whole.partition(b"\n")[0])
            continue
        good = []
        for line in kept:
            try:
                good.append(read_record(line, "").line())
            except BadRecordError:
                assert line == kept[-1] and line not in lines
        assert set(good) <= set(lines) and len(good) >= len(kept) - 1


# ---- databases


def small_database(path: Path) -> bytes:
    """A store of one plan, its log written back."""
    Database(path).put([record_of(NETWORK)])
    connection = sqlite3.connect(path)
    connection.execute("PRAGMA journal_mode = DELETE")
    connection.close()
    return path.read_bytes()


def survives(path: Path) -> None:
    """A damaged store: planned, verified and written to without a crash."""
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        used()
    assert all(issubclass(w.category, StoreWarning) for w in said)
    list(verified(Database(path)))


def test_truncation_at_every_place(own_store: Path) -> None:
    whole = small_database(own_store)
    draw = random.Random(0)
    for length in sorted({0, 1, 15, 16, 99, 100, *draw.sample(range(len(whole)), 60)}):
        own_store.write_bytes(whole[:length])
        survives(own_store)
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
    assert main(["plans", "prune"]) == 2 or own_store.read_bytes() == before
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
    assert [type(item) for item in verified(Database(own_store))] != [Fault]
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
