"""Stores that are damaged, foreign, newer or hostile: said in words, never trusted."""

import json
import os
import random
import sqlite3
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.damage import NETWORK, is_reported, own_store, used
from tests.stores import NETWORKS, record_of, records_of

from tnconv.cli import main
from tnconv.errors import StoreError
from tnconv.store import records
from tnconv.store.database import Database
from tnconv.store.key import canonical_text
from tnconv.store.lines import LineFile, write_lines
from tnconv.store.manage import Fault, verified
from tnconv.store.places import StoreWarning
from tnconv.store.reading import BadRecordError
from tnconv.store.records import read_record

__all__ = ["own_store"]


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
