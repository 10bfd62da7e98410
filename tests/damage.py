"""What the tests of damaged stores share: a store, and what is said of it."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.stores import NETWORKS

import tnconv
from tnconv.execution.expression import clear_caches
from tnconv.store import places
from tnconv.store.places import StoreWarning

NETWORK = NETWORKS["line"]


@pytest.fixture(autouse=True)
def own_store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A user's store of the test's own, which is not there yet."""
    path = tmp_path / "plans.sqlite"
    monkeypatch.setenv("TNCONV_STORE", str(path))
    clear_caches()
    places._warn.cache_clear()
    yield path
    clear_caches()


def used(path: Path | None = None) -> bool:
    """Whether the network's plan comes from a store; there never is an error."""
    clear_caches()
    with tnconv.options(store=[path] if path else []):
        plan = tnconv.expression(NETWORK).plan
    return plan.source.startswith("the store")


def is_reported(said: str, path: Path | None = None) -> None:
    """One warning in these words, and the network is planned."""
    with pytest.warns(StoreWarning, match=said):
        assert not used(path)
    assert not used(path)  # a second warning would be an error
