"""What a run writes: a line of JSON for each case, after one line that says where.

A kill loses at most the line being written; a run with the same file goes on after the
last whole line. :func:`load` reads such a file, and the compact form of one
(:mod:`benchmarks.compact`).
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

#: what two parts of one file must have in common
SAME = ("backend", "batch", "threads", "seed", "cpu", "commit", "versions")


@dataclass(frozen=True)
class Measured:
    """One case, once: ``round`` 1, or more where a case was measured again.

    ``seconds`` are medians over ``calls`` calls, ``extra`` bytes beyond arrays read and
    result, ``cannot`` the reasons of those that have no time. ``patterns`` counts the
    index patterns that simplification leaves in the network; ``taps`` are kernel
    positions.
    """

    operation: str
    layer: str
    round: int = 1
    patterns: int = 0
    taps: int = 1
    given: int = 0
    result: int = 0
    seconds: dict[str, float] = field(default_factory=dict)
    calls: dict[str, int] = field(default_factory=dict)
    extra: dict[str, int] = field(default_factory=dict)
    cannot: dict[str, str] = field(default_factory=dict)

    @property
    def key(self) -> tuple[str, str, int]:
        """What tells measurements of one file apart."""
        return self.operation, self.layer, self.round


@dataclass(frozen=True)
class Results:
    """A header (machine, versions, settings) and measurements."""

    header: dict[str, Any]
    cases: tuple[Measured, ...]


class Journal:
    """A file of measurements that grows line by line."""

    def __init__(self, path: Path, header: dict[str, Any]) -> None:
        """Start the file, or go on with one of the same machine and settings."""
        self.path = path
        if path.exists() and path.read_bytes().strip():
            known = load(path)
            _same(path, known.header, header)
            self.header, self.cases = known.header, list(known.cases)
            whole = path.read_bytes()
            path.write_bytes(whole[: whole.rfind(b"\n") + 1])
            return
        self.header, self.cases = header, []
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps({"header": header}) + "\n", "utf-8")

    def add(self, measured: Measured) -> None:
        """Append a case."""
        self.cases.append(measured)
        with self.path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(asdict(measured)) + "\n")

    @property
    def results(self) -> Results:
        """Everything measured so far."""
        return Results(self.header, tuple(self.cases))


def load(path: Path) -> Results:
    """Read a file of either form; a last line that was cut off is left out."""
    text = path.read_text("utf-8")
    first, _, rest = text.partition("\n")
    header = json.loads(first).get("header") if first.endswith("}") else None
    if header is None:
        from benchmarks.compact import unpack

        return unpack(json.loads(text))
    whole = rest[: rest.rfind("\n") + 1]
    lines = (json.loads(line) for line in whole.splitlines())
    return Results(header, tuple(Measured(**line) for line in lines))


def _same(path: Path, known: dict[str, Any], header: dict[str, Any]) -> None:
    for key in SAME:
        if known.get(key) != header.get(key):
            raise SystemExit(
                f"{path} was measured with {key} {known.get(key)}, this run has "
                f"{header.get(key)}: give --out another file"
            )
