"""The command: help, exit codes, one-sentence answers, show, the demo."""

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import tnconv
from tnconv import demo
from tnconv.cli import main
from tnconv.demo import build, checks, loops

NOTATION = "n c i, i ~ 2 o + k - 1, d c k -> n d o"
SIZES = ["n=2", "c=3", "i=32", "o=16", "k=3", "d=4"]


def run(*arguments: str, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    """The command in a process of its own."""
    return subprocess.run(
        [sys.executable, "-m", "tnconv.cli", *arguments],
        capture_output=True,
        text=True,
        cwd=cwd,
        timeout=120,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
    )


def picture(path: Path, height: int = 48, width: int = 40) -> Path:
    """A small picture of noise on a ramp."""
    ramp = np.linspace(0, 180, width)[None, :, None]
    noise = np.random.default_rng(7).integers(0, 60, (height, width, 3))
    Image.fromarray((ramp + noise).astype("uint8")).save(path)
    return path


def size_of(path: Path) -> tuple[int, int]:
    """Width and height of a picture."""
    with Image.open(path) as image:
        return image.size


def test_version() -> None:
    done = run("--version")
    assert (done.returncode, done.stdout) == (0, f"tnconv {tnconv.__version__}\n")


@pytest.mark.parametrize(
    "arguments", [(), ("demo",), ("show",), ("calibrate",), ("plans",), ("tune",)]
)
def test_help_teaches_by_examples(arguments: tuple[str, ...]) -> None:
    done = run(*arguments, "--help")
    assert done.returncode == 0
    assert "examples" in done.stdout or "first steps" in done.stdout
    assert "  tnconv " in done.stdout


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "COMMAND"),
        (["paint"], "paint"),
        (["demo", "--image", "no-such-file.png"], "no-such-file.png"),
        (["demo", "--backend", "abacus"], "abacus"),
        (["calibrate", "--backend", "abacus"], "abacus"),
        (["calibrate", "--seconds", "0"], "above 0"),
        (["show"], "NOTATION"),
        (["show", NOTATION, "--size", "o"], "'o' is not a size"),
        (["show", NOTATION, "--size", "o=many"], "'o=many' is not a size"),
        (["show", NOTATION, "--size", "o=1", "o=2"], "twice"),
        (["show", NOTATION, "--shape", "2,x"], "'2,x' is not a shape"),
        (["show", NOTATION, "--shape", "x0=2,3,8", "x0=2,3,8"], "twice"),
        (["show", NOTATION, "--shape", "x0=2,3,8", "4,3,3"], "or none"),
        (["show", NOTATION, "--size", *SIZES[1:]], "'n'"),
        (["show", NOTATION, "--size", *SIZES, "z=3"], "z"),
        (["show", NOTATION, "--shape", "2,3", "--size", "o=16"], "shape"),
        (["show", NOTATION, "--size", *SIZES, "--backend", "abacus"], "abacus"),
        (["show", NOTATION, "--size", *SIZES, "--dtype", "float3"], "float3"),
        (["show", "n c i, i ~~ o -> n", "--size", "n=2"], "^"),
    ],
    ids=lambda value: " ".join(value)[:60] if isinstance(value, list) else "",
)
def test_bad_arguments_get_a_sentence_and_exit_code_2(
    arguments: list[str], said: str, tmp_path: Path, capsys: Any, monkeypatch: Any
) -> None:
    monkeypatch.chdir(tmp_path)
    try:
        code = main(arguments)
    except SystemExit as stop:
        code = int(stop.code or 0)
    captured = capsys.readouterr()
    assert code == 2
    assert said in captured.err
    assert captured.out == "" and "Traceback" not in captured.err
    assert captured.err.startswith("tnconv")
    lines = captured.err.splitlines()
    assert len(lines) == 1 or "^" in lines[-1]  # a caret under the place
    assert not list(tmp_path.iterdir())


def test_a_process_exits_with_the_code() -> None:
    done = run("show", NOTATION, "--size", "o")
    assert done.returncode == 2 and done.stdout == ""
    assert done.stderr.count("\n") == 1


def test_output_may_be_cut_off() -> None:
    command = [sys.executable, "-m", "tnconv.cli", "show", "a b, b c -> a c"]
    with subprocess.Popen(
        [*command, "--shape", "2,3", "3,4"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
    ) as process:
        assert process.stdout is not None and process.stderr is not None
        process.stdout.close()
        assert process.stderr.read() == ""
    assert process.returncode == 1


def test_an_output_folder_that_cannot_be(tmp_path: Path, capsys: Any) -> None:
    (tmp_path / "taken").write_text("a file")
    image = picture(tmp_path / "in.png")
    out = str(tmp_path / "taken")
    assert main(["demo", "--image", str(image), "--out", out]) == 2
    assert out in capsys.readouterr().err


def test_show_prints_network_and_plan(capsys: Any) -> None:
    assert main(["show", NOTATION, "--size", *SIZES]) == 0
    by_size = capsys.readouterr().out
    assert "2 o + k - 1" in by_size
    assert "cost " in by_size and "peak" in by_size and "path" in by_size
    shapes = ["--shape", "2,3,32", "--shape", "4,3,3", "--size", "o=16"]
    assert main(["show", NOTATION, *shapes]) == 0
    assert capsys.readouterr().out == by_size
    shapes = ["--shape", "x1=4,3,3", "--shape", "x0=2,3,32", "--size", "o=16"]
    assert main(["show", NOTATION, *shapes]) == 0
    assert capsys.readouterr().out == by_size


def test_demo_writes_its_pictures(
    tmp_path: Path, capsys: Any, monkeypatch: Any
) -> None:
    image = picture(tmp_path / "in.png")
    monkeypatch.chdir(tmp_path)
    assert main(["demo", "--image", str(image)]) == 0
    out = capsys.readouterr().out
    for text in ("plain loops", "layer by layer", "one network", "wrote"):
        assert text in out
    files = (tmp_path / "tnconv-demo").iterdir()
    sizes = {file.name: size_of(file) for file in files}
    assert sizes.pop("network.png") > (200, 200)
    assert sizes == {
        "photo.png": (40, 48),
        "orientations.png": (40, 48),
        "strided.png": (4 * 20, 24),
    }


@pytest.mark.parametrize("backend", ["torch", "array_api"])
def test_demo_on_other_libraries(backend: str, tmp_path: Path, capsys: Any) -> None:
    pytest.importorskip({"array_api": "array_api_strict"}.get(backend, backend))
    image = picture(tmp_path / "in.png", 33, 27)
    out = tmp_path / "out"
    code = main(
        ["demo", "--image", str(image), "--backend", backend, "--out", str(out)]
    )
    assert code == 0, capsys.readouterr().err
    assert len(list(out.iterdir())) == 4


def test_demo_on_the_photograph_that_ships(tmp_path: Path) -> None:
    done = run("demo", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert size_of(tmp_path / "tnconv-demo" / "photo.png") == (512, 600)
    assert "plain loops" in done.stdout


def test_a_failed_check_is_a_sentence_and_exit_code_1(
    tmp_path: Path, capsys: Any, monkeypatch: Any
) -> None:
    right = loops.crop
    monkeypatch.setattr(loops, "crop", lambda *a: [v + 1e-3 for v in right(*a)])
    image = picture(tmp_path / "in.png")
    assert main(["demo", "--image", str(image), "--out", str(tmp_path / "o")]) == 1
    assert "plain loops on a crop: a difference of" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("content", "said"), [(b"no picture", "cannot open"), (b"", "cannot open")]
)
def test_a_file_that_is_no_picture(
    content: bytes, said: str, tmp_path: Path, capsys: Any
) -> None:
    file = tmp_path / "in.png"
    file.write_bytes(content)
    assert main(["demo", "--image", str(file), "--out", str(tmp_path / "o")]) == 2
    assert said in capsys.readouterr().err


def test_a_picture_too_small_for_the_demo(tmp_path: Path, capsys: Any) -> None:
    image = picture(tmp_path / "in.png", 8, 8)
    assert main(["demo", "--image", str(image), "--out", str(tmp_path / "o")]) == 2
    assert "8 x 8" in capsys.readouterr().err


def test_the_checks_of_the_demo_can_fail() -> None:
    values = np.ones((2, 3), "float32")
    assert checks.agree("same", values, values) == 0
    for wrong in (values + 1e-4, values * np.nan, values[:1]):
        with pytest.raises(demo.CheckFailed):
            checks.agree("wrong", wrong, values)
    network = build.photo_network((3, 32, 40))
    plan = tnconv.expression(network).plan
    checks.one_plan(network, plan)
    for parts in (plan.steps[:-2], plan.steps[1:]):
        with pytest.raises(demo.CheckFailed):
            checks.one_plan(network, replace(plan, steps=parts))
    with pytest.raises(demo.CheckFailed):
        checks.one_network(tnconv.networks.conv((1, 3, 9, 9), (2, 3, 3, 3)))


def test_show_explains_and_measures(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["show", NOTATION, "--size", *SIZES, "--explain"]) == 0
    said = capsys.readouterr().out
    assert "predicted ms" in said and "measured ms" not in said
    assert main(["show", NOTATION, "--size", *SIZES, "--measure"]) == 0
    assert "measured ms" in capsys.readouterr().out


def test_calibrate_prints_and_writes(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    path = tmp_path / "new" / "constants.json"
    monkeypatch.setattr("tnconv.execution.calibrate.measured", lambda *job: 1e-3)
    assert main(["calibrate", "--out", str(path)]) == 0
    said = capsys.readouterr().out
    assert "gemm" in said and str(path) in said and "off by" in said
    assert '"schema": 1' in path.read_text()
    path.write_text("notes of mine")
    assert main(["calibrate", "--out", str(path)]) == 2
    assert "stays as it is" in capsys.readouterr().err
    assert path.read_text() == "notes of mine"
