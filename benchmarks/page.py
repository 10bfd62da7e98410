"""The results page of the documentation, made from the files in benchmarks/results."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from benchmarks import bound_table
from benchmarks.contestants import SHOWN_ONLY, modules
from benchmarks.record import Results, load
from benchmarks.regret import summary
from benchmarks.table import table, tables

HELP = "write docs/results.md from results, or from those in benchmarks/results"
ROOT = Path(__file__).parent.parent
PAGE = ROOT / "docs" / "results.md"
KEPT = Path(__file__).parent / "results"
CHOICES, BOUNDS = KEPT / "choices", KEPT / "bound"
NAMES = {"torch": "PyTorch", "numpy": "NumPy", "cupy": "CuPy"}

INTRODUCTION = """\
# Results

This page is written by `python -m benchmarks page`; what is measured, and how:

* The layers are convolutions of real networks: the files in `benchmarks/data` hold 169
  of 2-d networks and 53 of 1-d and 3-d ones, dilated and transposed ones among them.
  Each section says how many of them it measured.
* A ratio is a peer's median time over ours: above 1, tnconv is faster. The best peer of
  a case is the fastest of all other contestants that can do it.
* The contestants of a case run in one process, in turn, in a new order every round,
  with threads fixed, after a warm-up (beside NumPy, PyTorch has a process of its own:
  their thread pools would spin at each other's cost). A result that is not the expected
  one (relative to its largest value, 1e-4) is not timed but listed.
* PyTorch's operator (its unfold recipe, where it has none; on NumPy the loop over
  offsets) is timed twice: the spread of the two is what the clock resolves.
* Who takes more than four times the fastest, and long, is timed by one call.
* "Worst" is a layer's lowest ratio. Where it was low, the case was measured again in
  later rounds, and a loss is one that is there in every round: the best of its rounds
  is given.
* Extra memory is the peak of resident memory beyond what is read and the result, as a
  share of these two.
* Planning is not in these times: it is done once per shape.
* On a GPU a time ends when the device has done its work, extra memory is that of the
  library's allocator, the expected result is computed in double precision, and nobody
  rounds to TF32. A layer takes a few dozen microseconds there, about what a call of
  Python costs.
"""


def arguments(parser: argparse.ArgumentParser) -> None:
    """What the command takes."""
    parser.add_argument("files", type=Path, nargs="*", help="what `compact` wrote")
    parser.add_argument("--out", type=Path, default=PAGE)


def main(options: argparse.Namespace) -> int:
    """Write the page."""
    files = options.files or sorted(KEPT.glob("*.json"))
    if not files:
        print(f"no results: write some with `run` and `compact` into {KEPT.name}/")
        return 1
    text = page([load(path) for path in files], kept(BOUNDS), kept(CHOICES))
    options.out.write_text(text, "utf-8")
    print(options.out)
    return 0


def kept(folder: Path) -> list[dict[str, Any]]:
    """What `bound` or `regret` measured, as kept."""
    return [json.loads(path.read_text("utf-8")) for path in sorted(folder.glob("*"))]


def page(
    runs: list[Results], bounds: list[dict[str, Any]], choices: list[dict[str, Any]]
) -> str:
    """The text of the page: the introduction, a section for each measurement."""
    parts = *map(section, runs), *map(bound, bounds), *map(choice, choices)
    return "\n".join((INTRODUCTION, *parts))


def bound(known: dict[str, Any]) -> str:
    """What is reachable with the forms there are, and where a roofline stands."""
    head, speed = known["header"], known["rates"]
    layers = len({case["layer"] for case in known["cases"]})
    said = (
        f"{layers} layers, {_setting(head)}, at commit {head['commit']}. Each case is "
        "the public function, up to "
        f"{head['plans']} of its cheapest plans by prediction, the best plan in one "
        "piece and the best with each single form that contracts two arrays, and all "
        "contestants, in turn on the same arrays (`python -m benchmarks bound`). "
        '"Memory free" is the plan that is chosen if memory costs nothing '
        "(`options(memory_share=math.inf)`). A "
        "case in which even the best plan is slower than the peer is not lost by a "
        "wrong prediction. The best of many noisy times flatters it a little. "
        "Arithmetic is that of the best plan at the fastest rate measured "
        f"({speed['product'] / 1e9:.0f} Gflop/s of a large matrix product, "
        f"{speed['convolution'] / 1e9:.0f} of a 3x3 convolution of 128 channels), "
        f"memory the arrays read and the result at that of a large copy "
        f"({speed['copy'] / 1e9:.1f} GB/s); the roofline is the larger of the two."
    )
    title = f"## What is reachable on {NAMES[head['backend']]}"
    return f"{title}\n\n{said}\n\n{bound_table.summary(known)}"


def _setting(head: dict[str, Any]) -> str:
    return (
        f"batch {head['batch']}, {head['threads']} threads on {head['cores']} cores of "
        f"{head['cpu']}, {head['date']}"
    )


def choice(known: dict[str, Any]) -> str:
    """How good the default plans of a backend are, with the confusion of forms."""
    head = known["header"]
    layers = len({case["layer"] for case in known["cases"]})
    said = (
        f"{layers} layers, {_setting(head)}. Each case is the "
        "default plan and others for the same network, made by forbidding what it "
        "does, timed on the same arrays; regret is the default's time over the best's "
        "(`python -m benchmarks regret`)."
    )
    title = f"## The choice of plans on {NAMES[head['backend']]}"
    return f"{title}\n\n{said}\n\n{summary(known['cases'])}\n"


def picture_of(head: dict[str, Any]) -> str:
    """What the picture of a run is called after: the library, and the device if it is
    not the library's only one."""
    elsewhere = head.get("gpu") and head["backend"] != "cupy"
    return f"{head['backend']}{'-cuda' if elsewhere else ''}"


def section(results: Results) -> str:
    """The tables of one run under a heading, with its machine and its contestants."""
    head, backend = results.header, results.header["backend"]
    gpu = head.get("gpu", "")
    known = ", ".join(f"{n} {v}" for n, v in head["versions"].items() if v[0].isdigit())
    shown = SHOWN_ONLY[backend]
    said = f" {' and '.join(shown)} are shown, but no peers." if shown else ""
    layers = len({measured.layer for measured in results.cases})
    setting = (
        f"{layers} layers, batch {head['batch']}, float32, {head['threads']} threads "
        f"on {head['cores']} cores of {head['cpu']}"
        f"{gpu and ' and one ' + gpu}, {head['date']}; {known}.{said}"
    )
    who = table(
        ("contestant", "what is timed"),
        ((module.NAME, module.TIMED) for module in modules(backend).values()),
    )
    picture = f"![sorted ratios of each operation](results-{picture_of(head)}.png)"
    title = f"## On {NAMES[backend]}{gpu and ', ' + gpu}"
    return f"{title}\n\n{setting}\n\n{who}\n{picture}\n\n{tables(results)}"
