"""What the tests of stores share: networks, their records, and other spellings."""

import random
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from tnconv import networks
from tnconv.execution.backend import Place
from tnconv.execution.expression import ITEMSIZE, clear_caches, searched
from tnconv.execution.registry import backend
from tnconv.network import Network
from tnconv.notation import parse
from tnconv.options import Options, current
from tnconv.store.canonical import canonical, renamed
from tnconv.store.database import Database
from tnconv.store.lookup import Job
from tnconv.store.records import Measured, Record

X, Y = (2, 4, 9, 8), (2, 6, 9, 8)
NETWORKS: dict[str, Network] = {
    "conv": networks.conv(X, (6, 4, 3, 3), padding=1),
    "grouped": networks.conv(X, (6, 2, 3, 3), padding=1, groups=2, stride=2),
    "reflect": networks.conv(X, (6, 4, 3, 3), padding=1, padding_mode="reflect"),
    "line": networks.conv((2, 4, 30), (6, 4, 5), stride=2),
    "weight": networks.conv_weight_vjp(X, Y, (3, 3), padding=1),
    "input": networks.conv_input_vjp((6, 4, 3, 3), Y, (9, 8), padding=1),
    "expand": networks.kfac_input_factor(X, (3, 3), padding=1),
    "reduce": networks.kfac_input_factor(X, (3, 3), approximation="reduce"),
    "norms": networks.conv_weight_vjp_squared_norm(X, Y, (3, 3), padding=1),
    "ggn": networks.ggn_diagonal(X, (3, *Y), (3, 3), padding=1),
}
#: more than the exact search takes
CHAIN = parse(
    ", ".join(f"m{j}: a{j} a{j + 1}" for j in range(26)) + " -> a0 a26",
    shapes={f"m{j}": (2 + j % 3, 2 + (j + 1) % 3) for j in range(26)},
)


def spelled_otherwise(network: Network, seed: int) -> Network:
    """The same network with other names, labels and order of operands."""
    draw = random.Random(seed)
    labels = [f"q{j}" for j in range(len(network.sizes))]
    draw.shuffle(labels)
    network = network.rename(dict(zip(network.sizes, labels, strict=True)))
    operands = draw.sample(network.operands, len(network.operands))
    names = [f"b{j}" for j in range(len(network.arguments))]
    draw.shuffle(names)
    other = dict(zip(network.arguments, names, strict=True))
    return renamed(replace(network, operands=tuple(operands)), other)


def job(
    name: str = "numpy", dtype: str = "float32", options: Options | None = None
) -> Job:
    """What networks are planned for on this machine."""
    machine = backend(name).machine(Place(name, None, dtype, None))
    return Job(machine, dtype, ITEMSIZE[dtype], options or current())


def record_of(
    network: Network, work: Job | None = None, measured: Measured | None = None
) -> Record:
    """A record of the plan that a search finds."""
    work = work or job()
    form = canonical(searched(network, work.dtype)).network
    return Record.of(work.key(form), work.searched(form), measured)


def records_of(names: Sequence[str]) -> list[Record]:
    """Records of some networks."""
    return [record_of(NETWORKS[name]) for name in names]


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Database]:
    """A user's store of the test's own."""
    path = tmp_path / "plans.sqlite"
    monkeypatch.setenv("TNCONV_STORE", str(path))
    clear_caches()
    yield Database(path)
    clear_caches()
