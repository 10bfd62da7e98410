"""No test reads or writes the store of whoever runs it."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

os.environ["TNCONV_STORE"] = "off"


@pytest.fixture
def own_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A calibration file of the test's own, which is not there yet."""
    from tnconv.execution import calibration

    path = tmp_path / "calibration.json"
    monkeypatch.setenv(calibration.VARIABLE, str(path))
    calibration._calibrated.cache_clear()
    yield path
    calibration._calibrated.cache_clear()
