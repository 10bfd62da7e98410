"""The user's store: one SQLite file that many processes may write at once.

Every writer takes the write lock, looks at what is there and keeps the better record,
in one transaction: one that is killed has written all of it or nothing. The write-ahead
log lets others read meanwhile. A connection lives as long as one call, so nothing is
shared by threads or inherited by forks.
"""

from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from urllib.parse import quote

from tnconv.errors import StoreError
from tnconv.store.reading import BadRecordError
from tnconv.store.records import SCHEMA, Record, is_better, read_record

#: what marks a SQLite file as a store of plans
APPLICATION = 0x746E6376
#: seconds that a writer waits for others
PATIENCE = 60.0

TABLES = """
CREATE TABLE IF NOT EXISTS plans (key TEXT PRIMARY KEY, structure TEXT, record TEXT);
CREATE INDEX IF NOT EXISTS structures ON plans (structure);
"""


class Database:
    """A store in a SQLite file, which need not exist yet."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __str__(self) -> str:
        return str(self.path)

    # ---- reading

    def exists(self) -> bool:
        """Whether there is a file; StoreError where that cannot be known."""
        try:
            os.stat(self.path)
        except (FileNotFoundError, NotADirectoryError):
            return False
        except OSError as error:
            raise StoreError(error.strerror or str(error)) from error
        return True

    def find(self, key: str) -> str | None:
        """The line of a key, if there is one."""
        rows = self._select("WHERE key = ?", key)
        return rows[0][1] if rows else None

    def near(self, structure: str) -> list[str]:
        """The lines of all keys of a structure."""
        return [line for _, line in self._select("WHERE structure = ?", structure)]

    def lines(self) -> list[tuple[str, str]]:
        """All keys, in order, with their lines."""
        return self._select("ORDER BY key")

    def _select(self, clause: str, *values: str) -> list[tuple[str, str]]:
        if not self.exists():
            return []
        with _sqlite_errors(), self._reader() as connection:
            if not _check_ours(connection):
                return []
            sql = f"SELECT key, record FROM plans {clause}"
            rows = connection.execute(sql, values)
            return [(_text(key), _text(record)) for key, record in rows]

    @contextmanager
    def _reader(self) -> Iterator[sqlite3.Connection]:
        """A connection that cannot write."""
        connection = self._opened("mode=ro")
        try:
            try:
                connection.execute("PRAGMA user_version").fetchone()
            except sqlite3.OperationalError:  # a folder where no log can be made
                if self._has_log():
                    raise
                connection.close()
                connection = self._opened("mode=ro&immutable=1")
            yield connection
        finally:
            connection.close()

    def _has_log(self) -> bool:
        """Whether anything waits in the write-ahead log."""
        try:
            return os.path.getsize(f"{self.path}-wal") > 0
        except FileNotFoundError:
            return False

    def _opened(self, mode: str) -> sqlite3.Connection:
        uri = f"file:{quote(str(self.path))}?{mode}"
        return sqlite3.connect(uri, timeout=PATIENCE, uri=True, isolation_level=None)

    def check(self) -> list[str]:
        """What SQLite finds wrong with the file; empty where it is sound."""
        with _sqlite_errors(), self._reader() as connection:
            rows = connection.execute("PRAGMA integrity_check(20)").fetchall()
        return [str(row[0]) for row in rows if row[0] != "ok"]

    # ---- writing

    def put(self, records: Iterable[Record], *, instead: bool = False) -> int:
        """Keep the better of each record and what is there, or the new one
        ``instead``; how many were written.

        All of them or none. Raises StoreError where that is not possible; what is
        there then stays as it is.
        """
        found = [(record, record.line()) for record in records]

        def write(connection: sqlite3.Connection) -> int:
            changed = 0
            for record, line in found:
                if instead or _improves(connection, record):
                    row = (record.key.digest, record.key.structure, line)
                    sql = "INSERT OR REPLACE INTO plans VALUES (?, ?, ?)"
                    connection.execute(sql, row)
                    changed += 1
            return changed

        return self._written(write)

    def remove(self, keys: Iterable[str]) -> int:
        """Forget some keys; how many there were."""
        gone = [(key,) for key in keys]

        def write(connection: sqlite3.Connection) -> int:
            return connection.executemany(
                "DELETE FROM plans WHERE key = ?", gone
            ).rowcount

        return self._written(write)

    def _written(self, write: Callable[[sqlite3.Connection], int]) -> int:
        """What a function writes, in one transaction."""
        with _sqlite_errors(f"{self.path}: "):
            self.path.parent.mkdir(parents=True, exist_ok=True)
            connection = sqlite3.connect(
                self.path, timeout=PATIENCE, isolation_level=None
            )
            try:
                _begin(connection)
                changed = write(connection)
                connection.execute("COMMIT")
                return changed
            except BaseException:
                with suppress(sqlite3.Error):
                    connection.execute("ROLLBACK")
                raise
            finally:
                connection.close()


def _begin(connection: sqlite3.Connection) -> None:
    """Take the write lock of a file that is ours, or becomes so."""
    _check_ours(connection)
    end = time.monotonic() + PATIENCE
    while True:
        try:  # the change to a log is not waited for by SQLite itself
            connection.execute("PRAGMA journal_mode = WAL").fetchone()
            break
        except sqlite3.OperationalError as error:
            if "locked" not in str(error) or time.monotonic() > end:
                raise
            time.sleep(0.01)
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("BEGIN IMMEDIATE")
    if _check_ours(connection):
        return
    for statement in TABLES.split(";"):
        connection.execute(statement)
    connection.execute(f"PRAGMA application_id = {APPLICATION}")
    connection.execute(f"PRAGMA user_version = {SCHEMA}")


def _check_ours(connection: sqlite3.Connection) -> bool:
    """Whether the file is a store, False where it is empty; StoreError for others."""
    application, schema, tables = _marks(connection)
    if application == APPLICATION:
        if schema > SCHEMA:
            raise StoreError(f"its schema is {schema}, this version reads {SCHEMA}")
        return True
    if application or schema or tables:
        raise StoreError("it is a database of something else")
    return False


def _marks(connection: sqlite3.Connection) -> list[int]:
    """What a file says it is, and how many tables it has: all of one moment, as
    another writer may make it a store meanwhile."""
    alone = not connection.in_transaction
    if alone:
        connection.execute("BEGIN")
    try:
        return [
            connection.execute(query).fetchone()[0]
            for query in (
                "PRAGMA application_id",
                "PRAGMA user_version",
                "SELECT count(*) FROM sqlite_master",
            )
        ]
    finally:
        if alone and connection.in_transaction:
            connection.execute("ROLLBACK")


def _improves(connection: sqlite3.Connection, record: Record) -> bool:
    sql = "SELECT record FROM plans WHERE key = ?"
    row = connection.execute(sql, (record.key.digest,)).fetchone()
    if row is None:
        return True
    try:
        return is_better(record, read_record(_text(row[0]), ""))
    except BadRecordError:
        return True


def _text(value: object) -> str:
    """A record that is no text is one that no reader takes."""
    return value if isinstance(value, str) else repr(value)


@contextmanager
def _sqlite_errors(where: str = "") -> Iterator[None]:
    """Whatever goes wrong, as a StoreError."""
    try:
        yield
    except sqlite3.Error as error:
        raise StoreError(f"{where}{error}") from error
    except OSError as error:
        raise StoreError(f"{where}{error.strerror or error}") from error
