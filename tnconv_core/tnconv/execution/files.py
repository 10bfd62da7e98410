"""Files of the user: where they are, and how they are written whole."""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path


def cache_folder(environment: Mapping[str, str] = os.environ) -> Path:
    """The user's folder for what tnconv keeps, by the platform's convention.

    >>> cache_folder({"XDG_CACHE_HOME": "/tmp/caches"}).name
    'tnconv'
    """
    if sys.platform == "darwin":
        folder = Path.home() / "Library" / "Caches"
    elif sys.platform == "win32":
        folder = Path(environment.get("LOCALAPPDATA") or Path.home() / "AppData/Local")
    else:
        folder = Path(environment.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return folder / "tnconv"


def write_whole(path: Path, text: str) -> None:
    """Write a file beside its place, then move it there: readers see old or new."""
    path.parent.mkdir(parents=True, exist_ok=True)
    number, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(number, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        os.replace(name, path)
    except BaseException:
        with suppress(OSError):
            os.unlink(name)
        raise
