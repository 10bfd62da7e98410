"""The distribution: entry points, metadata, and what the wheel holds."""

import re
import subprocess
import sys
import tomllib
import zipfile
from importlib import import_module, metadata
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

import tnconv
from tnconv.execution.registry import BUILTIN, NEEDS

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = ("tnconv", "tnconv_backends", "tnconv_rules")
GROUPS = (
    "tnconv.backends",
    "tnconv.commands",
    "tnconv.forms",
    "tnconv.operations",
    "tnconv.rules",
)
in_checkout = pytest.mark.skipif(
    not (ROOT / "tnconv_core").is_dir(), reason="needs the sources beside the tests"
)


def project() -> dict[str, Any]:
    table: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    return dict(table["project"])


def test_declared_entry_points_are_the_built_in_tables() -> None:
    assert set(BUILTIN) == set(GROUPS)
    declared = {
        group: dict(names) for group, names in project()["entry-points"].items()
    }
    assert declared == {group: dict(names) for group, names in BUILTIN.items()}


def test_installed_entry_points_are_the_built_in_tables() -> None:
    try:
        metadata.distribution("tnconv")
    except metadata.PackageNotFoundError:
        pytest.skip("tnconv runs from a checkout that is not installed")
    for group in GROUPS:
        found = {
            point.name: point.value for point in metadata.entry_points(group=group)
        }
        assert found == dict(BUILTIN[group]), group


@pytest.mark.parametrize("group", GROUPS)
def test_every_entry_point_exists(group: str) -> None:
    for name, value in BUILTIN[group].items():
        if group == "tnconv.backends" and find_spec(NEEDS.get(name, "sys")) is None:
            continue  # its library is an extra that is not installed
        module, _, attribute = value.partition(":")
        found = getattr(import_module(module), attribute, None)
        assert found is not None, f"{group}: {name} = {value}"


def test_the_packages_are_typed_and_versioned() -> None:
    assert re.fullmatch(r"\d+\.\d+\.\d+", tnconv.__version__)
    for package in PACKAGES:
        file = import_module(package).__file__
        assert file is not None
        assert (Path(file).parent / "py.typed").is_file(), package


def test_torch_is_pinned_and_every_direct_dependency_has_a_pin() -> None:
    lines = (ROOT / "constraints.txt").read_text("utf-8").splitlines()
    pins = dict(line.split("==") for line in lines if not line.startswith("#"))
    assert pins["torch"] == "2.13.0"
    pinned = {_normal(name) for name in pins}
    extras = project()["optional-dependencies"]
    wanted = [*project()["dependencies"], *extras["test"], *extras["lint"]]
    wanted += [*extras["demo"], *extras["draw"], *extras["torch"], *extras["jax"]]
    for requirement in wanted:
        name = re.split(r"[\[<>=,;~! ]", requirement)[0]
        assert name == "tnconv" or _normal(name) in pinned, requirement


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


@in_checkout
def test_the_wheel_holds_the_three_packages_and_nothing_else(tmp_path: Path) -> None:
    build = "import sys, hatchling.build as b; print(b.build_wheel(sys.argv[1]))"
    done = subprocess.run(
        [sys.executable, "-c", build, str(tmp_path)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    with zipfile.ZipFile(tmp_path / done.stdout.split()[-1]) as wheel:
        names = wheel.namelist()
    info = f"tnconv-{tnconv.__version__}.dist-info"
    assert {name.split("/")[0] for name in names} == {*PACKAGES, info}
    expected = {
        str(file.relative_to(root))
        for root in (ROOT / "tnconv_core", ROOT / "backends", ROOT / "rules")
        for file in root.rglob("*")
        if file.is_file() and "__pycache__" not in file.parts
    }
    assert {name for name in names if not name.startswith(info)} == expected
    assert f"{info}/licenses/LICENSE" in names
