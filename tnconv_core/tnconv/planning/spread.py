"""A plan in pieces for several workers, where that is predicted to take less time.

A plan that is in blocks may give these away as they are. One in a single piece is cut
along one label, so that every worker has a piece; its steps stay as they are. What is
compared is the predicted time here with that of the workers, with all that is sent.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from math import ceil, inf
from operator import itemgetter

from tnconv.errors import NetworkError
from tnconv.execution.parcels import parcels
from tnconv.execution.program import Loop, Program, size_of
from tnconv.network import SubNetwork
from tnconv.planning.blocks import Cut, cut_block, cut_labels, turns_of
from tnconv.planning.charge import Charge
from tnconv.planning.lower import sketch
from tnconv.planning.machine import Machine
from tnconv.planning.plan import Blocks, Plan
from tnconv.planning.planned import Planned
from tnconv.planning.realize import realized
from tnconv.planning.rivals import form_table
from tnconv.planning.route import Route
from tnconv.planning.site import NotHereError
from tnconv.planning.turns import turn_seconds

#: the share of the time here that workers are predicted to need at most: predictions,
#: of both, are no better than this
GAIN = 0.75
#: cuts that are written out, the most promising first
TRIES = 3


@dataclass(frozen=True, slots=True)
class Team:
    """Workers, as planning sees them.

    ``count`` wait for blocks, ``together`` of them compute at a time at the speed of
    ``machine``. To send one block and its result takes ``latency`` seconds, and as long
    as their bytes take at ``rate`` a second.
    """

    count: int
    together: int
    machine: Machine
    latency: float
    rate: float = inf

    def seconds(self, planned: Planned, itemsize: int) -> float:
        """What the blocks of a plan take, which one worker alone would contract in
        the plan's seconds; inf for a plan that has none."""
        step = planned.program.steps[0] if len(planned.program.steps) == 1 else None
        if not isinstance(step, Loop):
            return inf
        sent = parcels(step)
        rounds = ceil(len(sent) / self.together)
        sending = sum(self.sending(one.program, itemsize) for one in sent)
        return planned.seconds * rounds / len(sent) + sending

    def sending(self, block: Program, itemsize: int) -> float:
        """What it takes to send a block, and its result back."""
        moved = size_of(block.shape) + sum(size_of(shape) for _, shape in block.inputs)
        return self.latency + moved * itemsize / self.rate


def spread(
    planned: Planned, itemsize: int, team: Team, limit: int | None = None
) -> Planned | None:
    """The plan in blocks for a team, at its price there; None where it had better be
    contracted in one place. No block holds more than ``limit`` bytes, if it is given.

    >>> from tnconv import networks
    >>> from tnconv.options import current
    >>> from tnconv.planning.machine import Machine
    >>> from tnconv.planning.planner import plan_network
    >>> machine = Machine("numpy")
    >>> network = networks.kfac_input_factor((64, 32, 32, 32), (3, 3))
    >>> planned = plan_network(network, machine, 4, current())
    >>> found = spread(planned, 4, Team(4, 4, machine, 1e-4))
    >>> found.plan.blocks.label, found.seconds < planned.seconds / 2
    ('n', True)
    >>> spread(planned, 4, Team(4, 4, machine, 10.0)) is None
    True
    """
    if team.together < 2:
        return None
    best = cheapest(planned, itemsize, team, limit)
    if best is None or best.seconds > GAIN * planned.seconds:
        return None
    return best


def cheapest(
    planned: Planned, itemsize: int, team: Team, limit: int | None = None
) -> Planned | None:
    """The best blocks for a team, whether or not they pay; None where there are none
    within the limit."""
    found = [
        one
        for one in _ways(planned, itemsize, team)
        if limit is None or one.peak <= limit
    ]
    return min(found, key=lambda one: one.seconds, default=None)


def _ways(planned: Planned, itemsize: int, team: Team) -> Iterator[Planned]:
    """The plan in its own blocks, and in others that give every worker one."""
    plan = planned.plan
    if plan.blocks is not None:
        yield from _written(planned, plan, itemsize, team)
    samples = sorted(_samples(plan, itemsize, team), key=itemgetter(0))
    for _, cut in samples[:TRIES]:
        blocks = Blocks(cut.label, cut.size)
        yield from _written(planned, replace(plan, blocks=blocks), itemsize, team)


def _written(
    planned: Planned, plan: Plan, itemsize: int, team: Team
) -> Iterator[Planned]:
    """A plan in blocks as a program, at its price by a team, if there is one."""
    try:
        found = realized(plan, team.machine, itemsize, form_table())
    except (NetworkError, NotHereError):
        return
    yield replace(
        found,
        network=planned.network,
        trace=planned.trace,
        plan=replace(
            found.plan, rewrites=planned.plan.rewrites, source=planned.plan.source
        ),
        seconds=team.seconds(found, itemsize),
        lines=planned.lines,
        considered=planned.considered,
    )


def _samples(plan: Plan, itemsize: int, team: Team) -> Iterator[tuple[float, Cut]]:
    """Cuts with their seconds by a team, judged by a block from the middle."""
    if not plan.steps or any(isinstance(o, SubNetwork) for o in plan.network.operands):
        return
    network = plan.network.without()
    charge = Charge.of(network, team.machine, itemsize, 0.0)
    route = Route.of(plan, form_table())
    for cut in _cuts(plan, team.count):
        turns = turns_of(network, cut)
        try:
            block = cut_block(network, cut, (turns - 1) // 2).network
            body = sketch(route, block, team.machine, itemsize)
        except (NetworkError, NotHereError):
            continue
        around = turn_seconds(body.program, network.arguments, network.shape, charge)
        rounds = ceil(turns / team.together)
        sending = turns * team.sending(body.program, itemsize)
        yield rounds * (body.seconds + around) + sending, cut


def _cuts(plan: Plan, count: int) -> Iterator[Cut]:
    """Equal shares of every label, rounded up and down, at least one for each worker
    (where it has as many values); of a plan in blocks, smaller ones of its label."""
    blocks, sizes = plan.blocks, plan.network.sizes
    if blocks is not None and blocks.bodies:
        return
    for label in cut_labels(plan.network) if blocks is None else [blocks.label]:
        size = sizes[label]
        most = size if blocks is None else blocks.size
        up, down = -(-size // count), max(1, size // count)
        shares = {up, down} if -(-size // up) >= count else {down}
        yield from (Cut(label, share) for share in sorted(shares) if share < most)
