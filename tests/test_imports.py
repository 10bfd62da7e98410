"""What importing tnconv loads: no array library but the caller's, no planner."""

import os
import subprocess
import sys

import pytest

#: libraries that only a call may load
LATE = (
    "array_api_strict",
    "cotengra",
    "cupy",
    "jax",
    "matplotlib",
    "networkx",
    "opt_einsum",
    "PIL",
    "rich",
    "scipy",
    "torch",
)


def loaded_by(statement: str) -> set[str]:
    """Top-level modules in a fresh interpreter after a statement."""
    code = f"{statement}\nimport sys\nprint(*{{m.split('.')[0] for m in sys.modules}})"
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
    )
    return set(done.stdout.split())


@pytest.mark.parametrize(
    "statement",
    [
        "import tnconv",
        "import tnconv_rules",
        "import tnconv_backends",
        "import tnconv.cli; tnconv.cli.main",
        "import tnconv.draw",
        "import tnconv; tnconv.networks.conv((1, 2, 9), (3, 2, 3))",
    ],
)
def test_import_loads_no_framework(statement: str) -> None:
    modules = loaded_by(statement)
    assert "tnconv" in modules or "tnconv_backends" in modules
    assert not modules & set(LATE)


def test_a_call_on_numpy_arrays_loads_no_other_library() -> None:
    modules = loaded_by(
        "import numpy, tnconv\n"
        "tnconv.conv(numpy.ones((1, 2, 9)), numpy.ones((3, 2, 3)))"
    )
    assert "tnconv_backends" in modules
    assert not modules & {"torch", "jax", "cupy", "array_api_strict", "matplotlib"}
