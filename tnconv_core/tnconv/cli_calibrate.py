"""The command ``tnconv calibrate``: measure this machine, and keep what was found."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tnconv.errors import ArgumentError

if TYPE_CHECKING:
    from tnconv.execution.calibrate import Calibration

DESCRIPTION = """\
Measure how fast a backend is on this machine: matrix products, copies, sums, fresh
memory, calls, its own convolutions. Plans made afterwards go by what was measured.

Writes the file that TNCONV_CALIBRATION names, or one in your cache folder; constants of
other backends and devices in it are kept. Run it on an idle machine. Measured plans of
your store say how good the new constants are; plans there that nobody measured are
planned anew by them.

examples:
  tnconv calibrate
  tnconv calibrate --backend torch --seconds 30
  tnconv calibrate --backend torch --out constants.json
"""
#: a mean error of predictions above which the machine was probably not idle
SUSPICIOUS = 0.5


def add(commands: Any) -> None:
    """Add the command to the parser's."""
    command = commands.add_parser(
        "calibrate",
        help="measure this machine for the cost model",
        description=DESCRIPTION,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    command.add_argument(
        "--backend",
        default="numpy",
        metavar="NAME",
        help="which backend to measure (default: numpy)",
    )
    command.add_argument(
        "--device",
        default=None,
        metavar="NAME",
        help="where, as the library names it (default: the library's own)",
    )
    command.add_argument(
        "--seconds",
        type=float,
        default=60.0,
        metavar="S",
        help="how long it may take, about (default: 60)",
    )
    command.add_argument(
        "--out",
        type=Path,
        default=None,
        metavar="FILE",
        help="write this file instead of yours",
    )
    command.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Measure, print old and new constants, write the file."""
    from tnconv.console import show_table, stage
    from tnconv.execution.calibrate import calibrate, save_calibration
    from tnconv.execution.calibration import calibration_file, check_writable

    if not options.seconds > 0:
        raise ArgumentError(f"calibrate: --seconds is above 0, got {options.seconds}")
    path = calibration_file() if options.out is None else options.out
    check_writable(path)
    with stage(f"measuring {options.backend}") as update:
        found = calibrate(
            options.backend,
            device=options.device,
            seconds=options.seconds,
            update=update,
        )
    print(f"{found.new.name} on {found.new.device}")
    show_table(("constant", "before", "now"), found.rows())
    print(
        f"predictions of the probes are off by {found.after:.0%} on average "
        f"({found.before:.0%} before)"
    )
    if found.after > SUSPICIOUS:
        print("that is much: if the machine was busy, measure again when it is idle")
    print(f"written to {save_calibration(found, path)}")
    if options.out is None:
        _tell_store(found)
    return 0


def _tell_store(found: Calibration) -> None:
    """What it means for the plans in the user's store, if there is one."""
    from tnconv.store.manage import own_database
    from tnconv.store.places import user_path
    from tnconv.store.recalibrated import recalibrated

    if user_path() is None or not own_database().exists():
        return
    seen = recalibrated(own_database(), found.old, found.new)
    if seen.measured:
        print(
            f"predictions of {seen.measured} measured plans of your store are off by "
            f"{seen.after:.0%} ({seen.before:.0%} before)"
        )
    if seen.renewed:
        print(f"{seen.renewed} plans of your store, never measured, are planned anew")
