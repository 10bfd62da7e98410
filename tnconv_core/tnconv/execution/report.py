"""What a person reads of a plan."""

from __future__ import annotations

from collections import Counter
from math import inf
from textwrap import wrap

from tnconv.planning.planner import Planned

#: columns of a printed plan
WIDTH = 100


def report(planned: Planned, backend: str, dtype: str) -> str:
    """Network, rules, path with forms, flops, bytes, peak, origin."""
    plan = planned.plan
    lines = [
        *_entry("network", str(planned.network)),
        *_entry("rules", _rules(planned.trace)),
        *_entry("contracted", f"{plan.network} ({plan.rewrites})"),
        f"for         {backend}, {dtype}",
        "path",
        *(f"  #{number} {line}" for number, line in enumerate(planned.lines, 1)),
    ]
    if not planned.lines:
        lines.append("  a view of the input")
    if plan.blocks:
        lines.append(f"blocks      {plan.blocks.size} of {plan.blocks.label} at a time")
    lines += [
        f"cost        {2 * planned.flops:,} flops, {_size(planned.bytes)} moved, "
        f"{_time(planned.seconds)} predicted",
        f"memory      {_size(planned.peak)} beyond inputs and result (predicted peak)",
        f"plan from   {plan.source}{_rivals(planned)}",
    ]
    return "\n".join(lines)


def _entry(name: str, text: str) -> list[str]:
    """A named entry, wrapped where it is long."""
    return wrap(
        text,
        WIDTH,
        initial_indent=f"{name:<12}",
        subsequent_indent=" " * 12,
        break_long_words=False,
        break_on_hyphens=False,
    )


def _rules(trace: tuple[tuple[str, str], ...]) -> str:
    if not trace:
        return "none fired"
    counts = Counter(name for name, _ in trace)
    return ", ".join(f"{n} x{c}" if c > 1 else n for n, c in counts.items())


def _rivals(planned: Planned) -> str:
    if len(planned.considered) < 2:
        return ""
    rivals = ", ".join(
        f"{name} {_time(cost)}" if cost < inf else f"{name} dearer"
        for name, cost in planned.considered
    )
    return f" (considered: {rivals})"


def _size(nbytes: float) -> str:
    for unit in ("B", "KiB", "MiB", "GiB"):
        if nbytes < 1024 or unit == "GiB":
            return f"{nbytes:.0f} {unit}" if unit == "B" else f"{nbytes:.1f} {unit}"
        nbytes /= 1024
    return ""


def _time(seconds: float) -> str:
    if seconds < 1e-3:
        return f"{seconds * 1e6:.1f} us"
    return f"{seconds * 1e3:.2f} ms" if seconds < 1 else f"{seconds:.2f} s"
