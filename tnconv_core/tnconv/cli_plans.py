"""The command ``tnconv plans``: look at stored plans, move them, check them."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tnconv.errors import ArgumentError, StoreError

if TYPE_CHECKING:
    from tnconv.store.manage import Fault
    from tnconv.store.records import Record

DESCRIPTION = """\
Plans that were tuned or kept, in your store (the file that TNCONV_STORE names, or one
in your cache folder) or in a file of JSON lines that travels with a model and is named
in tnconv.options(store=[...]).

examples:
  tnconv plans list
  tnconv plans show 3f2a
  tnconv plans export plans.jsonl
  tnconv plans import plans.jsonl
  tnconv plans merge all.jsonl one.jsonl other.jsonl
  tnconv plans verify plans.jsonl
  tnconv plans prune
"""
#: columns of a text in a list
WIDTH = 40


def add(commands: Any) -> None:
    """Add the command to the parser's."""
    command = commands.add_parser(
        "plans",
        help="list, show, move and verify stored plans",
        description=DESCRIPTION,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    actions = command.add_subparsers(metavar="ACTION", required=True)
    _action(actions, "list", _list, "a line for each plan", "file?")
    _action(actions, "show", _show, "a plan in full", "key", "file?")
    _action(actions, "export", _export, "write your plans to a file", "file", "key*")
    _action(actions, "import", _import, "read files into your store", "file+")
    _action(actions, "merge", _merge, "the best plans of files in one", "out", "file+")
    _action(actions, "prune", _prune, "remove what verify finds wrong in your store")
    _action(actions, "verify", _verify, "check every plan", "file?")


HELP = {
    "file": "a file of plans (default, where it may be left out: your store)",
    "key": "the key of a plan, or its beginning",
    "out": "the file to write; plans that it holds are merged too",
}


def _action(actions: Any, name: str, run: Any, text: str, *arguments: str) -> None:
    action = actions.add_parser(name, help=text, description=text)
    for argument in arguments:
        dest = argument.rstrip("?*+")
        count = argument[len(dest) :] or None
        kind = Path if dest in ("file", "out") else str
        meta = dest.upper()
        action.add_argument(dest, nargs=count, type=kind, metavar=meta, help=HELP[dest])
    action.set_defaults(run=run)


def _list(options: argparse.Namespace) -> int:
    """A line a plan."""
    from tnconv.console import show_table
    from tnconv.store.manage import good_records, opened

    faults: list[Fault] = []
    head = ("key", "network", "for", "device", "forms", "predicted ms")
    place = opened(options.file)
    rows = [_row(record) for record in good_records(place, faults)]
    if rows:
        show_table((*head, "measured ms", "gain"), rows)
    elif not faults:
        print(f"no plans in {place}")
    return _told(faults)


def _row(record: Record) -> tuple[str, ...]:
    key, measured = record.key, record.measured
    times = ("", "")
    if measured:
        gain = measured.default / measured.seconds if measured.seconds else 1.0
        times = (f"{measured.seconds * 1e3:.3f}", f"{gain:.2f}x")
    return (
        key.digest[:12],
        _short(str(key.network)),
        f"{key.backend} {key.dtype}",
        _short(str(key.device), 30),
        _short(" ".join(record.plan.forms) or "a view"),
        f"{record.plan.seconds * 1e3:.3f}",
        *times,
    )


def _short(text: str, width: int = WIDTH) -> str:
    return text if len(text) <= width else text[: width - 3] + "..."


def _told(faults: list[Fault]) -> int:
    """Say what is wrong, on standard error; the exit code."""
    for fault in faults:
        print(f"tnconv: {fault.where}: {fault.why}", file=sys.stderr)
    return 1 if faults else 0


def _show(options: argparse.Namespace) -> int:
    from tnconv.execution.report import report
    from tnconv.planning.check import UnfitPlanError
    from tnconv.store.manage import good_records, opened, realize

    faults: list[Fault] = []
    records = list(good_records(opened(options.file), faults))
    record = _chosen(records, options.key)
    key, measured = record.key, record.measured
    try:
        print(report(realize(record), key.backend, key.dtype))
    except UnfitPlanError as error:
        raise StoreError(f"{key.digest}: {error}") from error
    print(f"key         {key.digest}")
    print(f"device      {key.device}")
    limits = [f"{k}={v}" for k, v in sorted(key.constraints.items())]
    print(f"options     {', '.join(limits)}")
    if measured:
        print(
            f"measured    {measured.seconds * 1e3:.3f} ms, the default plan "
            f"{measured.default * 1e3:.3f} ms (spread {measured.spread:.0%})"
        )
    tools = ", ".join(f"{name} {number}" for name, number in record.versions.items())
    seed = "" if record.seed is None else f", seed {record.seed}"
    print(f"found       {record.date} by {tools}{seed}")
    return 0


def _chosen(records: list[Record], start: str) -> Record:
    """The one record whose key begins so."""
    found = [record for record in records if record.key.digest.startswith(start)]
    if len(found) != 1:
        many = f"{len(found)} keys begin" if found else "no key begins"
        raise ArgumentError(f"plans: {many} with {start!r} (tnconv plans list has all)")
    return found[0]


def _export(options: argparse.Namespace) -> int:
    from tnconv.store.manage import export, good_records, opened

    faults: list[Fault] = []
    records = list(good_records(opened(), faults))
    if options.key:
        records = [_chosen(records, key) for key in options.key]
    count = export(options.file, records)
    print(f"{count} plans in {options.file}")
    return _told(faults)


def _import(options: argparse.Namespace) -> int:
    from tnconv.store.manage import Fault, merged, opened, own_database, verified

    place = own_database()
    found = [item for path in options.file for item in verified(opened(path))]
    faults = [item for item in found if isinstance(item, Fault)]
    records = merged(item for item in found if not isinstance(item, Fault))
    changed = place.put(records)
    print(f"{len(records)} plans read, {changed} of them new or better, into {place}")
    return _told(faults)


def _merge(options: argparse.Namespace) -> int:
    from tnconv.store.manage import export, good_records, opened

    faults: list[Fault] = []
    files = map(opened, options.file)
    records = [record for place in files for record in good_records(place, faults)]
    print(f"{export(options.out, records)} plans in {options.out}")
    return _told(faults)


def _verify(options: argparse.Namespace) -> int:
    from tnconv.store.manage import Fault, opened, verified

    place = opened(options.file)
    found = list(verified(place))
    faults = [item for item in found if isinstance(item, Fault)]
    print(
        f"{len(found) - len(faults)} plans of {place} are good, {len(faults)} are not"
    )
    return _told(faults)


def _prune(options: argparse.Namespace) -> int:
    from tnconv.store.manage import Fault, own_database, verified

    place = own_database()
    faults = [item for item in verified(place) if isinstance(item, Fault)]
    _told(faults)
    gone = place.remove([fault.where for fault in faults]) if faults else 0
    print(f"{gone} plans removed from {place}")
    return 0
