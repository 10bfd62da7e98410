"""Whether a plan fits a network: nothing that a plan says is taken on trust.

The network that a plan contracts is made again, by the rules that it names; every step
is one that the search would offer there, in a variant that its form offers. So a plan
from anywhere may be slow, but what it computes is right.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping
from dataclasses import replace
from itertools import chain

from tnconv.errors import NetworkError
from tnconv.network import Network, SubNetwork
from tnconv.planning.blocks import Cut, cut_labels, cut_network, turns_of
from tnconv.planning.builder import Builder, Value
from tnconv.planning.estimator import Estimator, TooDearError
from tnconv.planning.pairs import twin_meetings
from tnconv.planning.plan import Blocks, Plan, PlanStep
from tnconv.planning.planned import Trace
from tnconv.planning.problem import Problem
from tnconv.planning.rivals import rival_named
from tnconv.planning.site import Form, Site, Variant
from tnconv.planning.sites import meetings
from tnconv.splice import splice_all

#: turns of a loop that a plan may ask for, and seconds a step may be predicted to take
TURNS = 1 << 16
SLOWEST = 3600.0

Forms = Mapping[str, Form]


class UnfitPlanError(Exception):
    """A plan that does not fit; the message says why."""


def check_plan(plan: Plan, network: Network, forms: Forms) -> Trace:
    """The rules that lead from a network to the one its plan contracts.

    Raises UnfitPlanError where the plan is not one for the network by these forms. The
    variants of forms are checked as the plan is written, by forms from :func:`guarded`.
    """
    if plan.blocks and plan.blocks.bodies:
        _check_bodies(plan, plan.blocks, network, forms)
        return ()
    made, trace = contracted(network, plan.rewrites)
    if made != plan.network:
        raise UnfitPlanError("the rules that it names give another network today")
    inner = [op.network for op in made.operands if isinstance(op, SubNetwork)]
    if len(inner) != len(plan.parts):
        raise UnfitPlanError(f"{len(plan.parts)} plans for {len(inner)} sub-networks")
    for part, inside in zip(plan.parts, inner, strict=True):
        check_plan(part, inside, forms)
    if plan.blocks:
        _check_cut(plan.blocks, made)
    if 0 not in made.sizes.values():
        _check_steps(plan.steps, Problem(made), forms)
    return trace


def contracted(network: Network, rewrites: str) -> tuple[Network, Trace]:
    """What is left of a network after rewrites of that name, and how."""
    rival = rival_named(network, rewrites)
    if rival is None:
        raise UnfitPlanError(f"there is no {rewrites!r} of this network")
    return splice_all(rival.network).without(), rival.trace


def _check_bodies(plan: Plan, blocks: Blocks, network: Network, forms: Forms) -> None:
    """Blocks with plans of their own cut the network as it is, or what the rules that
    are named make of it."""
    as_it_is = network.without() == plan.network
    if not as_it_is and contracted(network, plan.rewrites)[0] != plan.network:
        raise UnfitPlanError("its blocks are of another network")
    if plan.steps or plan.parts:
        raise UnfitPlanError("its blocks are of another network")
    _check_cut(blocks, plan.network)
    try:
        turns = cut_network(plan.network, Cut(blocks.label, blocks.size))
    except NetworkError as error:
        raise UnfitPlanError(f"its blocks cannot be cut: {error}") from error
    inside = tuple(dict.fromkeys(turn.network for turn in turns))
    if len(inside) != len(blocks.bodies):
        raise UnfitPlanError(f"{len(blocks.bodies)} plans for {len(inside)} blocks")
    for body, block in zip(blocks.bodies, inside, strict=True):
        check_plan(body, block, forms)


def _check_cut(blocks: Blocks, network: Network) -> None:
    if blocks.label not in cut_labels(network):
        raise UnfitPlanError(f"label {blocks.label!r} cannot be cut")
    if not 0 < blocks.size < network.sizes[blocks.label]:
        raise UnfitPlanError(f"blocks of {blocks.size} of {blocks.label!r}")
    if turns_of(network, Cut(blocks.label, blocks.size)) > TURNS:
        raise UnfitPlanError(f"more than {TURNS} blocks")


def _check_steps(steps: Iterable[PlanStep], problem: Problem, forms: Forms) -> None:
    """Every operand and every result goes into one step, the last result aside."""
    values = {j: 1 << j for j in problem.arrays}
    free, count = set(problem.constraints), len(problem.operands)
    for at, step in enumerate(steps):
        used = [values.pop(v, None) for v in step.values]
        rules = step.constraints
        fresh = len(set(rules)) == len(rules) and free.issuperset(rules)
        if None in used or not fresh:
            raise UnfitPlanError(f"step {at + 1} takes what is not there")
        subsets = [subset for subset in used if subset is not None]
        if not _is_offered(step, subsets, problem, forms):
            raise UnfitPlanError(f"step {at + 1} ({step.form}) is not possible there")
        free.difference_update(rules)
        values[count + at] = sum(subsets) | sum(1 << j for j in rules)
    if free or len(values) > 1:
        raise UnfitPlanError("it leaves operands out")


def _is_offered(
    step: PlanStep, subsets: list[int], problem: Problem, forms: Forms
) -> bool:
    """Whether the search would offer the step's form where these subsets meet."""
    form, rules = forms.get(step.form), step.constraints
    if not subsets:
        return step.form == "constant" and len(rules) == 1 and _is_alone(problem, rules)
    if form is None or form.values != len(subsets):
        return False
    if len(rules) not in form.constraints:
        return False
    first, others = subsets[0], subsets[1:]
    offered = chain(
        meetings(problem, first, others, rules, len(rules)),
        twin_meetings(problem, first, others, rules),
    )
    wanted = {*subsets}, {*rules}
    return any(({*parts}, {*used}) == wanted for _, (parts, used) in offered)


def _is_alone(problem: Problem, rules: tuple[int, ...]) -> bool:
    """Whether a constraint belongs to a part that has no arrays."""
    (part,) = [part for part in problem.components() if part >> rules[0] & 1]
    return not any(part >> j & 1 for j in problem.arrays)


def guarded(forms: Forms) -> dict[str, Form]:
    """Forms that write only the variants they offer, none that takes ages; else they
    raise UnfitPlanError.

    What was offered once is written again: a plan in blocks is written for the whole
    network first, as the search does, which offers other variants for small sizes.
    """
    accepted: set[Hashable] = set()
    return {name: _guarded(form, accepted) for name, form in forms.items()}


def _guarded(form: Form, accepted: set[Hashable]) -> Form:
    def emit(builder: Builder, site: Site, variant: Variant) -> Value:
        labels = tuple(frozenset(value.labels) for value in site.values)
        known = (form.name, variant, labels)
        if known not in accepted:
            if variant not in form.variants(_scratch(builder), site):
                said = f"the form {form.name} is not offered as {variant}"
                raise UnfitPlanError(said)
            accepted.add(known)
        scratch = _scratch(builder)
        scratch.limit = SLOWEST
        try:  # an estimate writes the first turn of a loop, however many there are
            form.emit(scratch, site, variant)
        except TooDearError as error:
            raise UnfitPlanError(f"the form {form.name} would take ages") from error
        return form.emit(builder, site, variant)

    return replace(form, emit=emit)


def _scratch(builder: Builder) -> Estimator:
    """A builder with the same registers, for what is not kept."""
    return Estimator(builder.sizes, builder.machine, builder.itemsize, builder.shapes)
