"""``python -m memopt``: the commands."""

import argparse
import sys
from typing import NoReturn

import memopt
from memopt.advisor import command as advise
from memopt.demo import command as demo


class _Parser(argparse.ArgumentParser):
    """One line says what is wrong; the usage is for those who ask for it."""

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"{self.prog}: {message} (see --help)\n")


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(
        prog="python -m memopt",
        description="Less memory for Python programs: see what the swaps save.",
    )
    parser.add_argument(
        "--version", action="version", version=f"memopt {memopt.__version__}"
    )
    commands = parser.add_subparsers(title="commands", required=True)
    demo_parser = commands.add_parser(
        "demo", help="measure each swap, before and after, on this machine"
    )
    demo.add_arguments(demo_parser)
    demo_parser.set_defaults(run=demo.main)
    advise_parser = commands.add_parser(
        "advise", help="run a script and say what to swap in it, and what that saves"
    )
    advise.add_arguments(advise_parser)
    advise_parser.set_defaults(run=advise.main)
    return parser


def main(arguments: list[str] | None = None) -> int:
    """Run the command that ``arguments`` name; the exit code."""
    options = _parser().parse_args(arguments)
    code: int = options.run(options)
    return code


if __name__ == "__main__":
    sys.exit(main())
