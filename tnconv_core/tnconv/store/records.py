"""A record: a plan with what it is for, how it was found and what the clock said."""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from hashlib import sha256
from typing import Any

from tnconv.planning.device import Device
from tnconv.planning.plan import Plan
from tnconv.planning.planned import Planned
from tnconv.store.key import Key, canonical_text, constraints_read
from tnconv.store.network_json import network_record, read_network
from tnconv.store.plan_json import plan_record, read_plan
from tnconv.store.reading import BadRecordError, number, parsed, table, whole, words

#: what this version writes, and the newest it reads
SCHEMA = 1
FIELDS = (
    *("schema", "key", "structure", "network", "backend", "device", "dtype"),
    *("constraints", "plan", "measured", "versions", "seed", "date", "digest"),
)


@dataclass(frozen=True, slots=True)
class Measured:
    """Seconds of a plan, and of the default plan beside it in the same run.

    ``predicted`` is what the default plan was predicted to take, ``spread`` how far two
    measurements of one plan were apart, as a share of them.
    """

    seconds: float
    default: float
    predicted: float
    spread: float


@dataclass(frozen=True, slots=True)
class Record:
    """A plan for a key. ``seed`` is that of the search, None where it had none."""

    key: Key
    plan: Plan
    measured: Measured | None
    versions: Mapping[str, str]
    date: str
    seed: int | None = None

    @classmethod
    def of(
        cls,
        key: Key,
        planned: Planned,
        measured: Measured | None = None,
        seed: int | None = None,
    ) -> Record:
        """A record of today, by the versions in use."""
        plan = replace(planned.plan, seconds=planned.seconds)
        date = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
        return cls(key, plan, measured, versions(key.backend), date, seed)

    def line(self) -> str:
        """One line of JSON, key and structure first, with a digest of all of it."""
        key, measured = self.key, self.measured
        body = {
            "schema": SCHEMA,
            "network": network_record(key.network),
            "backend": key.backend,
            "device": _device_record(key.device),
            "dtype": key.dtype,
            "constraints": dict(key.constraints),
            "plan": plan_record(self.plan),
            "measured": measured
            and {name: getattr(measured, name) for name in Measured.__slots__},
            "versions": dict(self.versions),
            "seed": self.seed,
            "date": self.date,
        }
        head = f'{{"key":"{key.digest}","structure":"{key.structure}",'
        rest = canonical_text(body)[1:-1]
        return f'{head}{rest},"digest":"{_sealed(head + rest)}"}}'


def _sealed(text: str) -> str:
    return sha256(text.encode()).hexdigest()[:32]


def _device_record(device: Device) -> dict[str, Any]:
    return {"kind": device.kind, "model": device.model, "threads": device.threads}


def versions(backend: str) -> dict[str, str]:
    """The versions of what found and ran a plan."""
    from importlib.metadata import PackageNotFoundError, version  # slow to import

    found = {"python": sys.version.partition(" ")[0]}
    for package in ("tnconv", "cotengra", backend):
        try:
            found[package] = version(package)
        except PackageNotFoundError:  # a bare checkout, or a backend named otherwise
            continue
    return found


def read_record(line: str, source: str) -> Record:
    """The record of a line; BadRecordError says why it is not used.

    The digest, the key and the structure are those of what the line holds.
    """
    value = parsed(line)
    schema = value.get("schema") if isinstance(value, dict) else None
    if isinstance(schema, int) and schema > SCHEMA:
        raise BadRecordError(f"its schema is {schema}, this version reads {SCHEMA}")
    found = table(value, "record", FIELDS)
    if whole(schema, "schema") != SCHEMA:
        raise BadRecordError(f"its schema is {schema}, this version reads {SCHEMA}")
    body, _, seal = line.strip().rpartition(',"digest":"')
    if seal != f'{_sealed(body)}"}}':
        raise BadRecordError("its digest is that of another text: it was damaged")
    key = _key(found)
    if (found["key"], found["structure"]) != (key.digest, key.structure):
        raise BadRecordError("its key is that of another network")
    return Record(
        key,
        read_plan(found["plan"], source),
        _measured(found["measured"]),
        _versions(found["versions"]),
        words(found["date"], "date"),
        None if found["seed"] is None else whole(found["seed"], "seed"),
    )


def _key(found: Mapping[str, Any]) -> Key:
    device = table(found["device"], "device", ("kind", "model", "threads"))
    constraints = constraints_read(found["constraints"])
    return Key(
        read_network(found["network"]),
        words(found["backend"], "backend"),
        Device(
            words(device["kind"], "device"),
            words(device["model"], "device"),
            whole(device["threads"], "threads"),
        ),
        words(found["dtype"], "dtype"),
        constraints,
    )


def _measured(value: Any) -> Measured | None:
    if value is None:
        return None
    found = table(value, "measured", Measured.__slots__)
    return Measured(*(number(found[name], name) for name in Measured.__slots__))


def _versions(value: Any) -> dict[str, str]:
    if not isinstance(value, dict) or len(value) > 100:
        raise BadRecordError("versions is not a table")
    return {words(k, "package"): words(v, "version") for k, v in value.items()}


def is_better(one: Record, other: Record) -> bool:
    """Whether a record of the same key is to be kept in another's place: measured ones
    before others, then what takes less time, then what is newer.

    The order is total, so merging in any order keeps the same record.
    """
    return _rank(one) < _rank(other)


def _rank(record: Record) -> tuple[bool, float, tuple[int, ...], str]:
    measured = record.measured
    seconds = measured.seconds if measured else record.plan.seconds
    newest = tuple(-ord(c) for c in record.date)
    return measured is None, seconds, newest, record.line()
