"""The client libraries' own tests pass with tnconv in their place.

They run in an environment that has the clients and their tests: ``.ci/clients`` makes
one and runs ``pytest -m clients`` in it.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import pytest

pytestmark = pytest.mark.clients

ROOT = Path(__file__).resolve().parents[2]
#: where the source distributions of the clients are unpacked
SOURCES = "TNCONV_CLIENT_SOURCES"


@dataclass(frozen=True)
class Suite:
    """Tests of a client: in its source distribution, or in the package itself."""

    client: str
    tests: tuple[str, ...]
    #: functions of tnconv that the tests must reach
    calls: tuple[str, ...]
    distribution: str = ""
    select: str = ""
    options: tuple[str, ...] = ()


#: no configuration of anybody
PLAIN = ("-c", str(Path(__file__).with_name("plain.ini")), "--rootdir", ".")
SUITES = (
    Suite(
        "opacus",
        tuple(f"opacus/tests/grad_samples/conv{axes}d_test.py" for axes in (1, 2, 3)),
        ("conv_weight_vjp", "conv_bias_vjp"),
        options=(*PLAIN, "--hypothesis-seed=0"),
    ),
    Suite(
        "curvlinops",
        ("test/test_kfac.py",),
        ("kfac_input_factor",),
        "curvlinops_for_pytorch",
        "type2_weight_sharing and (case2 or case3) and not shuffled and all",
    ),
    Suite(
        "curvlinops",
        ("test/test_ekfac.py",),
        ("unfolded_inputs",),
        "curvlinops_for_pytorch",
        "type2_weight_sharing and case2 and not shuffled and all",
    ),
    Suite(
        "singd",
        ("test/optim/test_kfac.py",),
        ("unfolded_inputs",),
        "singd",
        options=PLAIN,
    ),
    Suite(
        "backpack",
        (
            "test/extensions/firstorder/batch_grad",
            "test/extensions/firstorder/batch_l2_grad",
            "test/extensions/firstorder/sum_grad_squared",
            "test/extensions/secondorder/hbp/test_kfac.py",
            "test/extensions/secondorder/diag_ggn",
        ),
        (
            "contract",
            "conv_weight_vjp_squared_norm",
            "ggn_diagonal",
            "kfac_input_factor",
        ),
        "backpack_for_pytorch",
        "Conv and not Transpose and not resnet and not mc"
        " and (not montecarlo or light)",
    ),
)


def home(suite: Suite) -> Path:
    """The folder that the paths of a suite are in."""
    if suite.distribution:
        sources = Path(os.environ.get(SOURCES, ""))
        found = sorted(sources.glob(f"{suite.distribution}-*/"))
        assert found, f"{SOURCES} holds no {suite.distribution}: run .ci/clients"
        return found[0]
    spec = find_spec(suite.client)
    assert spec and spec.origin, f"{suite.client} is not installed: run .ci/clients"
    return Path(spec.origin).parents[1]


@pytest.mark.parametrize("suite", SUITES, ids=lambda s: "-".join(s.tests)[-40:])
def test_their_tests_pass_and_call_tnconv(suite: Suite, tmp_path: Path) -> None:
    calls = tmp_path / "calls.json"
    places = (ROOT / "tests/clients/path", os.environ.get("PYTHONPATH"))
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join(str(place) for place in places if place),
        "PYTHONDONTWRITEBYTECODE": "1",
        "TNCONV_CLIENT": suite.client,
        "TNCONV_CLIENT_CALLS": str(calls),
    }
    command = [sys.executable, "-m", "pytest", "-q", "-p", "on_tnconv"]
    command += ["-p", "no:cacheprovider", *suite.options, *suite.tests]
    command += ["-k", suite.select] if suite.select else []
    done = subprocess.run(
        command, cwd=home(suite), env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-2000:]
    counts = json.loads(calls.read_text("utf-8"))
    print(done.stdout.splitlines()[-1], counts)
    assert all(counts.get(name) for name in suite.calls), counts
