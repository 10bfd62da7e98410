"""Whose turn it is on this machine: one timing at a time, whichever process asks."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tnconv.errors import MissingDependencyError


def lock_path() -> Path:
    """The file that a timing locks: one for each user of a machine, in its folder for
    temporary files."""
    user = os.getuid() if hasattr(os, "getuid") else os.environ.get("USERNAME", "")
    return Path(tempfile.gettempdir()) / f"tnconv-timing-{user}.lock"


@contextmanager
def alone() -> Iterator[None]:
    """Wait until no other process of this user on this machine is timing.

    A process that dies gives its turn back. Raises MissingDependencyError without
    filelock.

    >>> with alone():
    ...     pass
    """
    try:
        from filelock import FileLock
    except ImportError as error:
        raise MissingDependencyError(
            f'tune: needs filelock ({error}); pip install "tnconv[tune]"'
        ) from error
    with FileLock(lock_path()):
        yield
