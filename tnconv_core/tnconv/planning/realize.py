"""From a plan to its program, without a search: what a plan says is written out."""

from __future__ import annotations

from collections.abc import Mapping

from tnconv.errors import NetworkError
from tnconv.execution.liveness import peaks
from tnconv.execution.program import Program
from tnconv.network import Network, SubNetwork
from tnconv.planning.blocks import Cut, CutBlock, cut_network, loop_program
from tnconv.planning.charge import Charge, Held
from tnconv.planning.looped import blocked
from tnconv.planning.machine import Machine
from tnconv.planning.plan import Blocks, Plan
from tnconv.planning.planned import Found, Planned, nothing
from tnconv.planning.route import Route
from tnconv.planning.site import Form, NotHereError
from tnconv.planning.workspace import workspace


def realized(
    plan: Plan, machine: Machine, itemsize: int, forms: Mapping[str, Form]
) -> Planned:
    """The program of a plan, its price and its peak on a machine.

    Raises NetworkError where the plan cuts what cannot be cut, and NotHereError where
    a form does not apply to the network of a block.
    """
    blocks = plan.blocks
    if blocks and blocks.bodies:
        return _cut(plan, blocks, machine, itemsize, forms)
    if 0 in plan.network.sizes.values():
        return nothing(plan.network)
    found = Found(plan, _programs(plan, machine, itemsize, forms), plan.seconds)
    whole = found.lowered(machine, itemsize, forms)
    if blocks is None:
        return whole
    charge = Charge.of(plan.network, machine, itemsize, 0.0)
    route, cut = Route.of(plan, forms), Cut(blocks.label, blocks.size)
    in_blocks = blocked(whole, route, cut, charge)
    if in_blocks is None:
        raise NotHereError
    return in_blocks


def _programs(
    plan: Plan, machine: Machine, itemsize: int, forms: Mapping[str, Form]
) -> dict[int, Program]:
    """The programs of the sub-networks, by the position of their operand."""
    operands = enumerate(plan.network.operands)
    places = [j for j, op in operands if isinstance(op, SubNetwork)]
    return {
        j: realized(part, machine, itemsize, forms).program
        for j, part in zip(places, plan.parts, strict=True)
    }


def _cut(
    plan: Plan,
    blocks: Blocks,
    machine: Machine,
    itemsize: int,
    forms: Mapping[str, Form],
) -> Planned:
    """Blocks that have plans of their own."""
    cut = Cut(blocks.label, blocks.size)
    turns = cut_network(plan.network, cut)
    networks = tuple(dict.fromkeys(block.network for block in turns))
    if len(networks) != len(blocks.bodies):
        raise NetworkError(f"blocks: {len(blocks.bodies)} plans for {len(networks)}")
    bodies = {
        network: realized(body, machine, itemsize, forms)
        for network, body in zip(networks, blocks.bodies, strict=True)
    }
    return assembled(plan.network, cut, turns, bodies, machine, itemsize)


def assembled(
    network: Network,
    cut: Cut,
    blocks: list[CutBlock],
    bodies: Mapping[Network, Planned],
    machine: Machine,
    itemsize: int,
) -> Planned:
    """The blocks of a network, each with its plan, as one program."""
    program = loop_program(network, blocks, {n: p.program for n, p in bodies.items()})
    held = Held(*peaks(program, itemsize, workspace(machine, itemsize)))
    first = max(bodies.values(), key=lambda p: p.seconds)
    turns = [bodies[block.network] for block in blocks]
    seconds = sum(p.seconds for p in turns)
    plans = tuple(body.plan for body in bodies.values())
    whole = Plan(
        network.without(),
        (),
        seconds,
        first.plan.source,
        blocks=Blocks(cut.label, cut.size, plans),
    )
    return Planned(
        network,
        first.trace,
        whole,
        program,
        seconds,
        sum(p.flops for p in turns),
        sum(p.bytes for p in turns),
        held,
        first.lines,
        first.considered,
    )
