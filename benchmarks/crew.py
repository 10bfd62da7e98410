"""Worker processes, replaced where they die or take too long."""

from __future__ import annotations

import multiprocessing
from dataclasses import dataclass, field, replace
from typing import Any

from benchmarks import contestants
from benchmarks.cases import Cannot, kind
from benchmarks.places import CPU
from benchmarks.record import Measured
from benchmarks.worker import READY, TURNS, Task, serve

#: seconds for a worker to import its libraries
STARTING = 300


@dataclass
class Member:
    """One worker process, started when it has something to do."""

    memory: int
    threads: int
    limit: float
    device: str = CPU
    process: Any = None
    pipe: Any = None
    blame: str = ""

    def start(self) -> None:
        """Start a worker; threads are fixed before it imports a library."""
        context = multiprocessing.get_context("spawn")
        self.pipe, other = context.Pipe()
        arguments = (other, self.memory, self.threads, self.device)
        self.process = context.Process(target=serve, args=arguments, daemon=True)
        self.process.start()
        other.close()
        if not self.pipe.poll(STARTING) or self.pipe.recv() != READY:
            raise SystemExit(f"no worker within {STARTING} s")

    def end(self) -> None:
        """End the worker, whatever it does."""
        if self.process is not None:
            self.process.kill()
            self.process.join()
            self.pipe.close()
            self.process = None

    def measured(self, task: Task) -> Measured:
        """One case; whoever brings the worker down is left out and said why."""
        names = contestants.modules(task.backend, task.party)
        while True:
            if self.process is None:
                self.start()
            at, found = self.follow(task)
            if found is not None:
                return found
            self.end()
            if at in task.skip or at not in names:
                said = dict.fromkeys(names, f"{at}: {self.blame}")
                return Measured(
                    task.operation, task.layer.name, task.round, cannot=said | task.skip
                )
            task = replace(task, skip=task.skip | {at: self.blame})

    def follow(self, task: Task) -> tuple[str, Measured | None]:
        """What the worker was at last, and what it measured unless it came down."""
        at = "the start"
        try:
            self.pipe.send(task)
            while self.pipe.poll(self.limit * (20 if at == TURNS else 1)):
                what, value = self.pipe.recv()
                if what == "done":
                    return at, value
                at = value
        except (EOFError, OSError):
            self.blame = "killed, most likely for memory"
            return at, None
        self.blame = f"took longer than {self.limit:g} s"
        return at, None


@dataclass
class Crew:
    """A worker for each party of a backend's contestants."""

    backend: str
    memory: int
    threads: int
    limit: float
    device: str = CPU
    members: list[Member] = field(default_factory=list)

    def __enter__(self) -> Crew:
        for _ in contestants.GROUPS[self.backend]:
            member = Member(self.memory, self.threads, self.limit, self.device)
            self.members.append(member)
        return self

    def __exit__(self, *_: object) -> None:
        for member in self.members:
            member.end()

    def measured(self, task: Task) -> Measured:
        """One case, by one party after the other."""
        try:
            kind(task.operation, task.layer)
        except Cannot as error:
            said = {"everybody": str(error)}
            return Measured(
                task.operation, task.layer.name, task.round, 0, task.layer.taps,
                cannot=said,
            )  # fmt: skip
        found = [
            member.measured(replace(task, party=number))
            for number, member in enumerate(self.members)
        ]
        return together(found)


def together(parts: list[Measured]) -> Measured:
    """The measurements of all parties as one."""
    whole = parts[0]
    for part in parts[1:]:
        whole = replace(
            whole,
            seconds=whole.seconds | part.seconds,
            calls=whole.calls | part.calls,
            extra=whole.extra | part.extra,
            cannot=whole.cannot | part.cannot,
        )
    return whole
