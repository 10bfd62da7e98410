"""Reading what somebody else wrote: every value is looked at before it is used."""

from __future__ import annotations

import json
from collections.abc import Iterable
from math import isfinite
from typing import Any, NoReturn

#: the longest record that is read, in characters
LONGEST = 1 << 20
#: how many items a list may have
MOST = 1 << 12
#: the largest size, position or step
LARGEST = 1 << 48


class BadRecordError(ValueError):
    """A record that is not used; the message says why."""


def parsed(text: str) -> Any:
    """JSON as plain values; numbers that are none, and endless nesting, are refused."""
    if len(text) > LONGEST:
        raise BadRecordError(f"it has {len(text)} characters, more than {LONGEST}")
    try:
        return json.loads(text, parse_constant=_refused)
    except (ValueError, RecursionError) as error:
        raise BadRecordError(f"it is not JSON ({error})") from error


def _refused(name: str) -> NoReturn:
    raise BadRecordError(f"{name} is not a number")


def table(value: Any, what: str, names: Iterable[str]) -> dict[str, Any]:
    """A table with exactly these entries."""
    if not isinstance(value, dict) or set(value) != set(names):
        found = sorted(value) if isinstance(value, dict) else value
        raise BadRecordError(f"{what} is {found!r:.80}, not {', '.join(names)}")
    return value


def items(value: Any, what: str, count: int | None = None) -> list[Any]:
    """A list, of so many items."""
    if not isinstance(value, list) or len(value) > MOST:
        raise BadRecordError(f"{what} is {value!r:.40}, not a list")
    if count is not None and len(value) != count:
        raise BadRecordError(f"{what} has {len(value)} items, not {count}")
    return value


def whole(value: Any, what: str, low: int = 0, high: int = LARGEST) -> int:
    """A whole number in its range."""
    if isinstance(value, bool) or not isinstance(value, int):
        raise BadRecordError(f"{what} is {value!r:.40}, not a whole number")
    if not low <= value <= high:
        raise BadRecordError(f"{what} is not between {low} and {high}")
    return value


def number(value: Any, what: str) -> float:
    """A finite number from 0."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise BadRecordError(f"{what} is {value!r:.40}, not a number")
    if not 0 <= value <= 1e18 or not isfinite(value):
        raise BadRecordError(f"{what} is not a number from 0 to 1e18")
    return float(value)


def words(value: Any, what: str, longest: int = 200) -> str:
    """A text that can be printed in one line."""
    if not isinstance(value, str) or not value.isprintable() or len(value) > longest:
        raise BadRecordError(f"{what} is {value!r:.40}, not a line of text")
    return value


def truth(value: Any, what: str) -> bool:
    """True or false."""
    if not isinstance(value, bool):
        raise BadRecordError(f"{what} is {value!r:.40}, neither true nor false")
    return value
