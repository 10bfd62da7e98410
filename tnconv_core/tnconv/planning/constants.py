"""Constants of the cost model as records of plain values, shipped and nearest ones."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import fields, replace
from functools import cache
from importlib.resources import files
from math import isfinite, log
from typing import Any

from tnconv.planning.device import Device
from tnconv.planning.machine import KINDS, ROLES, Machine, NativeRate

#: the numbers of a machine, and what they may be: nothing takes a year, nothing
#: moves faster than light carries it
NUMBERS = tuple(f.name for f in fields(Machine) if f.type == "float")
RATES = tuple(f.name for f in fields(NativeRate))
LEAST, MOST = 0.0, 1e18
#: these divide
POSITIVE = {
    *("gemm", "multiply", "copy", "gaps", "sum", "strided_sum", "add", "zeros"),
    *("fresh", "rate", "taps", "line", "volume", "dilated"),
}
FLAGS = ("strided", "stored", "matrices")


def to_record(machine: Machine) -> dict[str, Any]:
    """The constants as what JSON can hold."""
    device = machine.device
    return {
        "backend": machine.name,
        "device": {
            "kind": device.kind,
            "model": device.model,
            "threads": device.threads,
        },
        **{name: getattr(machine, name) for name in FLAGS},
        "native_dims": list(machine.native_dims),
        "constants": {name: getattr(machine, name) for name in NUMBERS},
        "native": {
            f"{role}, {kind}": {name: getattr(rate, name) for name in RATES}
            for (role, kind), rate in machine.native.items()
        },
    }


def from_record(record: Any) -> Machine:
    """The inverse of :func:`to_record`; raises ValueError with what does not fit.

    Constants that a record lacks have their default values.
    """
    record = _table("record", record)
    device = _table("device", record.get("device"))
    named = _table("native", record.get("native", {}))
    numbers: dict[str, Any] = dict(
        _numbers(_table("constants", record.get("constants")), NUMBERS)
    )
    flags: dict[str, Any] = {n: bool(record[n]) for n in FLAGS if n in record}
    dims = tuple(int(n) for n in record.get("native_dims", ()))
    native = {}
    for name, constants in named.items():
        role, _, kind = str(name).partition(", ")
        if role not in ROLES or kind not in KINDS:
            raise ValueError(f"native convolution {name!r} is not known")
        native[role, kind] = NativeRate(**_numbers(_table(name, constants), RATES))
    missing = len(native) < len(ROLES) * len(KINDS)
    if not set(dims) <= {1, 2, 3} or (dims and missing):
        raise ValueError("native convolutions need a rate for every role and kind")
    return Machine(
        str(record.get("backend")),
        Device(
            str(device.get("kind")),
            str(device.get("model")),
            int(_number("threads", device.get("threads"))),
        ),
        native_dims=dims,
        native=native,
        **flags,
        **numbers,
    )


def _table(name: str, found: Any) -> Mapping[str, Any]:
    if not isinstance(found, Mapping):
        raise ValueError(f"{name} is {found!r:.40}, not a table")
    return found


def _numbers(found: Mapping[str, Any], known: Iterable[str]) -> dict[str, float]:
    unknown = sorted(set(found) - set(known))
    if unknown:
        raise ValueError(f"{', '.join(map(str, unknown))} is no constant")
    return {name: _number(name, value) for name, value in found.items()}


def _number(name: str, value: Any) -> float:
    """A number in its range."""
    good = isinstance(value, (int, float)) and not isinstance(value, bool)
    if not good or not isfinite(value) or not LEAST <= value <= MOST:
        raise ValueError(f"{name} is {value!r:.40}, not a number from 0 to {MOST:g}")
    if name in POSITIVE and value == 0:
        raise ValueError(f"{name} is 0, and is divided by")
    return float(value)


@cache
def shipped() -> tuple[Machine, ...]:
    """The constants that come with tnconv."""
    text = files("tnconv.planning").joinpath("machines.json").read_text("utf-8")
    return tuple(from_record(record) for record in json.loads(text)["machines"])


@cache
def nearest(backend: str, device: Device) -> Machine:
    """The shipped constants for a backend on the device most like a given one.

    A backend without any has those of ``array_api``; of devices equally unlike, the
    first that is shipped counts. The result bears the name of the backend asked for,
    and the device that it was measured on.

    >>> nearest("numpy", Device("cpu", "Some Processor", 64)).name
    'numpy'
    """
    mine = [machine for machine in shipped() if machine.name == backend]
    known = mine or [machine for machine in shipped() if machine.name == "array_api"]
    return replace(min(known, key=lambda m: _distance(m.device, device)), name=backend)


def _distance(one: Device, other: Device) -> tuple[bool, bool, bool, bool, float]:
    """The model counts most, then who made it and the family, then the threads."""
    threads = abs(log(max(1, one.threads) / max(1, other.threads)))
    (maker, family), (makers, families) = _line(one), _line(other)
    return (
        one.kind != other.kind,
        one.model != other.model,
        maker != makers,
        family != families,
        threads,
    )


def _line(device: Device) -> tuple[str, str]:
    """The maker and the family of a processor, from its model.

    >>> _line(Device("cpu", "AMD EPYC 7763 64-Core Processor (25/1)"))
    ('AMD', '25')
    """
    maker, numbers = device.model.partition(" ")[0], device.model.rpartition("(")[2]
    return maker, numbers.partition("/")[0]
