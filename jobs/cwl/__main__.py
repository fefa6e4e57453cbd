"""``python -m jobs.cwl TOOL.cwl [JOB.json] --outdir DIR`` runs one tool and prints its output object."""

import argparse
import json
import sys

from jobs.cwl.errors import ToolError, UnsupportedFeature
from jobs.cwl.runner import DAY, EXIT_UNSUPPORTED, run_tool


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The parser takes what ``cwltest`` gives a runner."""
    parser.add_argument("tool", help="tool file, or FILE#id for one tool of a packed file")
    parser.add_argument("job", nargs="?", help="inputs, as JSON or YAML")
    parser.add_argument("--outdir", default=".", help="folder for the outputs")
    parser.add_argument("--time-limit", type=int, default=DAY, help="seconds the command may take")
    parser.add_argument("--no-container", action="store_true", help="use this machine's programs for a container's")
    parser.add_argument("--quiet", action="store_true", help="accepted for other runners' sake")


def execute(arguments: dict[str, object]) -> int:
    """The tool ran and its output object is on stdout; the exit status is 0, 33 (unsupported feature) or 1."""
    try:
        job = arguments["job"]
        outputs = run_tool(
            str(arguments["tool"]),
            None if job is None else str(job),
            str(arguments["outdir"]),
            time_limit=int(str(arguments["time_limit"])),
            no_container=bool(arguments["no_container"]),
        )
    except UnsupportedFeature as error:
        print(error.message, file=sys.stderr)
        return EXIT_UNSUPPORTED
    except ToolError as error:
        print(error.message, file=sys.stderr)
        return 1
    print(json.dumps(outputs, indent=2, sort_keys=True))
    return 0


def main() -> int:
    """The command line of ``python -m jobs.cwl``."""
    parser = argparse.ArgumentParser(prog="python -m jobs.cwl", description=__doc__)
    add_arguments(parser)
    return execute(vars(parser.parse_args()))


if __name__ == "__main__":
    sys.exit(main())
