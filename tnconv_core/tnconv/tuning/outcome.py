"""What became of one network."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Outcome:
    """The default plan's time and the kept plan's, in seconds, measured side by side.

    They are equal where no other plan won. ``line`` is the record that was kept, under
    ``key``; ``spread`` what two measurements of one plan differed by, as a share;
    ``plans`` how many were timed; ``faults`` says which plans were not, and why.
    """

    name: str
    operation: str
    backend: str
    dtype: str
    device: str
    key: str
    line: str
    default: float
    seconds: float
    spread: float
    default_forms: tuple[str, ...]
    forms: tuple[str, ...]
    plans: int
    faults: tuple[str, ...] = ()

    @property
    def title(self) -> str:
        """Name and operation."""
        return f"{self.name} {self.operation}".strip()

    @property
    def gain(self) -> float:
        """The default plan's time over the kept plan's; 1 where it is the default."""
        return self.default / self.seconds if self.seconds else 1.0

    @property
    def won(self) -> bool:
        """Whether another plan than the default was kept."""
        return self.seconds < self.default

    def __str__(self) -> str:
        forms = " ".join(self.forms) or "a view"
        if not self.won:
            return f"kept {self.key}: the default plan, {forms}; no other one won"
        return (
            f"kept {self.key}: {forms}, {self.seconds * 1e3:.3f} ms, the default plan "
            f"{self.default * 1e3:.3f} ms (spread {self.spread:.0%})"
        )


@dataclass(frozen=True, slots=True)
class Failure:
    """A network that was not tuned, and why."""

    title: str
    why: str
