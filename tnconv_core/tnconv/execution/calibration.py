"""The user's calibration file: measured constants, read with caution, written whole.

``TNCONV_CALIBRATION`` names the file; otherwise it lies in the user's cache folder. It
holds the records of :mod:`tnconv.planning.constants`, one for each backend and device.
"""

from __future__ import annotations

import json
import os
import warnings
from collections.abc import Mapping
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import Any

from tnconv.errors import ArgumentError
from tnconv.execution.files import cache_folder, write_whole
from tnconv.planning.constants import from_record, nearest, to_record
from tnconv.planning.device import Device
from tnconv.planning.machine import Machine

VARIABLE = "TNCONV_CALIBRATION"
SCHEMA = 1


class CalibrationWarning(UserWarning):
    """A calibration file, or a record in it, that is not used, and why."""


def calibration_file(environment: Mapping[str, str] = os.environ) -> Path:
    """Where the calibration is: as ``TNCONV_CALIBRATION`` says, or in the cache.

    >>> calibration_file({"TNCONV_CALIBRATION": "mine.json"}).name
    'mine.json'
    """
    named = environment.get(VARIABLE)
    if named:
        return Path(named)
    return cache_folder(environment) / "calibration.json"


def machine_for(backend: str, device: Device) -> Machine:
    """The constants for a backend on a device: calibrated ones, else the nearest that
    are shipped.

    Args:
        backend: its name; one without constants has those of ``array_api``.
        device: the class of the device, from :mod:`tnconv.planning.device`.
    """
    return _chosen(backend, device, *_state(calibration_file()))


@lru_cache(maxsize=64)
def _chosen(
    backend: str, device: Device, path: Path, changed: int, size: int
) -> Machine:
    """The constants for a backend on a device, by a state of the file."""
    for machine in _calibrated(path, changed, size):
        if (machine.name, machine.device) == (backend, device):
            return machine
    return replace(nearest(backend, device), device=device)


def _state(path: Path) -> tuple[Path, int, int]:
    """What changes when the file does."""
    try:
        found = path.stat()
    except OSError:
        return path, 0, -1
    return path, found.st_mtime_ns, found.st_size


@lru_cache(maxsize=8)
def _calibrated(path: Path, changed: int, size: int) -> tuple[Machine, ...]:
    """The machines of a file; what cannot be used is warned of, once per state."""
    if size < 0:
        return ()
    try:
        records = read_records(path)
    except ValueError as error:
        _warn(f"the calibration file {path} is not used: {error}")
        return ()
    machines = []
    for record in records:
        try:
            machines.append(from_record(record))
        except (ValueError, TypeError) as error:
            _warn(f"a record of the calibration file {path} is not used: {error}")
    return tuple(machines)


def _warn(text: str) -> None:
    warnings.warn(
        f'{text}; "tnconv calibrate" measures anew', CalibrationWarning, stacklevel=2
    )


def read_records(path: Path) -> list[Any]:
    """The records of a file, not yet checked; ValueError where it is none of ours."""
    try:
        found = json.loads(path.read_text("utf-8"))
    except OSError as error:
        raise ValueError(f"it cannot be read ({error.strerror})") from error
    except (ValueError, RecursionError) as error:
        raise ValueError(f"it is not JSON ({error})") from error
    if not isinstance(found, dict) or not isinstance(found.get("machines"), list):
        raise ValueError("it is not a calibration of tnconv")
    schema = found.get("schema")
    if schema != SCHEMA:
        raise ValueError(f"its schema is {schema!r}, this version reads {SCHEMA}")
    records: list[Any] = found["machines"]
    return records


def save(machine: Machine, path: Path, facts: Mapping[str, Any]) -> None:
    """Write the constants of one machine; those of others in the file are kept.

    The file is replaced in one step, so it is never half written. ``facts`` (date,
    versions) are stored beside the constants. Raises ArgumentError where the file is
    not a calibration: it is left as it is.
    """
    records = check_writable(path)
    mine = {**to_record(machine), **facts}
    kept = [r for r in records if not _is_of(r, mine)]
    text = json.dumps({"schema": SCHEMA, "machines": [*kept, mine]}, indent=1)
    write_whole(path, text + "\n")


def check_writable(path: Path) -> list[Any]:
    """The records of the file that is to be written, none where there is no file.

    Raises ArgumentError where it holds anything else: nobody's file is destroyed.
    """
    try:
        return read_records(path) if path.exists() else []
    except ValueError as error:
        raise ArgumentError(
            f"calibrate: {path} stays as it is, since {error}; move it away, or name "
            "another file"
        ) from error


def _is_of(record: Any, mine: Mapping[str, Any]) -> bool:
    return isinstance(record, dict) and all(
        record.get(name) == mine[name] for name in ("backend", "device")
    )
