"""Building an image from a Dockerfile."""

from collections.abc import Iterator
from pathlib import Path

from desktops_cli.client import chunks_of
from desktops_cli.commands.saves import image_of
from desktops_cli.contexts import Archive, pack
from desktops_cli.errors import CommandError, UsageProblem
from desktops_cli.figures import printable
from desktops_cli.running import Run
from desktops_cli.words import sentence


def build(run: Run) -> None:
    """Send the files if there are any, begin the build, and wait unless told not to."""
    given = run.given
    context = Path(given.context) if given.context else None
    body = {
        "image": image_of(run, given.image),
        "description": given.description,
        "dockerfile": _dockerfile(run, context),
        "context": _send(run, context) if context else None,
        "start_test": not given.no_test,
        "activate": not given.stage,
    }
    try:
        job = run.client.post("/builds", body)
    except CommandError as error:
        for one in error.details.get("problems", ()):
            _ = run._
            line = _("line {line}: {message}", line=one["line"], message=one["message"])
            run.say(printable(line))
        raise
    run.finish(job)


def _dockerfile(run: Run, context: Path | None) -> str:
    if run.given.file == "-":
        return run.streams.input.read()
    folder = context if context and context.is_dir() else Path()
    path = Path(run.given.file) if run.given.file else folder / "Dockerfile"
    try:
        return path.read_text()
    except (OSError, UnicodeDecodeError) as error:
        raise UsageProblem(
            "dockerfile_unreadable",
            sentence("The Dockerfile {path} cannot be read ({why})."),
            path=path,
            why=getattr(error, "strerror", None) or "UTF-8",
        ) from error


def _send(run: Run, context: Path) -> str:
    with pack(context) as archive:
        try:
            answer = run.client.upload("/contexts", _shown(run, archive), archive.size)
        finally:
            run.progress.close()
    return str(answer["id"])


def _shown(run: Run, archive: Archive) -> Iterator[bytes]:
    """Give the bytes and show how many are sent."""
    sent, message = 0, run._("Sending the files…")
    for chunk in chunks_of(archive.file):
        yield chunk
        sent += len(chunk)
        run.progress.show(message, sent, archive.size)
