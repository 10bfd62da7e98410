"""Where tuned plans go, and where listings wait until the clock has seen them.

A tuning that is interrupted goes on from what lies here: networks with a measured plan
are done, and those with a listing need no second search.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from tnconv.errors import StoreError
from tnconv.execution.files import write_whole
from tnconv.store.database import Database
from tnconv.store.lines import LineFile, write_lines
from tnconv.store.lookup import Place
from tnconv.store.manage import good_records, merged, opened, own_database
from tnconv.store.reading import BadRecordError
from tnconv.store.records import Record, read_record
from tnconv.tuning.search import Listing

#: names of new files that are to be databases; others are files of JSON lines
DATABASES = (".sqlite", ".db")


@dataclass(frozen=True, slots=True)
class Shelf:
    """The store that is written to."""

    place: Place

    @classmethod
    def at(cls, path: Path | None) -> Shelf:
        """The store of a path, new or not; the user's for None. StoreError where it
        cannot be one."""
        if path is None:
            return cls(own_database())
        if not path.exists():
            new = Database if path.suffix in DATABASES else LineFile
            return cls(new(path))
        return cls(opened(path))

    def __str__(self) -> str:
        return str(self.place)

    # ---- plans

    def record(self, key: str) -> Record | None:
        """The record of a key, if there is a good one."""
        try:
            line = self.place.find(key)
            return None if line is None else read_record(line, f"the store {self}")
        except BadRecordError:
            return None
        except StoreError:
            if isinstance(self.place, LineFile) and not self.place.path.exists():
                return None
            raise

    def is_done(self, key: str) -> bool:
        """Whether the plan of a key was measured."""
        found = self.record(key)
        return found is not None and found.measured is not None

    def put(self, record: Record, instead: bool = False) -> None:
        """Keep a record; ``instead`` of what is there, else the better of both."""
        if isinstance(self.place, Database):
            self.place.put([record], instead=instead)
            return
        faults: list[object] = []
        held: list[Record] = []
        if self.place.path.exists():
            held = list(good_records(self.place, faults))  # type: ignore[arg-type]
        if instead:
            held = [other for other in held if other.key.digest != record.key.digest]
        write_lines(self.place.path, merged([*held, record]))

    # ---- listings

    @property
    def folder(self) -> Path:
        """Where listings wait: beside the store, while it is being tuned."""
        path = self.place.path
        return path.with_name(f"{path.name}.tuning")

    def waiting(self, key: str, limit: int, seed: int) -> Listing | None:
        """A listing that an earlier run left."""
        try:
            text = self._file(key, limit, seed).read_text("utf-8")
        except (OSError, ValueError):
            return None
        lines = tuple(text.splitlines())
        try:
            good = all(read_record(line, "").key.digest == key for line in lines)
        except BadRecordError:
            return None
        return Listing(key, lines) if good and lines else None

    def wait(self, listing: Listing, limit: int, seed: int) -> None:
        """Leave a listing for a later run."""
        path = self._file(listing.key, limit, seed)
        write_whole(path, "\n".join([*listing.lines, ""]))

    def forget(self, key: str, limit: int, seed: int) -> None:
        """Remove a listing, and the folder after the last one."""
        with suppress(OSError):
            self._file(key, limit, seed).unlink()
            self.folder.rmdir()

    def _file(self, key: str, limit: int, seed: int) -> Path:
        name = sha256(f"{key} {limit} {seed}".encode()).hexdigest()[:24]
        return self.folder / f"{name}.jsonl"
