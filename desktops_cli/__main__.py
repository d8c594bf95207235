"""The program: reads the command line, runs one command, says how it ended."""

import json
import os
import sys
from argparse import Namespace
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from typing import TextIO

from desktops_cli.arguments import WIDTH, HelpWanted, build_parser
from desktops_cli.client import Client
from desktops_cli.commands import COMMANDS
from desktops_cli.errors import INTERRUPTED, CommandError
from desktops_cli.figures import Figures, printable
from desktops_cli.running import Run, Streams
from desktops_cli.settings import read_settings
from desktops_cli.words import Translate, words_of

DISTRIBUTION = "jupyterhub-desktops"


def run(arguments: Sequence[str], environ: Mapping[str, str], streams: Streams) -> int:
    """Run one command and return its exit code."""
    language, _ = words_of(environ)
    number = version(DISTRIBUTION)
    as_json = "--json" in arguments
    try:
        width = min(WIDTH, streams.output_width or WIDTH)
        given = build_parser(_, number, width).parse_args(arguments)
        _command(given, environ, streams, (language, _, f"desktops/{number}"))
    except HelpWanted as wanted:
        streams.output.write(str(wanted))
    except CommandError as error:
        _tell(error, streams, _, as_json)
        return error.exit_code
    except KeyboardInterrupt:
        return INTERRUPTED
    return 0


def _command(
    given: Namespace,
    environ: Mapping[str, str],
    streams: Streams,
    speech: tuple[str, Translate, str],
) -> None:
    language, _, program = speech
    settings = read_settings(environ, given.hub)
    client = Client(settings, language, program)
    try:
        figures = Figures(_, language)
        COMMANDS[given.command](Run(given, settings, client, streams, _, figures))
    finally:
        client.close()


def _tell(error: CommandError, streams: Streams, _: Translate, as_json: bool) -> None:
    if as_json:
        document = json.dumps(error.to_dict(_), indent=2)
        streams.output.write(f"{document}\n")
    lines = [f"desktops: {printable(error.message(_))}", error.details.get("usage", "")]
    streams.errors.write("".join(f"{line}\n" for line in lines if line))


def _width(stream: TextIO) -> int | None:
    """Return a terminal's columns; None when the stream is none."""
    try:
        return (
            os.get_terminal_size(stream.fileno()).columns if stream.isatty() else None
        )
    except OSError:
        return None


def main() -> int:
    """Run as the process that this is."""
    for stream in (sys.stdout, sys.stderr):
        # A terminal without é shows another sign instead of ending the program.
        stream.reconfigure(errors="replace")  # type: ignore[union-attr]
    streams = Streams(
        input=sys.stdin,
        output=sys.stdout,
        errors=sys.stderr,
        output_width=_width(sys.stdout),
        errors_width=_width(sys.stderr),
        interactive=sys.stdin.isatty() and sys.stderr.isatty(),
    )
    try:
        code = run(sys.argv[1:], os.environ, streams)
        sys.stdout.flush()
    except BrokenPipeError:
        # Whoever read the answer has enough (`desktops images | head`): nothing more to flush.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    return code


if __name__ == "__main__":
    sys.exit(main())
