"""Canonical forms: the same for every spelling, different for different networks."""

import random
from dataclasses import replace
from itertools import permutations, product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.stores import NETWORKS, spelled_otherwise
from tests.strategies import OPERATIONS, Case, Limits, cases
from tests.test_networks import built

from tnconv import networks
from tnconv.axis import Axis
from tnconv.network import Input, Network, SubNetwork
from tnconv.store.canonical import TooSymmetricError, canonical
from tnconv.store.network_json import network_record, read_network, structure_record


@pytest.mark.parametrize("operation", [o for o in OPERATIONS if hasattr(networks, o)])
@settings(max_examples=25, deadline=None)
@given(data=st.data())
def test_every_spelling_has_one_form(operation: str, data: st.DataObject) -> None:
    case: Case = data.draw(cases(operation, Limits(axes=(1, 2, 3))))
    for network in built(case):
        form = canonical(network).network
        assert read_network(network_record(form)) == form
        assert canonical(form).network == form
        other = spelled_otherwise(network, data.draw(st.integers(0, 99)))
        found = canonical(other)
        assert found.network == form
        shapes = {n: other.arguments[theirs] for n, theirs in found.names.items()}
        assert shapes == dict(form.arguments)


def graph(edges: set[tuple[int, int]], count: int, size: int = 2) -> Network:
    """A number: an array of its own for each edge, a label for each node."""
    operands = [
        Input(f"e{j}", (Axis(size, ((f"v{a}", 1),)), Axis(size, ((f"v{b}", 1),))))
        for j, (a, b) in enumerate(sorted(edges))
    ]
    return Network.build(operands, (), {f"v{j}": size for j in range(count)})


def test_forms_agree_exactly_where_graphs_are_isomorphic() -> None:
    """All directed graphs of three nodes, against every renaming."""
    pairs = [(a, b) for a, b in product(range(3), repeat=2) if a != b]
    seen: dict[Network, set[frozenset[tuple[int, int]]]] = {}
    for bits in range(1, 1 << len(pairs)):
        edges = {pair for j, pair in enumerate(pairs) if bits >> j & 1}
        form = canonical(graph(edges, 3)).network
        seen.setdefault(form, set()).add(frozenset(edges))
    for found in seen.values():
        one = min(found, key=sorted)
        turned = permutations(range(3))
        assert found == {frozenset((p[a], p[b]) for a, b in one) for p in turned}


def test_what_refinement_cannot_tell_apart_is_told_apart() -> None:
    """A ring of six and two of three: every node looks like every other."""
    six = {(j, (j + 1) % 6) for j in range(6)}
    three = {(j, (j + 1) % 3) for j in range(3)}
    three |= {(a + 3, b + 3) for a, b in three}
    assert canonical(graph(six, 6)).network != canonical(graph(three, 6)).network
    for seed in range(5):
        for edges in (six, three):
            network = graph(edges, 6)
            other = spelled_otherwise(network, seed)
            assert canonical(other).network == canonical(network).network


def test_many_arrays_alike_are_no_trouble() -> None:
    star = {(0, j) for j in range(1, 12)}
    network = graph(star, 12)
    form = canonical(network).network
    assert canonical(spelled_otherwise(network, 1)).network == form


def test_too_many_choices_are_given_up_or_end_in_one_form() -> None:
    draw = random.Random(0)
    ring = {(j, (j + 1) % 24) for j in range(24)}
    far = {(j, (j + draw.choice([5, 7])) % 24) for j in range(24)}
    network = graph(ring | far, 24)

    def form(spelled: Network) -> Network | None:
        try:
            return canonical(spelled).network
        except TooSymmetricError:
            return None

    assert form(network) == form(spelled_otherwise(network, 1))


def test_networks_inside_are_told_apart_by_how_they_are_used() -> None:
    """A product whose arrays look alike inside, and not outside."""

    def around(name: str, order: bool) -> Network:
        axes = (Axis(3, (("a", 1),)),)
        pair = [Input("p", axes), Input("q", axes)]
        inner = Network.build(pair[:: 1 if order else -1], axes, {"a": 3})
        outer = SubNetwork(inner, (Axis(3, (("b", 1),)),))
        alone = Input(name, (Axis(3, (("c", 1),)),))
        ends = (Axis(3, (("b", 1),)), Axis(3, (("c", 1),)))
        return Network.build([outer, alone], ends, {"b": 3, "c": 3})

    forms = {canonical(around(n, o)).network for n in "pq" for o in (True, False)}
    assert len(forms) == 1
    assert canonical(around("r", True)).network not in forms


def test_sizes_strides_and_seats_tell_networks_apart() -> None:
    base, shapes = NETWORKS["conv"], ((2, 4, 9, 8), (6, 4, 3, 3))
    others = [
        networks.conv((2, 4, 8, 9), shapes[1], padding=1),
        networks.conv((3, 4, 9, 8), shapes[1], padding=1),
        networks.conv(shapes[0], shapes[1], padding=1, stride=2),
        networks.conv(shapes[0], shapes[1], padding=1, dilation=2),
        networks.conv(shapes[0], shapes[1]),
        replace(base, scale=base.scale / 2),
    ]
    forms = {canonical(network).network for network in (base, *others)}
    assert len(forms) == len(others) + 1
    assert len({canonical(network).network for network in NETWORKS.values()}) == len(
        NETWORKS
    )


@pytest.mark.parametrize("batch", [1, 3, 64])
def test_other_sizes_leave_the_order(batch: int) -> None:
    structures = [
        structure_record(canonical(networks.conv(shape, (6, 4, 3, 3))).network)
        for shape in ((2, 4, 9, 8), (batch, 4, 9, 8))
    ]
    assert structures[0] == structures[1]
