"""A plan: the contraction path with the form of each step, as a value."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from tnconv.network import Network
from tnconv.planning.site import Variant


@dataclass(frozen=True, slots=True)
class PlanStep:
    """One step: its form, its operands, and the constraints it uses up.

    Operands are numbered as in the network; results of steps follow in order.
    """

    form: str
    variant: Variant
    values: tuple[int, ...]
    constraints: tuple[int, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Plain lists and texts."""
        return {
            "form": self.form,
            "variant": list(self.variant),
            "values": list(self.values),
            "constraints": list(self.constraints),
        }

    @classmethod
    def from_json(cls, record: dict[str, Any]) -> PlanStep:
        """The inverse of :meth:`to_json`."""
        return cls(
            str(record["form"]),
            tuple(record["variant"]),
            tuple(int(v) for v in record["values"]),
            tuple(int(v) for v in record["constraints"]),
        )


@dataclass(frozen=True, slots=True)
class Blocks:
    """A label cut into blocks of ``size`` values, one after another."""

    label: str
    size: int


@dataclass(frozen=True, slots=True)
class Plan:
    """A network (after rewriting), the steps that contract it, and their price."""

    network: Network
    steps: tuple[PlanStep, ...]
    seconds: float
    source: str
    rewrites: str = "as built"
    blocks: Blocks | None = None

    def path(self) -> tuple[tuple[int, ...], ...]:
        """The operands of each step, constraints included."""
        return tuple((*step.values, *step.constraints) for step in self.steps)
