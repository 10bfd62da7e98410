"""A plan: the contraction path with the form of each step, as a value.

A plan says everything that was searched for, and nothing that follows from it: from the
network that was planned and its plan, :mod:`tnconv.planning.realize` writes the program
without another search, and :mod:`tnconv.planning.plan_json` writes it down.
"""

from __future__ import annotations

from dataclasses import dataclass

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


@dataclass(frozen=True, slots=True)
class Blocks:
    """A label cut into blocks of ``size`` values, one after another.

    Each block is contracted by the steps of the plan; or, where there are ``bodies``,
    by a plan of its own: one for each distinct network of a block, in order.
    """

    label: str
    size: int
    bodies: tuple[Plan, ...] = ()


@dataclass(frozen=True, slots=True)
class Plan:
    """A network (after rewriting), the steps that contract it, and their price.

    ``rewrites`` names what was done to the network that was planned, ``parts`` are the
    plans of its sub-networks, in the order of the operands.
    """

    network: Network
    steps: tuple[PlanStep, ...]
    seconds: float
    source: str
    rewrites: str = "as built"
    blocks: Blocks | None = None
    parts: tuple[Plan, ...] = ()

    def path(self) -> tuple[tuple[int, ...], ...]:
        """The operands of each step, constraints included."""
        return tuple((*step.values, *step.constraints) for step in self.steps)

    @property
    def forms(self) -> tuple[str, ...]:
        """The forms of all steps, in order; those of blocks with plans of their own,
        each of these once."""
        bodies = self.blocks.bodies if self.blocks else ()
        inner = (form for plan in (*self.parts, *bodies) for form in plan.forms)
        return (*(step.form for step in self.steps), *inner)
