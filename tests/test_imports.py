"""What importing tnconv loads: no array library but the caller's, no planner."""

import os
import subprocess
import sys

import pytest

#: libraries that only a call may load
LATE = (
    "array_api_strict",
    "cmaes",
    "cotengra",
    "cupy",
    "dask",
    "distributed",
    "jax",
    "matplotlib",
    "networkx",
    "opt_einsum",
    "PIL",
    "rich",
    "scipy",
    "torch",
)


#: parts of tnconv, and of Python, that importing it does not load
UNNEEDED = (
    "argparse",
    "importlib.metadata",
    "json",
    "tnconv.cli",
    "tnconv.draw",
    "tnconv.execution.program",
    "tnconv.execution.report",
    "tnconv.notation",
    "tnconv.planning",
    "tnconv.rewrite",
    "tnconv.testing",
    "tnconv_backends",
    "tnconv_rules",
)


def printed_by(code: str) -> list[str]:
    """The words that a fresh interpreter prints."""
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
    )
    return done.stdout.split()


def modules_after(statement: str) -> set[str]:
    """The modules of a fresh interpreter after a statement."""
    return set(printed_by(f"{statement}\nimport sys\nprint(*sys.modules)"))


def loaded_by(statement: str) -> set[str]:
    """The top-level modules among them."""
    return {name.partition(".")[0] for name in modules_after(statement)}


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


def test_import_loads_what_a_call_needs_and_no_more() -> None:
    # what NumPy itself loads, another version of it may load as well
    numpy = modules_after("import numpy")
    own = modules_after("import numpy, tnconv") - numpy
    assert not own & {*UNNEEDED, "tnconv.functions", "tnconv.networks"}
    own = modules_after("import numpy, tnconv; tnconv.conv") - numpy
    assert "tnconv.functions.conv" in own
    assert not own & set(UNNEEDED)


def test_what_is_imported_late_is_there_when_asked_for() -> None:
    modules = modules_after("import tnconv; tnconv.parse; tnconv.simplify")
    assert {"tnconv.notation", "tnconv.rewrite"} <= modules
    names = printed_by("import tnconv; print(*dir(tnconv))")
    assert {"conv", "parse", "simplify"} <= set(names)
    printed_by("from tnconv import *; print(parse('i -> i; i=2'))")


def test_import_takes_little_time() -> None:
    """50 ms beyond NumPy on an idle machine; here at most three times that."""
    code = (
        "import numpy\n"
        "from time import thread_time\n"
        "start = thread_time()\n"
        "import tnconv\n"
        "print(thread_time() - start)"
    )
    assert min(float(printed_by(code)[0]) for _ in range(5)) < 3 * 0.050
