"""A bounded cache that many threads may use: reads need no lock."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from threading import Lock
from typing import Any, Generic, TypeVar

Value = TypeVar("Value")


#: the caches of this process that :func:`clear_all` empties
_CACHES: list[BoundedCache[Any]] = []


def clear_all() -> None:
    """Empty every cache of this process."""
    for cache in _CACHES:
        cache.clear()


class BoundedCache(Generic[Value]):
    """Oldest entries leave first. A value may be made twice; one of them is kept."""

    def __init__(self, limit: int, *, shared: bool = True) -> None:
        self.limit = limit
        self.entries: dict[Hashable, Value] = {}
        self._lock = Lock()
        if shared:
            _CACHES.append(self)

    def get(self, key: Hashable) -> Value | None:
        """The value of a key, or None."""
        return self.entries.get(key)

    def get_or_make(self, key: Hashable, make: Callable[[], Value]) -> Value:
        """The value of a key, made (outside the lock) where it is missing."""
        found = self.entries.get(key)
        if found is None:
            made = make()
            with self._lock:
                found = self.entries.setdefault(key, made)
                while len(self.entries) > self.limit:
                    del self.entries[next(iter(self.entries))]
        return found

    def clear(self) -> None:
        """Forget everything."""
        with self._lock:
            self.entries.clear()
