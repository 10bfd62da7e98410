"""The command line: one file for each sub-command, imported when it is called.

A sub-command is a module with ``HELP`` (one line), ``arguments(parser)`` and
``main(options)``, which returns the exit status; its name goes into ``COMMANDS``.
"""

from __future__ import annotations

import argparse
import sys
from importlib import import_module

#: name on the command line -> module
COMMANDS = {
    "run": "benchmarks.run",
    "table": "benchmarks.table",
    "plot": "benchmarks.plot",
    "compact": "benchmarks.compact",
    "page": "benchmarks.page",
    "memory": "benchmarks.memory",
    "held": "benchmarks.held",
    "overhead": "benchmarks.overhead",
    "planning": "benchmarks.planning",
    "regret": "benchmarks.regret",
    "tuned": "benchmarks.tuned",
    "spread": "benchmarks.spread",
    "workers": "benchmarks.workers",
    "hyper": "benchmarks.hyper",
    "bound": "benchmarks.bound",
    "norms": "benchmarks.norms",
    "clients": "benchmarks.clients",
    "dropout": "benchmarks.dropout",
    "factorised": "benchmarks.factorized",
    "factorised-steps": "benchmarks.factorized.steps",
    "vgg": "benchmarks.vgg",
    "crepe": "benchmarks.crepe.run",
    "fits": "benchmarks.crepe.fits",
}


def main(words: list[str]) -> int:
    """Run the sub-command named first; without one, list them."""
    if not words or words[0] not in COMMANDS:
        known = "\n".join(
            f"  {name:<18}{import_module(module).HELP}"
            for name, module in COMMANDS.items()
        )
        print(f"usage: python -m benchmarks COMMAND [options]\n\n{known}\n")
        print("python -m benchmarks COMMAND --help says what a command takes.")
        return 0 if words in ([], ["-h"], ["--help"]) else 2
    module = import_module(COMMANDS[words[0]])
    parser = argparse.ArgumentParser(
        prog=f"python -m benchmarks {words[0]}", description=module.HELP
    )
    module.arguments(parser)
    return int(module.main(parser.parse_args(words[1:])))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
