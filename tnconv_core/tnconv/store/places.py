"""Where plans are looked for: files that options name, then the user's store."""

from __future__ import annotations

import os
import warnings
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tnconv.execution.files import cache_folder

if TYPE_CHECKING:
    from tnconv.options import Options
    from tnconv.store.database import Database
    from tnconv.store.lines import LineFile

VARIABLE = "TNCONV_STORE"


class StoreWarning(UserWarning):
    """A store, or a record in it, that is not used, and why."""


def user_path(environment: Mapping[str, str] = os.environ) -> Path | None:
    """The user's store: the file that ``TNCONV_STORE`` names (none where that is
    ``off``), else one in the cache folder.

    >>> print(user_path({"TNCONV_STORE": "mine.sqlite"}))
    mine.sqlite
    >>> print(user_path({"TNCONV_STORE": "off"}))
    None
    """
    named = environment.get(VARIABLE)
    if named == "off":
        return None
    try:
        return Path(named) if named else cache_folder(environment) / "plans.sqlite"
    except RuntimeError:  # a user without a home
        return None


def places(options: Options) -> list[LineFile | Database]:
    """The stores to look in, in order. Nothing is imported for those that are not
    there, so a first call without a store takes no longer."""
    found: list[LineFile | Database] = []
    if options.store:
        from tnconv.store.lines import LineFile

        found += [LineFile(Path(name)) for name in options.store]
    path = user_path()
    if path is not None and _is_there(path):
        from tnconv.store.database import Database

        found.append(Database(path))
    return found


def _is_there(path: Path) -> bool:
    try:
        os.stat(path)
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError as error:
        warn(path, f"is not used: {error.strerror}")
        return False
    return True


def warn(place: Any, said: str) -> None:
    """Report what is wrong with a store."""
    _warn(f"the store {place} {said}; tnconv plans verify lists what is wrong with it")


@lru_cache(maxsize=256)
def _warn(text: str) -> None:
    """Once for each text."""
    warnings.warn(text, StoreWarning, stacklevel=2)
