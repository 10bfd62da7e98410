"""Every form: deleting it changes no result, it is used, and alone it is right.

Results are compared with the definition of a network, in float64 on small integers: all
forms but one are exact there, and the bound of that one is stated and tested below.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from tests.strategies import Limits, cases, seeds

import tnconv
from tnconv import networks
from tnconv.errors import ArgumentError
from tnconv.execution.registry import backend
from tnconv.network import Network
from tnconv.options import changed, current
from tnconv.planning import rivals
from tnconv.planning.builder import Builder, Value
from tnconv.planning.cost import Cost
from tnconv.planning.planner import Planned, form_table, plan_network
from tnconv.planning.site import Form, Site, Variant
from tnconv.testing import evaluate

Array = NDArray[Any]
QUICK = settings(
    max_examples=4,
    deadline=None,
    suppress_health_check=list(HealthCheck),
    phases=(Phase.explicit, Phase.reuse, Phase.generate),
)
DRAWN = Limits(axes=(1, 1, 2), filled=True)
OPERATIONS = (
    "conv",
    "conv_input_vjp",
    "conv_weight_vjp",
    "conv_transpose",
    "kfac_input_factor",
)
#: rounding of Fourier transforms, far above what these sums can come to
ROUNDING = {"fourier": 1e-10}
by_form = pytest.mark.parametrize("name", sorted(form_table()))


def sums(text: str, **sizes: int) -> Network:
    """A network that sums windows of ``x``, of shape (2, 3, 24)."""
    return tnconv.parse(f"x: {text}", shapes={"x": (2, 3, 24)}, sizes=sizes)


#: small networks that give every form something to do
FIXED = {
    "forward": networks.conv((2, 4, 9), (6, 2, 3), padding=1, groups=2),
    "strided": networks.conv((2, 2, 7, 8), (3, 2, 3, 2), stride=2, dilation=(1, 2)),
    "reflect": networks.conv((2, 2, 8), (3, 2, 3), padding=2, padding_mode="reflect"),
    "weight": networks.conv_weight_vjp((2, 4, 9), (2, 4, 9), (3,), padding=1, groups=4),
    "input": networks.conv_input_vjp((4, 2, 3), (2, 4, 5), (11,), stride=2),
    "transposed": networks.conv_transpose((2, 4, 5), (4, 3, 3), stride=2, padding=1),
    "expand": networks.kfac_input_factor((2, 3, 12), (3,), padding=1),
    "reduce": networks.kfac_input_factor((2, 3, 12), (3,), approximation="reduce"),
    "window sums": sums("n c i, i ~ 2 o + 3 k - 1 -> n c o", k=6, o=5),
    "sums of few windows": sums("n c i, i ~ 2 o + 3 k - 4 -> n c k", k=3, o=12),
    "sums into inputs": sums("n c o, i ~ 2 o + 3 k - 4 -> n c i", k=5, i=60),
}


def arrays_for(network: Network, seed: int = 0) -> dict[str, Array]:
    rng = np.random.default_rng(seed)
    shapes = network.arguments.items()
    return {n: np.asarray(rng.integers(-3, 4, s) * 1.0) for n, s in shapes}


def planned(network: Network, library: str, forms: Mapping[str, Form]) -> Planned:
    """The plan with a table of forms in the place of the registered ones."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(rivals, "form_table", lambda: dict(forms))
        like = np.empty(0) if library == "numpy" else _torch().empty(0).double()
        machine = backend(library).machine(backend(library).place(like))
        options = changed(current(), {"forms": None})
        return plan_network(network, machine, 8, options)


def run(plan: Planned, library: str, arrays: Mapping[str, Array]) -> Array:
    """The result of a plan on a library's arrays."""
    ordered: list[Any] = [arrays[name] for name in plan.network.arguments]
    if library == "torch":
        ordered = [_torch().from_numpy(a) for a in ordered]
    place = backend(library).place(ordered[0])
    return np.asarray(backend(library).compile(plan.program, place)(ordered))


def _torch() -> Any:
    return pytest.importorskip("torch")


def used(plan: Planned) -> set[str]:
    return {step.form for step in plan.plan.steps}


def agree(plan: Planned, library: str, seed: int = 0) -> None:
    """The plan's result is that of the definition."""
    arrays = arrays_for(plan.network, seed)
    wrong = np.abs(run(plan, library, arrays) - evaluate(plan.network, arrays))
    limit = max(ROUNDING.get(name, 0.0) for name in {"", *used(plan)})
    if plan.network.scale.denominator & (plan.network.scale.denominator - 1):
        limit += 1e-12  # a division that floating point rounds
    assert np.max(wrong, initial=0.0) <= limit, plan.lines


# ---- deleting a form


@by_form
@pytest.mark.parametrize("operation", OPERATIONS)
@QUICK
@given(data=st.data())
def test_deleting_a_form_changes_no_result(
    operation: str, name: str, data: Any
) -> None:
    network = drawn(data, operation)
    left = {n: form for n, form in form_table().items() if n != name}
    for library in ("numpy", "torch"):
        plan = planned(network, library, left)
        assert name not in used(plan)
        agree(plan, library, data.draw(seeds()))


def drawn(data: Any, operation: str) -> Network:
    """A network of an operation, of the shapes and arguments of a drawn call."""
    case = data.draw(cases(operation, DRAWN))
    shapes = [shape for name, shape in case.shapes.items() if name != "bias"]
    found = getattr(networks, operation)(*shapes, *case.extra, **case.hyper)
    assert isinstance(found, Network)
    return found


# ---- using a form


def dear(form: Form) -> Form:
    """The same form at a second more per step."""

    def emit(b: Builder, site: Site, variant: Variant) -> Value:
        b.charge(Cost(1.0))
        return form.emit(b, site, variant)

    return replace(form, emit=emit)


def preferring(name: str) -> dict[str, Form]:
    """All forms, those of other names made dear."""
    table = form_table().items()
    return {n: form if n == name else dear(form) for n, form in table}


@by_form
def test_every_form_is_used_and_right(name: str) -> None:
    fired = 0
    for library in ("numpy", "torch"):
        for network in FIXED.values():
            plan = planned(network, library, preferring(name))
            agree(plan, library)
            fired += name in used(plan)
    assert fired


@by_form
@pytest.mark.parametrize("operation", OPERATIONS)
@QUICK
@given(data=st.data())
def test_preferred_forms_are_right_on_drawn_networks(
    operation: str, name: str, data: Any
) -> None:
    network = drawn(data, operation)
    for library in ("numpy", "torch"):
        agree(planned(network, library, preferring(name)), library)


@by_form
@pytest.mark.parametrize("network", FIXED)
def test_each_form_alone_is_right(network: str, name: str) -> None:
    """With the fallback that options add, on arrays of either library."""
    arrays = arrays_for(FIXED[network])
    expected = evaluate(FIXED[network], arrays)
    for library in ("numpy", "torch"):
        expression = tnconv.expression(
            FIXED[network], backend=library, dtype="float64", forms=[name]
        )
        given = arrays
        if library == "torch":
            given = {n: _torch().from_numpy(a) for n, a in arrays.items()}
        found = np.asarray(expression(**given))
        np.testing.assert_allclose(found, expected, rtol=0, atol=1e-10)
        steps = {step.form for step in expression.plan.steps}
        assert steps <= {name, "constant", "multiply"}


@by_form
def test_options_exclude_any_form(name: str) -> None:
    others = [other for other in form_table() if other != name]
    for network in FIXED.values():
        for library in ("numpy", "torch"):
            plan = tnconv.expression(network, backend=library, forms=others).plan
            left = {step.form for step in plan.steps}
            # without these two some networks cannot be contracted at all
            assert name not in left or name in ("constant", "multiply")
    with pytest.raises(ArgumentError, match="are none of"):
        tnconv.expression(network, forms=["no such form"])


# ---- Inf and NaN


@by_form
@pytest.mark.parametrize("value", [np.inf, np.nan])
def test_no_form_loses_a_bad_number(value: float, name: str) -> None:
    """Whatever reads it is not finite, and whatever is finite is right."""
    for network in FIXED.values():
        for spoiled in network.arguments:
            clean = {n: np.abs(a) + 1 for n, a in arrays_for(network, 3).items()}
            at = tuple(size // 2 for size in clean[spoiled].shape)
            without, more = ({**clean, spoiled: clean[spoiled].copy()} for _ in "01")
            without[spoiled][at], more[spoiled][at] = 0.0, 1e3
            expected = evaluate(network, without)
            reads = evaluate(network, more) != expected
            bad = {**clean, spoiled: clean[spoiled].copy()}
            bad[spoiled][at] = value
            for library in ("numpy", "torch"):
                with np.errstate(invalid="ignore"):
                    plan = planned(network, library, preferring(name))
                    found = run(plan, library, bad)
                good = np.isfinite(found)
                assert not np.any(good & reads), plan.lines
                right = np.isclose(found[good], expected[good], rtol=1e-9, atol=1e-6)
                assert np.all(right), plan.lines
