"""Plans as what JSON can hold, and back."""

from __future__ import annotations

from typing import Any

from tnconv.planning.plan import Blocks, Plan, PlanStep
from tnconv.planning.site import Variant
from tnconv.store.network_json import DEEPEST, network_record, read_network
from tnconv.store.reading import BadRecordError, items, number, table, whole, words

FIELDS = ("rewrites", "network", "steps", "seconds", "blocks", "parts")


def plan_record(plan: Plan) -> dict[str, Any]:
    """A plan as plain values; BadRecordError where a form's variant has no such form.

    >>> import tnconv
    >>> plan = tnconv.expression(tnconv.networks.conv((2, 3, 8), (4, 3, 1))).plan
    >>> read_plan(plan_record(plan), plan.source) == plan
    True
    """
    blocks = plan.blocks
    return {
        "rewrites": plan.rewrites,
        "network": network_record(plan.network),
        "steps": [_step_record(step) for step in plan.steps],
        "seconds": plan.seconds,
        "blocks": blocks and _blocks_record(blocks),
        "parts": [plan_record(part) for part in plan.parts],
    }


def _step_record(step: PlanStep) -> dict[str, Any]:
    return {
        "form": step.form,
        "variant": [_plain(item) for item in step.variant],
        "values": list(step.values),
        "constraints": list(step.constraints),
    }


def _plain(item: Any) -> Any:
    if isinstance(item, tuple):
        return [_plain(part) for part in item]
    if item is None or isinstance(item, str | bool | int):
        return item
    raise BadRecordError(f"a variant of a form holds {item!r:.40}, which no record can")


def _blocks_record(blocks: Blocks) -> dict[str, Any]:
    bodies = [plan_record(body) for body in blocks.bodies]
    return {"label": blocks.label, "size": blocks.size, "bodies": bodies}


def read_plan(value: Any, source: str, depth: int = 0) -> Plan:
    """The inverse of :func:`plan_record`; BadRecordError says what does not fit."""
    if depth > DEEPEST:
        raise BadRecordError(f"plans are nested deeper than {DEEPEST}")
    found = table(value, "plan", FIELDS)
    return Plan(
        read_network(found["network"]),
        tuple(_step(step) for step in items(found["steps"], "steps")),
        number(found["seconds"], "seconds"),
        source,
        words(found["rewrites"], "rewrites"),
        _blocks(found["blocks"], source, depth),
        tuple(read_plan(p, source, depth + 1) for p in items(found["parts"], "parts")),
    )


def _step(value: Any) -> PlanStep:
    found = table(value, "step", ("form", "variant", "values", "constraints"))
    return PlanStep(
        words(found["form"], "form"),
        _variant(found["variant"], 0),
        tuple(whole(v, "value") for v in items(found["values"], "values")),
        tuple(
            whole(v, "constraint") for v in items(found["constraints"], "constraints")
        ),
    )


def _variant(value: Any, depth: int) -> Variant:
    if depth > DEEPEST:
        raise BadRecordError("a variant is nested too deep")
    return tuple(_item(item, depth) for item in items(value, "variant"))


def _item(item: Any, depth: int) -> Any:
    if isinstance(item, list):
        return _variant(item, depth + 1)
    if isinstance(item, str):
        return words(item, "variant")
    if item is None or isinstance(item, bool):
        return item
    return whole(item, "variant", -(1 << 48))


def _blocks(value: Any, source: str, depth: int) -> Blocks | None:
    if value is None:
        return None
    found = table(value, "blocks", ("label", "size", "bodies"))
    bodies = items(found["bodies"], "bodies")
    return Blocks(
        words(found["label"], "label"),
        whole(found["size"], "size", 1),
        tuple(read_plan(body, source, depth + 1) for body in bodies),
    )
