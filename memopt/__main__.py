"""``python -m memopt``: the commands."""

import argparse
import importlib
import sys
from typing import NoReturn

import memopt


class _Parser(argparse.ArgumentParser):
    """One line says what is wrong; the usage is for those who ask for it."""

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"{self.prog}: {message} (see --help)\n")


# The module of each command, and what it is for.  Only the one that is run is
# imported: `advise` must not cost its script more time than it has to.
_COMMANDS = {
    "demo": (
        "memopt.demo.command",
        "measure each swap, before and after, on this machine",
    ),
    "advise": (
        "memopt.advisor.command",
        "run a script and say what to swap in it, and what that saves",
    ),
}


def _parser(arguments: list[str]) -> argparse.ArgumentParser:
    parser = _Parser(
        prog="python -m memopt",
        description="Less memory for Python programs: see what the swaps save.",
    )
    parser.add_argument(
        "--version", action="version", version=f"memopt {memopt.__version__}"
    )
    commands = parser.add_subparsers(title="commands", required=True)
    for name, (module, purpose) in _COMMANDS.items():
        command_parser = commands.add_parser(name, help=purpose)
        if name in arguments[:1]:
            room = importlib.import_module(module)
            room.add_arguments(command_parser)
            command_parser.set_defaults(run=room.main)
    return parser


def main(arguments: list[str] | None = None) -> int:
    """Run the command that ``arguments`` name; the exit code."""
    if arguments is None:
        arguments = sys.argv[1:]
    options = _parser(arguments).parse_args(arguments)
    code: int = options.run(options)
    return code


if __name__ == "__main__":
    sys.exit(main())
