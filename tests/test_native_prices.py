"""Prices of native calls: rows of the map, fresh memory, and floors below them."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tnconv.execution.convolutions import CALLS, convolution
from tnconv.execution.program import Native
from tnconv.pattern import IndexPattern
from tnconv.planning.constants import shipped
from tnconv.planning.cost import kind_of, native_faults
from tnconv.planning.fit import predicted
from tnconv.planning.machine import KINDS, ROLES, Machine
from tnconv.planning.thresholds import call_seconds

WITH_CALLS = [m for m in shipped() if m.native_dims]


def with_rows(machine: Machine, row: float) -> Machine:
    """The machine where half of every native rate is left at this length of a row."""
    native = {key: replace(rate, row=row) for key, rate in machine.native.items()}
    return replace(machine, native=native)


@pytest.mark.parametrize("role", ROLES)
def test_short_rows_are_dearer(role: str) -> None:
    """Two maps of equal size and one kernel position: only the rows differ."""
    (call,) = [c for c in CALLS["dense"] if c.kernel == (1, 1) and c.read == 96]
    for machine in [m for m in WITH_CALLS if m.device.kind == "cpu"]:
        plain, priced = with_rows(machine, 0.0), with_rows(machine, 8.0)
        short = convolution(role, call._replace(map=(1024, 4)))
        long = convolution(role, call._replace(map=(4, 1024)))
        assert predicted(short, plain, 4) == predicted(long, plain, 4)
        assert predicted(short, priced, 4) > 1.2 * predicted(long, priced, 4)


def test_results_fault_twice_and_operands_once() -> None:
    machine = replace(WITH_CALLS[0], fresh=2.0, fresh_from=100.0)
    assert native_faults([(25,), (24,)], (1, 30), 4, machine) == (100 + 2 * 120) / 2
    assert native_faults([(24,)], (2, 12), 4, machine) == 0.0


@pytest.mark.parametrize("machine", WITH_CALLS, ids=lambda m: m.device.model)
@pytest.mark.parametrize("role", ROLES)
def test_no_call_is_priced_below_its_floor(machine: Machine, role: str) -> None:
    priced = with_rows(machine, 3.0)
    for kind in KINDS:
        for call in CALLS[kind]:
            program = convolution(role, call)
            step = program.steps[0]
            assert isinstance(step, Native)
            assert kind_of(call.groups, call.read, call.made) == kind
            floor = call_seconds(
                priced, 4, role, _patterns(program), _sides(role, call)
            )
            assert floor <= predicted(program, priced, 4) * (1 + 1e-9)


def _patterns(program: object) -> list[IndexPattern]:
    """The index patterns of a call, axis by axis."""
    step = program.steps[0]  # type: ignore[attr-defined]
    how, shapes = step.convolution, program.shapes  # type: ignore[attr-defined]
    wide, narrow = {
        "forward": (shapes[0], step.shape),
        "weight": (shapes[0], shapes[1]),
        "transposed": (step.shape, shapes[0]),
    }[how.role]
    return [
        IndexPattern(*sizes)
        for sizes in zip(
            wide[2:], narrow[2:], how.kernel, how.stride, how.dilation, how.padding,
            strict=True,
        )
    ]  # fmt: skip


def _sides(role: str, call: object) -> tuple[int, int, int, int]:
    """Groups, what is summed, rows and columns, as floors are asked for them."""
    groups, read, made, batch = (
        getattr(call, name) for name in ("groups", "read", "made", "batch")
    )
    if role == "weight":
        return groups, batch, read, made
    return groups, read, batch, made
