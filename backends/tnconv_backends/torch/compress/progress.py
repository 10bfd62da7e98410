"""A progress bar, where one is asked for."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from tnconv.errors import MissingDependencyError


@contextmanager
def bar(show: bool, text: str, total: int | None) -> Iterator[Callable[[], None]]:
    """Yields what to call after each piece of work; nothing is shown unless asked.

    Raises MissingDependencyError where tqdm is not installed.
    """
    if not show:
        yield lambda: None
        return
    try:
        from tqdm import tqdm
    except ImportError:
        raise MissingDependencyError(
            'compress: a progress bar needs tqdm; pip install "tnconv[progress]"'
        ) from None
    with tqdm(total=total, desc=text, leave=False) as shown:

        def tick() -> None:
            shown.update()

        yield tick
