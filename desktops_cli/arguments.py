"""The command line: what may be written, and its help in the person's language."""

import argparse
import re
from dataclasses import dataclass
from typing import Any, NoReturn

from desktops_cli.errors import UsageProblem
from desktops_cli.words import Translate, sentence

WIDTH = 90
"""Columns of the help, where the terminal is not narrower."""
JOB = re.compile(r"[0-9a-f]{4,32}")

# What argparse itself says when a line is not right; its sentences are English only.
COMPLAINTS = (
    (
        r"the following arguments are required: (?P<what>.+)",
        sentence("This is missing: {what}."),
    ),
    (
        r"unrecognized arguments: (?P<what>.+)",
        sentence("This is not understood: {what}."),
    ),
    (
        r"argument (?P<name>.+): expected one argument",
        sentence("{name} needs a value."),
    ),
    (
        r"argument (?P<name>.+): not allowed with argument (?P<other>.+)",
        sentence("{name} and {other} do not go together."),
    ),
    (
        r"argument (?P<name>.+): invalid choice: (?P<what>'[^']*').*",
        sentence("There is no command {what}."),
    ),
    (
        r"argument (?P<name>.+): invalid int value: (?P<what>'[^']*')",
        sentence("{name} is a number, not {what}."),
    ),
    (r"argument (?P<name>.+): (?P<what>.+)", "{name}: {what}"),
)


class HelpWanted(Exception):
    """Somebody asked for help or the version; the text is the answer."""


class _Show(argparse.Action):
    """Ends the reading of the line with a text."""

    def __init__(self, *, text: str = "", **given: Any) -> None:
        super().__init__(nargs=0, default=argparse.SUPPRESS, **given)
        self.text = text

    def __call__(self, parser: argparse.ArgumentParser, *given: object) -> None:
        raise HelpWanted(self.text or parser.format_help())


class _Formatter(argparse.HelpFormatter):
    """Says "usage" in the person's language."""

    def __init__(self, prog: str, translate: Translate, width: int) -> None:
        super().__init__(prog, max_help_position=32, width=width)
        self._ = translate

    def add_usage(
        self,
        usage: Any,
        actions: Any,
        groups: Any,
        prefix: str | None = None,
    ) -> None:
        """Add the line that shows how the command is written."""
        # Subcommands take their names from a usage without a prefix.
        said = self._("usage: ") if prefix is None else prefix
        super().add_usage(usage, actions, groups, said)


class Parser(argparse.ArgumentParser):
    """Reads a command line; raises instead of printing and exiting.

    - help raises HelpWanted, a line that is not right UsageProblem
    - all options stand in groups whose titles are in the person's language
    """

    def __init__(self, *, translate: Translate, width: int, **given: Any) -> None:
        super().__init__(
            add_help=False,
            allow_abbrev=False,
            formatter_class=lambda prog: _Formatter(prog, translate, width),
            **given,
        )
        self._ = _ = translate
        self.arguments = self.add_argument_group(_("arguments"))
        self.options = self.add_argument_group(_("options"))
        self.option("-h", "--help", action=_Show, help=_("show this help"))

    def option(self, *names: str, **given: Any) -> None:
        """Add an option."""
        self.options.add_argument(*names, **given)

    def argument(self, name: str, **given: Any) -> None:
        """Add an argument that is known by its place."""
        self.arguments.add_argument(name, **given)

    def error(self, message: str) -> NoReturn:
        """Raise what is not right with the line."""
        said = message
        for pattern, text in COMPLAINTS:
            match = re.fullmatch(pattern, message, flags=re.S)
            if match:
                said = self._(text, **match.groupdict())
                break
        usage = self.format_usage().strip()
        raise UsageProblem("usage", said=said, details={"usage": usage})


@dataclass(frozen=True)
class ImageName:
    """An image as people write it: OWNER/NAME, or OWNER/NAME@N for one version."""

    owner: str
    name: str
    number: int | None = None

    def __str__(self) -> str:
        number = "" if self.number is None else f"@{self.number}"
        return f"{self.owner}/{self.name}{number}"


def read_image(text: str, _: Translate, *, versions: bool) -> ImageName:
    """Read OWNER/NAME, with @N where one version can be meant; owners may be addresses."""
    owner, slash, rest = text.rpartition("/")
    name, at, number = rest.partition("@")
    if slash and owner and name and (not at or versions):
        if not at:
            return ImageName(owner, name)
        if number.isascii() and number.isdigit() and 0 < len(number) < 10:
            return ImageName(owner, name, int(number))
    form = "OWNER/NAME[@N]" if versions else "OWNER/NAME"
    raise argparse.ArgumentTypeError(
        _("write the image as {form}, not {text}", form=form, text=text)
    )


def read_job(text: str, _: Translate) -> str:
    """Read a job's id or its beginning."""
    if JOB.fullmatch(text):
        return text
    raise argparse.ArgumentTypeError(
        _("{text} is no job: `desktops jobs` lists them", text=text)
    )


def build_parser(_: Translate, version: str, width: int = WIDTH) -> Parser:
    """Return the parser of the whole command."""
    parser = Parser(
        prog="desktops",
        translate=_,
        width=width,
        description=_(
            "Save, build, share and delete desktop images from a terminal. In a session of the "
            "hub it works as it is; anywhere else name the hub and give it a token."
        ),
        epilog=_(
            "Exit codes: 0 done, 1 the job failed or the service refused, 2 the command line or "
            "the settings are not right, 3 not logged in or not allowed, 4 not found, 5 the "
            "service does not answer, 130 interrupted."
        ),
    )
    parser.option(
        "--version",
        action=_Show,
        text=f"desktops {version}\n",
        help=_("show the version"),
    )
    commands = parser.add_subparsers(
        title=_("commands"), dest="command", metavar=_("COMMAND"), required=True
    )
    maker = _Maker(commands, _, width)
    for add in (
        _save,
        _build,
        _images,
        _versions,
        _rollback,
        _publish,
        _rm,
        _jobs,
        _cancel,
    ):
        add(maker)
    return parser


class _Maker:
    """Makes the parsers of the commands, with what all of them have."""

    def __init__(self, commands: Any, translate: Translate, width: int) -> None:
        self._commands = commands
        self._width = width
        self._ = translate

    def command(self, name: str, help: str) -> Parser:
        _ = self._
        parser: Parser = self._commands.add_parser(
            name, help=help, description=help, translate=_, width=self._width
        )
        parser.option(
            "--hub",
            metavar=_("ADDRESS"),
            default="",
            help=_("address of the hub; default: DESKTOPS_HUB, or the session's own"),
        )
        parser.option("--json", action="store_true", help=_("answer with JSON"))
        return parser

    def image(self, parser: Parser, *, versions: bool = False) -> None:
        """Add the argument that names an image."""
        parser.argument(
            "image",
            metavar="OWNER/NAME[@N]" if versions else "OWNER/NAME",
            type=lambda text: read_image(text, self._, versions=versions),
            help=self._("the image, as `desktops images` lists it"),
        )

    def staging(self, parser: Parser) -> None:
        """Add the choice to keep a version back."""
        _ = self._
        parser.option(
            "--stage",
            action="store_true",
            help=_(
                "keep the version for yourself until you make it active (desktops rollback)"
            ),
        )

    def following(self, parser: Parser) -> None:
        """Add the choice between waiting and not."""
        _ = self._
        group = parser.options.add_mutually_exclusive_group()
        group.add_argument(
            "--follow",
            action="store_true",
            help=_("show the progress until the end (default)"),
        )
        group.add_argument(
            "--detach",
            action="store_true",
            help=_("print the job's id and do not wait"),
        )


def _save(make: _Maker) -> None:
    _ = make._
    parser = make.command(
        "save", _("save a running desktop as a new version of an image")
    )
    parser.argument(
        "image",
        metavar="IMAGE",
        nargs="?",
        help=_(
            "title of the image, or OWNER/NAME; default: the one this desktop was made from"
        ),
    )
    parser.option(
        "--server",
        metavar=_("NAME"),
        help=_("which of your servers; default: this one"),
    )
    parser.option("--description", metavar=_("TEXT"), default="", help=_("what is new"))
    parser.option("--no-home", action="store_true", help=_("leave the home folder out"))
    parser.option(
        "--exclude",
        metavar=_("PATH"),
        action="append",
        default=[],
        help=_("leave this file or folder out; may be repeated"),
    )
    parser.option(
        "--stop", action="store_true", help=_("stop the desktop when it is saved")
    )
    parser.option(
        "--test", action="store_true", help=_("see afterwards whether it starts")
    )
    make.staging(parser)
    make.following(parser)


def _build(make: _Maker) -> None:
    _ = make._
    parser = make.command("build", _("build a version of an image from a Dockerfile"))
    parser.argument(
        "image", metavar="IMAGE", help=_("title of the image, or OWNER/NAME")
    )
    parser.option(
        "--file",
        metavar="DOCKERFILE",
        help=_(
            "the Dockerfile, - for standard input; default: Dockerfile, in the context"
        ),
    )
    parser.option(
        "--context",
        metavar=_("PATH"),
        help=_("a folder or an archive (tar, tar.gz, zip) whose files COPY may take"),
    )
    parser.option("--description", metavar=_("TEXT"), default="", help=_("what is new"))
    parser.option(
        "--no-test",
        action="store_true",
        help=_("do not see afterwards whether it starts"),
    )
    make.staging(parser)
    make.following(parser)


def _images(make: _Maker) -> None:
    _ = make._
    parser = make.command("images", _("list the images that you may see"))
    parser.argument(
        "words", metavar=_("WORD"), nargs="*", help=_("only images with these words")
    )
    parser.option("-q", "--quiet", action="store_true", help=_("names only"))


def _versions(make: _Maker) -> None:
    make.image(make.command("versions", make._("list the versions of an image")))


def _rollback(make: _Maker) -> None:
    _ = make._
    parser = make.command("rollback", _("let another version of an image start"))
    make.image(parser)
    parser.argument("number", metavar="N", type=int, help=_("number of the version"))


def _publish(make: _Maker) -> None:
    _ = make._
    parser = make.command("publish", _("ask that everybody may start an image"))
    make.image(parser, versions=True)
    parser.option(
        "--note",
        metavar=_("TEXT"),
        default="",
        help=_("why, for whoever reads the request"),
    )
    parser.option(
        "--approve",
        action="store_true",
        help=_("publish it at once, for administrators"),
    )
    parser.option(
        "--image",
        dest="pushed",
        metavar="REFERENCE",
        help=_("publish this image of a registry as its next version, for pipelines"),
    )
    parser.option("--title", default="", help=_("title of a new image, with --image"))
    parser.option(
        "--stage",
        action="store_true",
        help=_(
            "with --image: only see whether it passes; the same line without this publishes"
        ),
    )


def _rm(make: _Maker) -> None:
    _ = make._
    parser = make.command("rm", _("delete an image, or one version of it"))
    make.image(parser, versions=True)
    parser.option("--yes", action="store_true", help=_("do not ask"))


def _jobs(make: _Maker) -> None:
    _ = make._
    parser = make.command("jobs", _("list saves and builds, newest first"))
    parser.option(
        "--follow",
        metavar="ID",
        type=lambda text: read_job(text, _),
        help=_("show the progress of this job until its end"),
    )
    parser.option(
        "--all", action="store_true", help=_("everybody's, for administrators")
    )


def _cancel(make: _Maker) -> None:
    _ = make._
    parser = make.command("cancel", _("cancel a job"))
    parser.argument(
        "job",
        metavar="ID",
        type=lambda text: read_job(text, _),
        help=_("the job, as `desktops jobs` lists it, or the beginning of its id"),
    )
