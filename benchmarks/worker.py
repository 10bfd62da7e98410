"""The process in which the contestants of a case take turns.

It is a process of its own, so that one that is killed for memory, or that takes too
long, is a reason in the list and not the end of the run. It tells its parent what it is
about to do, then what it measured.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks import contestants
from benchmarks.cases import Cannot, Case, make
from benchmarks.layers import Layer
from benchmarks.measure import Timing, alternate, clocked
from benchmarks.places import (
    CPU,
    case_on,
    exact_case,
    extra_there,
    finished,
    same_precision,
)
from benchmarks.record import Measured

Call = Callable[[], Any]
#: who takes more than this times the fastest is timed by a single call
SLOW = 4.0
TURNS = "the rounds"
READY = "ready"
#: seconds of a call that may be repeated freely
QUICK = 0.05


@dataclass(frozen=True)
class Task:
    """A case to measure; ``skip`` names those that are known to fail, with the
    reason."""

    operation: str
    layer: Layer
    round: int
    backend: str
    batch: int
    seconds: float
    memory: int
    threads: int
    seed: int
    device: str = CPU
    party: int = 0
    skip: dict[str, str] = field(default_factory=dict)


def serve(pipe: Any, memory: int, threads: int, device: str) -> None:
    """Measure the tasks that come through a pipe, until None comes."""
    import torch

    torch.set_num_threads(threads)
    same_precision()
    if device == CPU:  # CUDA reserves addresses far beyond what it uses
        limit_memory(memory)
    pipe.send(READY)
    while (task := pipe.recv()) is not None:
        measured = measure(task, lambda name: pipe.send(("at", name)))
        pipe.send(("done", measured))


def limit_memory(extra: int) -> None:
    """Let allocations beyond the present size plus ``extra`` fail (POSIX)."""
    try:
        import resource

        pages = int(Path("/proc/self/statm").read_text().split()[0])
    except (ImportError, OSError):
        return
    size = pages * os.sysconf("SC_PAGE_SIZE") + extra
    resource.setrlimit(resource.RLIMIT_AS, (size, resource.RLIM_INFINITY))


def measure(task: Task, tell: Callable[[str], None]) -> Measured:
    """Build, check, weigh and time everybody who can do a case."""
    from benchmarks.expected import expected
    from tnconv import simplify

    args = (task.operation, task.layer, task.batch, task.memory, task.seed)
    case = make(*args)
    tell("the expected result")
    wanted = expected(exact_case(case, task.device))
    cannot = dict(task.skip)
    calls, extra, once = {}, {}, {}
    for name, module in contestants.modules(task.backend, task.party).items():
        if name in cannot:
            continue
        tell(name)
        try:
            library = module.LIBRARY or task.backend
            calls[name] = admitted(module, case, library, task.device, wanted)
            once[name] = clocked(calls[name])
            weight = weigh(calls[name], once[name], library, task.device)
        except Exception as error:
            calls.pop(name, None)
            cannot[name] = reason(error)
            continue
        if weight is not None:
            extra[name] = weight
    tell(TURNS)
    timed = turns(task, calls, once)
    return Measured(
        operation=task.operation,
        layer=task.layer.name,
        round=task.round,
        patterns=len(simplify(case.network()).network.patterns),
        taps=task.layer.taps,
        given=case.given_bytes,
        result=case.result_bytes,
        seconds={name: timing.seconds for name, timing in timed.items()},
        calls={name: timing.calls for name, timing in timed.items()},
        extra=extra,
        cannot=cannot,
    )


def admitted(module: Any, case: Case, library: str, device: str, wanted: Any) -> Call:
    """The call of a contestant, its result checked; raises where it is wrong."""
    from benchmarks.expected import check

    call = contestants.build(module, case_on(case, library, device))
    call = finished(call, device)
    check(call(), wanted)
    return call


def weigh(call: Call, seconds: float, library: str, device: str) -> int | None:
    """Extra memory, for a quick call the least of some: allocators keep pages back."""
    rounds = range(3 if seconds < QUICK else 1)
    found = [extra_there(call, library, device) for _ in rounds]
    known = [weight for weight in found if weight is not None]
    return min(known, default=None)


def turns(
    task: Task, calls: dict[str, Call], once: dict[str, float]
) -> dict[str, Timing]:
    """Time everybody in turn, the reference twice; who is hopeless keeps one time."""
    fastest = min(once.values(), default=0.0)
    reference = contestants.reference(task.operation, task.backend)
    hopeless = {
        name: Timing(seconds, 1)
        for name, seconds in once.items()
        if seconds > SLOW * fastest and 3 * seconds > task.seconds
        and name not in (contestants.OURS, reference)
    }  # fmt: skip
    playing = {name: call for name, call in calls.items() if name not in hopeless}
    if reference in playing:
        playing[contestants.AGAIN] = playing[reference]
    return alternate(playing, task.seconds, task.seed) | hopeless


def reason(error: Exception) -> str:
    """Why a contestant cannot do a case, in one line."""
    text = str(error).strip().splitlines()[0] if str(error).strip() else ""
    if isinstance(error, MemoryError) or "allocate memory" in text:
        return "out of memory"
    if isinstance(error, Cannot) or type(error).__name__ == "Wrong":
        return text
    return f"{type(error).__name__}: {text}"[:200]
