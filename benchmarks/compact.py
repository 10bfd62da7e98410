"""A run in a file small enough to keep: columns of numbers, four digits each."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from benchmarks.record import Measured, Results, load

HELP = "write a run's file in the compact form that is kept in benchmarks/results"


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("file", type=Path, help="what `run` wrote")
    parser.add_argument("--out", type=Path, required=True)


def main(options: argparse.Namespace) -> int:
    """Write it."""
    options.out.parent.mkdir(parents=True, exist_ok=True)
    options.out.write_text(pack(load(options.file)), "utf-8")
    print(f"{options.out}: {options.out.stat().st_size / 1000:.0f} kB")
    return 0


def digits(value: float) -> float:
    """A number to four significant digits: more would be noise.

    >>> digits(123456), digits(0.0012345)
    (123500, 0.001234)
    """
    short = float(f"{value:.4g}")
    return int(short) if short.is_integer() else short


def pack(results: Results) -> str:
    """The text of the compact form: a row of numbers for each case.

    Times are in microseconds, bytes in KiB, -1 stands for a missing number; how often
    each call was timed is left out.
    """
    names = sorted({n for m in results.cases for n in (*m.seconds, *m.extra)})
    reasons = sorted({text for m in results.cases for text in m.cannot.values()})
    refusing = sorted({name for m in results.cases for name in m.cannot})
    layers = list(dict.fromkeys(m.layer for m in results.cases))
    operations = list(dict.fromkeys(m.operation for m in results.cases))
    table = [
        [
            operations.index(m.operation), layers.index(m.layer), m.round,
            m.patterns, m.taps, *(digits(n / 1024) for n in (m.given, m.result)),
            [digits(m.seconds[n] * 1e6) if n in m.seconds else -1 for n in names],
            [digits(m.extra[n] / 1024) if n in m.extra else -1 for n in names],
            [[refusing.index(n), reasons.index(text)] for n, text in m.cannot.items()],
        ]
        for m in results.cases
    ]  # fmt: skip
    head = {
        "header": results.header,
        "operations": operations,
        "layers": layers,
        "contestants": names,
        "refusing": refusing,
        "reasons": reasons,
    }
    lines = ",\n".join(json.dumps(row, separators=(",", ":")) for row in table)
    return json.dumps(head, indent=0)[:-2] + f',\n"cases": [\n{lines}\n]\n}}\n'


def unpack(known: dict[str, Any]) -> Results:
    """Results from the parsed compact form."""
    names = known["contestants"]

    def column(values: list[float], unit: float) -> dict[str, float]:
        return {n: v / unit for n, v in zip(names, values, strict=True) if v >= 0}

    cases = []
    for op, layer, again, patterns, taps, given, result, *rest in known["cases"]:
        seconds, extra, cannot = rest
        cases.append(
            Measured(
                known["operations"][op],
                known["layers"][layer],
                again,
                patterns,
                taps,
                int(given * 1024),
                int(result * 1024),
                column(seconds, 1e6),
                {},
                {n: int(v) for n, v in column(extra, 1 / 1024).items()},
                {known["refusing"][n]: known["reasons"][r] for n, r in cannot},
            )
        )
    return Results(known["header"], tuple(cases))
