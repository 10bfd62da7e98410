"""The command ``tnconv compress``: a trained PyTorch model made smaller, from files."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from tnconv.errors import MissingDependencyError

DESCRIPTION = """\
Factorize the layers of a trained PyTorch model, and write weights, spec and report.

The model comes from a function without arguments, package.module:function, which the
current folder is searched for as well; its weights from a state_dict. Files are never
unpickled freely. Into the folder of --out go weights.safetensors and spec.json, which
tnconv_backends.torch.compress.load puts into a new model of that function, and
report.json.

A budget is a share of the whole model's cost. --rank is in its place: numbers (8 or
8,16), evbmf, evbmf:0.3 (weakened), energy:0.9, error:0.2, params:0.5, macs:0.5 or
seconds:0.5, for each layer alone.

examples:
  tnconv compress models:resnet --weights resnet.safetensors --params 0.5 --out small
  tnconv compress models:resnet --weights resnet.pth --macs 0.4 --data batch.npy \\
      --out small
  tnconv compress models:resnet --weights resnet.pth --rank evbmf --formats tucker2 \\
      --out small
"""


def add(commands: Any) -> None:
    """Add the command to the parser's."""
    command = commands.add_parser(
        "compress",
        help="factorize the layers of a trained PyTorch model",
        description=DESCRIPTION,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    command.add_argument(
        "model", metavar="MODULE:FUNCTION", help="what makes the model"
    )
    command.add_argument(
        "--weights",
        type=Path,
        required=True,
        metavar="FILE",
        help="the state_dict: .safetensors, .pth or .pt (tensors only)",
    )
    command.add_argument(
        "--out", type=Path, required=True, metavar="DIR", help="where results go"
    )
    _add_goals(command)
    _add_data(command)
    command.set_defaults(run=run)


def _add_goals(command: Any) -> None:
    goal = command.add_mutually_exclusive_group(required=True)
    for name, text in (
        ("params", "parameters"),
        ("macs", "multiply-adds"),
        ("seconds", "predicted time"),
    ):
        share = f"at most this share of the model's {text}"
        goal.add_argument(f"--{name}", type=float, metavar="SHARE", help=share)
    goal.add_argument("--rank", metavar="RANK", help="what each layer gets")
    command.add_argument(
        "--formats",
        metavar="NAME,..",
        help="formats to choose from (default: tucker2 and the three of SVD)",
    )
    command.add_argument(
        "--round-to", type=int, default=1, metavar="N", help="ranks are multiples of N"
    )


def _add_data(command: Any) -> None:
    command.add_argument(
        "--data",
        type=Path,
        metavar="FILE",
        help="calibration inputs, .npy or .npz of one array, the batch first",
    )
    command.add_argument(
        "--batch",
        type=int,
        default=32,
        metavar="N",
        help="inputs of --data in a batch (default: 32)",
    )
    command.add_argument(
        "--input",
        metavar="N,N,..",
        help="the shape of one batch, where there is no --data: for sizes only",
    )
    command.add_argument(
        "--fold-batchnorm",
        action="store_true",
        help="fold batch normalizations into the layers before them",
    )
    command.add_argument(
        "--slower",
        action="store_true",
        help="also factorize layers that are predicted to be slower than dense",
    )
    command.add_argument(
        "--seed", type=int, default=0, metavar="N", help="of random starts (default: 0)"
    )


def run(options: argparse.Namespace) -> int:
    """Hand the arguments to the backend's own command."""
    from tnconv.execution.registry import load

    try:
        command = load("tnconv.commands", "compress")
    except ImportError as error:
        raise MissingDependencyError(
            f'compress needs PyTorch ({error}); pip install "tnconv[compress]"'
        ) from error
    return int(command(options))
