"""The options in force: a context manager, per thread and per task."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, fields
from functools import lru_cache
from operator import index
from os import PathLike, fsdecode
from os.path import abspath
from typing import Any

from tnconv.errors import ArgumentError
from tnconv.execution.executors import check_executor

#: called with a network, the place it is planned for (:class:`Place`) and the options
Watch = Callable[[Any, Any, Any], None]
PLANNERS = ("auto", "exact", "hyper", "cotengra", "opt_einsum")


@dataclass(frozen=True, eq=False, slots=True)
class Options:
    """What governs planning. Equal options are one object, so they compare by identity.

    ``planner``: "auto" (exact for small networks, cotengra for larger), "exact",
    "hyper", "cotengra" or "opt_einsum". ``trials``, ``seed``, ``search_seconds``: how
    long "hyper" searches. ``forms``: names of those that may be used (all).
    ``memory_limit``: bytes allocated beyond inputs and result at any moment.
    ``memory_share``: what may be held beyond them at no charge, as a share of them.
    ``memory_target``: the share that more is hardly ever held than (the operation's).
    ``alternatives``: whether networks that are not simplified are priced as well.
    ``store``: files of plans that are looked up before the user's store.
    ``watch``: told of every network that is planned.
    ``executor``: whose workers contract the blocks of a plan (None: this thread).
    """

    planner: str = "auto"
    forms: tuple[str, ...] | None = None
    memory_limit: int | None = None
    alternatives: bool = True
    memory_share: float = 1.0
    store: tuple[str, ...] = ()
    watch: Watch | None = None
    executor: Any = None
    trials: int = 64
    seed: int = 0
    search_seconds: float | None = None
    memory_target: float | None = None

    @property
    def plain(self) -> Options:
        """The same with nobody told and no one else at work: what plans depend on."""
        return changed(self, {"watch": None, "executor": None})


@lru_cache(maxsize=4096)
def _interned(*values: Any) -> Options:
    return Options(*values)


_DEFAULT = _interned(*(field.default for field in fields(Options)))
_CURRENT: ContextVar[Options] = ContextVar("tnconv_options", default=_DEFAULT)


def current() -> Options:
    """The options in force."""
    return _CURRENT.get()


@contextmanager
def options(**changes: Any) -> Iterator[Options]:
    """Change options for a ``with`` block, in this thread or task only.

    Args:
        planner: ``"auto"`` (exact for small networks, along cotengra's tree for
            larger), ``"exact"``, ``"hyper"`` (many trees for larger networks, each
            judged by what it costs by the forms here; the best of them),
            ``"cotengra"`` or ``"opt_einsum"``.
        trials: how many trees ``planner="hyper"`` tries.
        seed: what these follow from; the same seed gives the same plan.
        search_seconds: no tree is begun after so many seconds, or None; a plan that
            this ended early depends on the clock.
        forms: names of the forms that may be used, or None for all; for networks
            that these cannot contract, ``"constant"`` and ``"multiply"`` are added.
        memory_limit: bytes beyond inputs and result at any moment, or None.
        alternatives: whether networks that are not simplified are priced as well.
        memory_share: bytes beyond inputs and result that a plan may hold as if they
            cost nothing, as a share of inputs plus result (4 MiB are always free, 1 MiB
            with a target); more are held only where that saves time, the more the more
            they are (``math.inf``: memory costs nothing). ``memory_limit`` is kept
            whatever it costs.
        memory_target: such a share that plans keep to where this does not double their
            time (1 MiB is always free); None is the operation's own: 1.2 for the input
            factor of KFAC-expand, 0.25 for that of KFAC-reduce, else none, as
            ``math.inf``.
        store: files that ``tnconv plans export`` wrote, whose plans are used before
            those of the user's store.
        watch: a function that is called with every network that is planned inside,
            or called there for the first time, the place of its arrays and its options
            (:func:`tnconv.record` is one); derivatives are told of whenever they come.
        executor: who contracts the blocks of plans (``memory_limit`` then holds for
            each worker): a ``dask.distributed.Client``, or an executor of
            ``concurrent.futures``. A plan that no limit cuts is cut for the workers
            where they are predicted to need less time, and runs here elsewhere. What a
            worker that dies had is contracted by another; the same blocks give the
            same bits, whoever contracts them.

    Raises:
        ArgumentError: a name or a value is not known.

    >>> with options(memory_limit=1 << 20) as inside:
    ...     inside.memory_limit
    1048576
    """
    token = _CURRENT.set(changed(current(), changes))
    try:
        yield current()
    finally:
        _CURRENT.reset(token)


def changed(base: Options, changes: dict[str, Any]) -> Options:
    """Options with some fields replaced; unknown names and odd values are errors."""
    names = [field.name for field in fields(Options)]
    for name in changes:
        if name not in names:
            raise ArgumentError(f"options: {name!r} is none of {', '.join(names)}")
    values = {name: getattr(base, name) for name in names} | changes
    _check(values)
    return _interned(*(values[name] for name in names))


def _check(values: dict[str, Any]) -> None:
    """Refuse odd values; forms become a tuple of names, the limit an int."""
    if values["planner"] not in PLANNERS:
        raise ArgumentError(
            f"options: planner {values['planner']!r} is none of {', '.join(PLANNERS)}"
        )
    if not isinstance(values["alternatives"], bool):
        raise ArgumentError(
            f"options: alternatives is True or False, got {values['alternatives']!r}"
        )
    values["memory_share"] = _share("memory_share", values["memory_share"])
    if values["memory_target"] is not None:
        values["memory_target"] = _share("memory_target", values["memory_target"])
    limit = values["memory_limit"]
    if limit is not None:
        if isinstance(limit, bool) or not hasattr(limit, "__index__") or limit < 0:
            raise ArgumentError(f"options: memory_limit is bytes, got {limit!r}")
        values["memory_limit"] = index(limit)
    if values["forms"] is not None:
        values["forms"] = _form_names(values["forms"])
    values["store"] = _paths(values["store"])
    if values["watch"] is not None and not callable(values["watch"]):
        raise ArgumentError(f"options: watch is a function, got {values['watch']!r}")
    check_executor(values["executor"])
    _check_effort(values)


def _share(name: str, share: Any) -> float:
    """A share of inputs plus result, as a float."""
    if isinstance(share, bool) or not isinstance(share, int | float) or not share >= 0:
        raise ArgumentError(
            f"options: {name} is a number from 0 (a share of inputs plus result; "
            f"math.inf: no charge), got {share!r}"
        )
    return float(share)


def _check_effort(values: dict[str, Any]) -> None:
    """Refuse odd trials, seeds and seconds."""
    for name in ("trials", "seed"):
        value = values[name]
        if isinstance(value, bool) or not hasattr(value, "__index__") or value < 0:
            raise ArgumentError(f"options: {name} is a whole number, got {value!r}")
        values[name] = index(value)
    seconds = values["search_seconds"]
    if seconds is None:
        return
    if (
        isinstance(seconds, bool)
        or not isinstance(seconds, int | float)
        or not seconds > 0
    ):
        raise ArgumentError(
            f"options: search_seconds is a time above 0, or None, got {seconds!r}"
        )
    values["search_seconds"] = float(seconds)


def _paths(store: Any) -> tuple[str, ...]:
    """Absolute paths: another working folder changes nothing."""
    listed = not isinstance(store, str | bytes) and isinstance(store, Iterable)
    paths: list[Any] = list(store) if listed else [None]
    if not all(isinstance(path, str | PathLike) for path in paths):
        raise ArgumentError(
            "options: store lists files that tnconv plans export wrote, got "
            f"{store!r:.60}"
        )
    return tuple(abspath(fsdecode(path)) for path in paths)


def _form_names(forms: Any) -> tuple[str, ...]:
    from tnconv.planning.rivals import form_table

    known = ", ".join(form_table())
    if isinstance(forms, str) or not isinstance(forms, Iterable):
        raise ArgumentError(f"options: forms lists names ({known}), got {forms!r}")
    names = tuple(dict.fromkeys(str(name) for name in forms))
    unknown = [name for name in names if name not in form_table()]
    if unknown:
        raise ArgumentError(f"options: forms {unknown} are none of {known}")
    return names
