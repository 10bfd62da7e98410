"""Known calls: what tells one from another, and programs as straight-line code."""

import gc
import weakref
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests import oracles

import tnconv
from tnconv.execution import registry
from tnconv.execution.backend import Place
from tnconv.functions import call as door
from tnconv.planning.planner import form_table
from tnconv_backends.numpy import NumPyBackend
from tnconv_backends.runner import straight_line


class Device:
    """A device as CuPy's are: equal by number, without a hash."""

    __hash__ = None  # type: ignore[assignment]

    def __init__(self, number: int) -> None:
        self.id = number

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Device) and other.id == self.id


class OnDevice(np.ndarray):
    """Memory of NumPy that says it is on a device of that kind."""

    number = 0

    @property
    def device(self) -> Any:
        return Device(self.number)


class Backend(NumPyBackend):
    """NumPy's kernels for such arrays; counts how often it is asked for a place."""

    asked = 0

    def accepts(self, kind: type) -> bool:
        return issubclass(kind, OnDevice)

    def place(self, array: Any) -> Place:
        type(self).asked += 1
        found = super().place(array)
        return Place(found.backend, found.library, found.dtype, array.device.id)


@pytest.fixture
def backend(monkeypatch: pytest.MonkeyPatch) -> Backend:
    """The backend above, in the place of NumPy's for its own arrays."""
    mine, known = Backend(), registry.backend_for
    Backend.asked = 0

    def backend_for(kind: Any) -> Any:
        return mine if issubclass(kind, OnDevice) else known(kind)

    monkeypatch.setattr(door, "backend_for", backend_for)
    monkeypatch.setattr("tnconv.execution.expression.backend_for", backend_for)
    tnconv.clear_caches()
    return mine


def on(number: int, values: Any) -> Any:
    array = np.asarray(values).view(OnDevice)
    array.number = number
    return array


def test_a_device_without_a_hash_is_known_by_its_number(backend: Backend) -> None:
    rng = np.random.default_rng(0)
    x, weight = rng.standard_normal((2, 3, 9)), rng.standard_normal((4, 3, 3))
    expected = oracles.conv(x, weight)
    # NumPy itself makes constants, and knows no such device
    forms = [name for name in form_table() if name != "constant"]
    with tnconv.options(forms=forms):
        for _ in range(3):
            found = tnconv.conv(on(0, x), on(0, weight))
            np.testing.assert_allclose(found, expected, rtol=1e-12)
        asked = backend.asked
        assert asked == 2  # each array once, in the first call
        tnconv.conv(on(1, x), on(1, weight))
        assert backend.asked == 2 * asked  # another device, another call
        with pytest.raises(tnconv.ArrayError, match="device 1"):
            tnconv.conv(on(0, x), on(1, weight))


def test_equal_numbers_of_other_types_are_other_calls() -> None:
    x, weight = np.ones((1, 1, 4)), np.ones((1, 1, 2))
    assert tnconv.conv(x, weight, stride=1).shape == (1, 1, 3)
    for odd in (True, 1.0, np.bool_(True)):
        with pytest.raises(tnconv.ArgumentError, match="stride"):
            tnconv.conv(x, weight, stride=odd)  # type: ignore[arg-type]
    assert tnconv.conv(x, weight, stride=np.int64(1)).shape == (1, 1, 3)  # type: ignore[arg-type]


def test_the_bias_and_its_absence_are_other_calls() -> None:
    rng = np.random.default_rng(1)
    x, weight = rng.standard_normal((2, 3, 9)), rng.standard_normal((4, 3, 3))
    bias = rng.standard_normal(4)
    for _ in range(2):
        plain, added = tnconv.conv(x, weight), tnconv.conv(x, weight, bias)
        np.testing.assert_allclose(added, oracles.conv(x, weight) + bias[:, None])
        np.testing.assert_allclose(plain, oracles.conv(x, weight))
    with pytest.raises(tnconv.ArgumentError, match="bias has shape"):
        tnconv.conv(x, weight, bias[:3])
    with pytest.raises(tnconv.ArrayError, match="bias has dtype float32"):
        tnconv.conv(x, weight, bias.astype("float32"))


Line = tuple[Callable[..., Any], tuple[int, ...], tuple[int, ...]]


@settings(max_examples=100, deadline=None)
@given(st.data())
def test_straight_lines_are_the_steps_in_order(data: st.DataObject) -> None:
    count = data.draw(st.integers(0, 3))
    steps = data.draw(st.integers(0 if count else 1, 6))
    registers: list[Any] = [f"x{j}" for j in range(count)]
    lines: list[Line] = []
    for at in range(steps):
        known = range(count + at)
        several = st.lists(st.sampled_from(known), max_size=3) if known else st.just([])
        reads = tuple(data.draw(several))

        def kernel(*read: str, at: int = at) -> str:
            return f"{at}({','.join(read)})"

        lines.append((kernel, reads, ()))
        registers.append(kernel(*[registers[r] for r in reads]))
    result = data.draw(st.integers(0, len(registers) - 1))
    run = straight_line(count, lines, result)
    assert run(registers[:count]) == registers[result]


def test_a_dropped_register_is_freed_before_the_next_step() -> None:
    class Memory:
        pass

    made: list[Any] = []

    def first(x: object) -> Memory:
        memory = Memory()
        made.append(weakref.ref(memory))
        return memory

    def last(x: object) -> bool:
        gc.collect()
        return made[0]() is None

    dropped = straight_line(
        1, [(first, (0,), ()), (id, (1,), (1,)), (last, (0,), ())], 3
    )
    assert dropped([0]) is True
    made.clear()
    held = straight_line(1, [(first, (0,), ()), (id, (1,), ()), (last, (0,), ())], 3)
    assert held([0]) is False
