"""What is tuned: a network, where it will run, and what its plan must keep to."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from tnconv.errors import ArgumentError, ArrayError
from tnconv.execution.backend import Measurable, Place
from tnconv.execution.calibrate import measurable
from tnconv.execution.expression import ITEMSIZE, Expression, searched
from tnconv.execution.registry import backend as backend_named
from tnconv.network import Network
from tnconv.options import current
from tnconv.store.canonical import canonical
from tnconv.store.key import constraints_of, options_of
from tnconv.store.lookup import Job
from tnconv.tuning.layers import TRAINING, aimed, check_operations, read_layer

#: the longest name of a network that has none of its own
WIDTH = 48


@dataclass(frozen=True, slots=True)
class Task:
    """A network to tune. It is plain data, so that it travels to other processes.

    ``where``: the device class to tune it for, where a crew has several.
    """

    name: str
    operation: str
    network: Network
    backend: str = "numpy"
    dtype: str = "float32"
    device: str | None = None
    constraints: Mapping[str, Any] = field(default_factory=dict)
    where: str = ""

    @property
    def title(self) -> str:
        """Name and operation, and the device class where it is one of several."""
        where = f"({self.where})" if self.where else ""
        return " ".join(filter(None, (self.name, self.operation, where)))

    @property
    def form(self) -> Network:
        """The canonical network, whose plan is kept. Raises TooSymmetricError where
        there is none."""
        return canonical(searched(self.network, self.dtype)).network

    def home(self) -> tuple[Measurable, Place]:
        """The backend in this process, and the place of its arrays."""
        backend = measurable(backend_named(self.backend), "tune")
        return backend, backend.home(self.dtype, self.device)

    def job(self) -> Job:
        """What the network is planned for in this process."""
        backend, place = self.home()
        machine, itemsize = backend.machine(place), ITEMSIZE[self.dtype]
        return Job(machine, self.dtype, itemsize, options_of(self.constraints))


@dataclass(frozen=True, slots=True)
class Settings:
    """What holds for every network that does not say otherwise.

    ``backend``, ``dtype`` and ``device`` are None where a file's own words, or else
    NumPy and float32, are to count.
    """

    backend: str | None = None
    dtype: str | None = None
    device: str | None = None
    operations: Sequence[str] = TRAINING
    batch: int = 8

    def task(self, name: str, operation: str, network: Network, **own: Any) -> Task:
        """The task of a network, with what is known of it."""
        constraints = own.get("constraints") or constraints_of(current())
        dtype = self.dtype or own.get("dtype") or "float32"
        if dtype not in ITEMSIZE:
            raise ArrayError(f"tune: dtype {dtype!r} is none of {', '.join(ITEMSIZE)}")
        return Task(
            name,
            operation,
            network,
            self.backend or own.get("backend") or "numpy",
            dtype,
            self.device or own.get("device"),
            constraints,
        )

    def over(self, task: Task) -> Task:
        """A task with what was given in the place of its own."""
        names = ("backend", "dtype", "device")
        given = {name: getattr(self, name) for name in names}
        return replace(task, **{k: v for k, v in given.items() if v is not None})


def tasks_of(entries: Iterable[Any], settings: Settings) -> Iterator[Task]:
    """The tasks of networks, expressions, tasks and records of layers.

    Raises ArgumentError, with the number of the entry, for what is none of these.
    """
    for number, entry in enumerate(entries, 1):
        try:
            yield from _tasks(entry, settings)
        except ArgumentError as error:
            raise ArgumentError(f"tune: entry {number}: {error}") from error


def _tasks(entry: Any, settings: Settings) -> Iterator[Task]:
    if isinstance(entry, Task):
        yield settings.over(entry)
    elif isinstance(entry, Network):
        yield settings.task(short(entry), "", entry)
    elif isinstance(entry, Expression):
        yield settings.over(of_expression(entry))
    elif isinstance(entry, Mapping):
        layer = read_layer(entry, settings.batch)
        for operation in check_operations(settings.operations):
            network = layer.network(operation)
            own = constraints_of(aimed(operation))
            yield settings.task(layer.name, operation, network, constraints=own)
    else:
        raise ArgumentError(
            f"{entry!r:.60} is no Network, Expression or record of a layer"
        )


def of_expression(expression: Expression) -> Task:
    """The task of an expression: its network, place and options."""
    network, place = expression.network, expression.place
    return Task(
        short(network),
        "",
        network,
        expression.backend.name,
        expression.dtype,
        device_name(place),
        constraints_of(expression.options),
    )


def device_name(place: Place) -> str | None:
    """What another process calls the device of a place; None for the processor, and
    where the backend finds no device by a name.

    >>> device_name(Place("numpy", None, "float32", None)) is None
    True
    """
    backend = backend_named(place.backend)
    if backend.machine(place).device.kind == "cpu":
        return None
    name = str(place.device)
    if not isinstance(backend, Measurable):
        return None
    return name if backend.home(place.dtype, name).device == place.device else None


def short(network: Network) -> str:
    """A network as the beginning of its text."""
    text = str(network)
    return text if len(text) <= WIDTH else text[: WIDTH - 3] + "..."
