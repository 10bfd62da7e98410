"""A store as a file of JSON lines: read-only at run time, at home in a repository.

The first line says what the file is, every other one is a record. Keys are found by the
beginnings of lines, so that a look-up reads one record, not all.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from tnconv.errors import StoreError
from tnconv.execution.files import write_whole
from tnconv.store.reading import BadRecordError, parsed
from tnconv.store.records import SCHEMA, Record

KIND = "tnconv plans"
#: how a record begins
HEAD = re.compile(r'\{"key":"([0-9a-f]{32})","structure":"([0-9a-f]{32})",')


@dataclass(frozen=True, slots=True)
class LineFile:
    """A store that is a file of JSON lines, and only read."""

    path: Path

    def __str__(self) -> str:
        return str(self.path)

    def exists(self) -> bool:
        """Somebody named the file, so reading it says what is wrong with it."""
        return True

    def find(self, key: str) -> str | None:
        """The line of a key, if there is one."""
        return self._index().keys.get(key)

    def near(self, structure: str) -> list[str]:
        """The lines of all keys of a structure."""
        return self._index().structures.get(structure, [])

    def lines(self) -> list[tuple[str, str]]:
        """All lines that may be records, with what they are called: a key, or the
        number of the line where it shows none."""
        return self._index().lines

    def check(self) -> list[str]:
        """Nothing beside what reading its records tells."""
        self._index()
        return []

    def _index(self) -> _Index:
        try:
            state = self.path.stat()
        except OSError as error:
            raise StoreError(error.strerror or str(error)) from error
        return _indexed(self.path, state.st_mtime_ns, state.st_size)


@dataclass(frozen=True, slots=True)
class _Index:
    lines: list[tuple[str, str]]
    keys: dict[str, str]
    structures: dict[str, list[str]]


@lru_cache(maxsize=16)
def _indexed(path: Path, changed: int, size: int) -> _Index:
    """The lines of a file in one state; StoreError where it is none of ours."""
    try:
        first, *lines = path.read_text("utf-8").split("\n")
    except OSError as error:
        raise StoreError(error.strerror or str(error)) from error
    except ValueError as error:
        raise StoreError("it is not text") from error
    _check_ours(first)
    index = _Index([], {}, {})
    for at, line in enumerate(lines, 2):
        found = HEAD.match(line)
        if line.strip():
            index.lines.append((found[1] if found else f"line {at}", line))
        if found:
            index.keys.setdefault(found[1], line)
            index.structures.setdefault(found[2], []).append(line)
    return index


def _check_ours(line: str) -> None:
    try:
        found = parsed(line)
    except BadRecordError as error:
        raise StoreError(f"its first line is none of a store: {error}") from error
    if not isinstance(found, dict) or found.get("kind") != KIND:
        raise StoreError("it is not a file of plans")
    if found.get("schema") != SCHEMA:
        schema = repr(found.get("schema"))[:20]
        raise StoreError(f"its schema is {schema}, this version reads {SCHEMA}")


def write_lines(path: Path, records: Iterable[Record]) -> int:
    """Write a file of records, in the order of their keys; how many. A file that is
    there is replaced in one step. Raises StoreError where that is not possible."""
    lines = sorted(record.line() for record in records)
    head = json.dumps({"kind": KIND, "schema": SCHEMA})
    try:
        write_whole(path, "\n".join([head, *lines, ""]))
    except OSError as error:
        raise StoreError(f"{error.filename or path}: {error.strerror}") from error
    return len(lines)
