"""The command ``tnconv``: see a network planned, or the whole demo on a photograph."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn, TypeVar

import tnconv
from tnconv import cli_calibrate, cli_compress, cli_plans, cli_tune
from tnconv.errors import ArgumentError, TnconvError

T = TypeVar("T")
Shape = tuple[int, ...]

SUCCESS, FAILED, BAD_ARGUMENTS = 0, 1, 2

DESCRIPTION = """\
Convolutions as labeled tensor networks: build, simplify, plan, run.

first steps:
  tnconv demo
  tnconv show "n c i, i ~ o + k, d c k -> n d o" \\
      --shape 8,3,32 --shape 16,3,5 --size o=28
  tnconv demo --help
"""

DEMO = """\
Join three layers into one tensor network and run it on a photograph: a Gaussian blur
whose kernel is an outer product, a bank of oriented derivatives, a layer of stride 2.

Prints the network, the rules that simplified it and the plan; checks the result against
layer-by-layer evaluation and against plain loops; times both ways; writes pictures.

examples:
  tnconv demo
  tnconv demo --image holiday.jpg --out pictures
  tnconv demo --backend torch
"""

SHOW = """\
Print a network in labels, the rules that simplify it and its contraction plan.

An operand is a list of labels, one per axis; (g c) is one axis made of two. A pattern
is its relation: "i ~ 2 o + 3 k - 1" has stride 2, dilation 3 and padding 1. Sizes come
from --shape, one per array, or by label from --size; an output size that is not given
is the largest without padding at the high end.

examples:
  a convolution:
    tnconv show "n c i, i ~ 2 o + k - 1, d c k -> n d o" \\
        --shape 8,3,32 --shape 16,3,3 --size o=16
  the plans it was chosen over, timed:
    tnconv show "n c i, i ~ 2 o + k - 1, d c k -> n d o" \\
        --shape 8,3,32 --shape 16,3,3 --size o=16 --measure
  its weight gradient (the cotangent in the weight's place):
    tnconv show "n c i, i ~ 2 o + k - 1, n d o -> d c k" \\
        --size n=8 i=32 c=3 d=16 o=16 k=3
"""


class _Parser(argparse.ArgumentParser):
    """Bad arguments are answered in one sentence, without the usage."""

    def error(self, message: str) -> NoReturn:
        self.exit(BAD_ARGUMENTS, f"{self.prog}: {message} (see {self.prog} --help)\n")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; returns the exit code, 2 for arguments that do not fit."""
    options = _parser().parse_args(arguments)
    try:
        code = int(options.run(options))
        sys.stdout.flush()
        return code
    except TnconvError as error:
        print(f"tnconv: {error}", file=sys.stderr)
        return BAD_ARGUMENTS
    except BrokenPipeError:  # whoever reads the output has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return FAILED
    except OSError as error:
        said = f"{error.filename}: {error.strerror}" if error.filename else error
        print(f"tnconv: {said}", file=sys.stderr)
        return BAD_ARGUMENTS
    except KeyboardInterrupt:
        print("tnconv: interrupted", file=sys.stderr)
        return FAILED


def _parser() -> _Parser:
    parser = _Parser(
        prog="tnconv",
        description=DESCRIPTION,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    version = f"tnconv {tnconv.__version__}"
    parser.add_argument("--version", action="version", version=version)
    commands = parser.add_subparsers(metavar="COMMAND", required=True)
    _add_demo(commands)
    _add_show(commands)
    cli_calibrate.add(commands)
    cli_compress.add(commands)
    cli_plans.add(commands)
    cli_tune.add(commands)
    return parser


def _add_demo(commands: argparse._SubParsersAction[_Parser]) -> None:
    demo = commands.add_parser(
        "demo",
        help="a real picture through one network, checked and timed",
        description=DEMO,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    demo.add_argument(
        "--image",
        type=Path,
        metavar="PATH",
        help="a photograph of yours (default: the portrait that Matplotlib ships)",
    )
    demo.add_argument(
        "--backend",
        default="numpy",
        metavar="NAME",
        help="numpy, torch or array_api (default: numpy)",
    )
    demo.add_argument(
        "--out",
        type=Path,
        default=Path("tnconv-demo"),
        metavar="DIR",
        help="where the pictures go (default: tnconv-demo)",
    )
    demo.set_defaults(run=_demo)


def _add_show(commands: argparse._SubParsersAction[_Parser]) -> None:
    show = commands.add_parser(
        "show",
        help="print a network and its plan",
        description=SHOW,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    show.add_argument("notation", metavar="NOTATION", help="the network in labels")
    show.add_argument(
        "--shape",
        type=_shape,
        nargs="+",
        action="extend",
        default=[],
        metavar="[NAME=]N,N,..",
        help="the shape of an array, by name or in order",
    )
    show.add_argument(
        "--size",
        type=_size,
        nargs="+",
        action="extend",
        default=[],
        metavar="LABEL=N",
        help="the size of a label",
    )
    show.add_argument(
        "--backend",
        default="numpy",
        metavar="NAME",
        help="which backend to plan for (default: numpy)",
    )
    show.add_argument(
        "--dtype",
        default="float32",
        metavar="NAME",
        help="which element type to plan for (default: float32)",
    )
    show.add_argument(
        "--explain",
        action="store_true",
        help="list the plans that were considered, with their predicted times",
    )
    show.add_argument(
        "--measure",
        action="store_true",
        help="with --explain: time each of them",
    )
    show.add_argument(
        "--keep",
        action="store_true",
        help="time them once more, and keep what wins in your store",
    )
    show.set_defaults(run=_show)


def _shape(text: str) -> tuple[str, Shape]:
    """A name, empty where there is none, and a shape."""
    name, _, numbers = text.rpartition("=")
    try:
        return name, tuple(int(part) for part in numbers.split(","))
    except ValueError:
        raise argparse.ArgumentTypeError(
            f"{text!r} is not a shape: whole numbers between commas, as in 8,3,32"
        ) from None


def _size(text: str) -> tuple[str, int]:
    label, _, size = text.partition("=")
    try:
        if label:
            return label, int(size)
    except ValueError:
        pass
    raise argparse.ArgumentTypeError(
        f"{text!r} is not a size: a label and a whole number, as in o=16"
    )


def _demo(options: argparse.Namespace) -> int:
    try:
        from tnconv import demo
    except ImportError as error:
        raise ArgumentError(f'{error}; pip install "tnconv[demo]"') from error
    try:
        demo.run(options.image, options.backend, options.out)
    except demo.CheckFailed as error:
        print(f"tnconv: a check of the demo failed: {error}", file=sys.stderr)
        return FAILED
    return SUCCESS


def _shapes(given: list[tuple[str, Shape]]) -> dict[str, Shape] | list[Shape]:
    """The shapes by name where they have names, else in order."""
    names = [name for name, _ in given if name]
    if not names:
        return [shape for _, shape in given]
    if len(names) < len(given):
        raise ArgumentError("show: name all shapes of --shape, or none")
    return _once("--shape", given)


def _once(option: str, given: list[tuple[str, T]]) -> dict[str, T]:
    """A dictionary of what was given; raises where a name comes twice."""
    found = dict(given)
    if len(found) < len(given):
        raise ArgumentError(f"show: a name twice in {option}: {' '.join(found)}")
    return found


def _show(options: argparse.Namespace) -> int:
    from tnconv.console import stage

    sizes, shapes = _once("--size", options.size), _shapes(options.shape)
    network = tnconv.parse(options.notation, sizes=sizes, shapes=shapes or None)
    unknown = sorted(set(sizes) - set(network.sizes))
    if unknown:
        raise ArgumentError(
            f"show: --size names {', '.join(unknown)}, which the network has not; "
            f"its labels are {', '.join(network.sizes)}"
        )
    with stage("planning"):
        expression = tnconv.expression(
            network, backend=options.backend, dtype=options.dtype
        )
    print(expression)
    if options.explain or options.measure or options.keep:
        with stage("considering plans"):
            explanation = expression.explain(measure=options.measure)
        print(f"\n{explanation}")
        if options.keep:
            print(f"\n{explanation.keep()}")
    return SUCCESS


if __name__ == "__main__":
    sys.exit(main())
