"""Plug-ins: a real package, built and put on the path, adds to everything."""

import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

import tnconv
from tnconv import functions
from tnconv.execution.registry import BUILTIN, plugins

PLUGIN = Path(__file__).parent / "plugin"
BUILD = "import sys, hatchling.build as b; print(b.build_wheel(sys.argv[1]))"
PRELUDE = """
import numpy as np
import tnconv
from tnconv.errors import ArrayError, MissingDependencyError
x = np.arange(12.0).reshape(1, 2, 6)
w = np.arange(8.0).reshape(2, 2, 2)
def plain(x, w):
    cuts = [np.einsum("ncj,dcj->nd", x[..., j : j + 2], w) for j in range(5)]
    return np.stack(cuts, axis=-1)
"""


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that holds the plug-in as an installer would leave it."""
    pytest.importorskip("hatchling")
    base = tmp_path_factory.mktemp("plugin")
    shutil.copytree(PLUGIN, base / "source")
    done = run("-c", BUILD, str(base), cwd=base / "source")
    with zipfile.ZipFile(base / done.split()[-1]) as wheel:
        wheel.extractall(base / "site")
    return base / "site"


def run(*arguments: str, site: Path | None = None, cwd: Path | None = None) -> str:
    """Output of a fresh interpreter; ``site`` comes first on its path."""
    path = [*([str(site)] if site else []), *filter(None, sys.path)]
    done = subprocess.run(
        [sys.executable, "-W", "error", *arguments],
        cwd=cwd,
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(path)},
    )
    assert not done.returncode, done.stderr
    return done.stdout


def test_a_backend_for_another_array_type(installed: Path) -> None:
    code = """
from tnconv_boxes import Box
found = tnconv.conv(Box(x), Box(w))
assert type(found) is Box
np.testing.assert_array_equal(found.inside, plain(x, w))
found = tnconv.conv(Box(x), Box(w))  # boxes have no dtype: found again all the same
np.testing.assert_array_equal(found.inside, plain(x, w))
planned = tnconv.expression(
    tnconv.networks.conv(x.shape, w.shape), backend="boxes", dtype="float64"
)
np.testing.assert_array_equal(planned(Box(x), Box(w)).inside, plain(x, w))
try:
    tnconv.conv(Box(x), w)
except ArrayError as error:
    assert "weight has backend numpy, x has boxes" in str(error)
else:
    raise SystemExit("boxes and arrays were mixed")
"""
    run("-c", PRELUDE + code, site=installed)


def test_a_rule_fires_in_every_plan(installed: Path) -> None:
    code = """
network = tnconv.networks.conv(x.shape, w.shape)
found = tnconv.simplify(network)
assert "patterns last" in [name for name, _ in found.trace]
assert "patterns last" in str(tnconv.expression(network))
np.testing.assert_array_equal(tnconv.conv(x, w), plain(x, w))
"""
    run("-c", PRELUDE + code, site=installed)


def test_a_form_can_be_asked_for(installed: Path) -> None:
    code = """
network = tnconv.networks.conv((1, 2, 400), (2, 2, 2))
with tnconv.options(forms=["sliding", "gemm"]):
    assert "sliding" in str(tnconv.expression(network))
    np.testing.assert_array_equal(tnconv.conv(x, w), plain(x, w))
"""
    run("-c", PRELUDE + code, site=installed)


def test_an_operation_is_an_attribute_of_tnconv(installed: Path) -> None:
    code = """
found = tnconv.moving_sum(x, 3)
expected = x[..., :4] + x[..., 1:5] + x[..., 2:]
np.testing.assert_array_equal(found, expected)
assert "moving_sum" in dir(tnconv)
from tnconv import moving_sum
assert moving_sum is tnconv.moving_sum
"""
    run("-c", PRELUDE + code, site=installed)


def test_built_ins_are_not_replaced(installed: Path) -> None:
    code = """
import tnconv.functions
from tnconv.execution import registry
assert tnconv.conv is tnconv.functions.conv
assert registry.load("tnconv.operations", "conv") is tnconv.functions.conv
assert type(registry.backend("numpy")).__module__ == "tnconv_backends.numpy"
np.testing.assert_array_equal(tnconv.conv(x, w), plain(x, w))
"""
    run("-c", PRELUDE + code, site=installed)


def test_a_plug_in_that_cannot_be_loaded_concerns_only_its_users(
    installed: Path,
) -> None:
    code = """
xp = __import__("array_api_strict")
found = tnconv.conv(xp.asarray(x), xp.asarray(w))
np.testing.assert_array_equal(np.asarray(found), plain(x, w))
for act in (
    lambda: tnconv.expression(tnconv.networks.unfold((1, 1, 4), 2), backend="absent"),
    lambda: tnconv.conv([1.0], [1.0]),
):
    try:
        act()
    except (MissingDependencyError, ArrayError) as error:
        assert "library of crates" in str(error) and "absent" in str(error), error
    else:
        raise SystemExit("no error")
"""
    pytest.importorskip("array_api_strict")
    run("-c", PRELUDE + code, site=installed)


def test_nothing_of_the_plug_in_is_loaded_before_it_is_used(installed: Path) -> None:
    code = """
import sys
dir(tnconv)
assert "tnconv_boxes" not in sys.modules
"""
    run("-c", PRELUDE + code, site=installed)


def test_the_built_in_operations_are_the_functions() -> None:
    assert set(BUILTIN["tnconv.operations"]) == set(functions.__all__)
    for name in functions.__all__:
        assert getattr(tnconv, name) is getattr(functions, name)


def test_dir_lists_what_is_public() -> None:
    assert {*tnconv.__all__, *plugins("tnconv.operations")} <= set(dir(tnconv))


def test_an_unknown_attribute_is_explained() -> None:
    with pytest.raises(AttributeError, match=r"'convolve'.*'tnconv\.operations'"):
        getattr(tnconv, "convolve")  # noqa: B009
    assert not hasattr(tnconv, "__wrapped__")
