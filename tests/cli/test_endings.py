"""Exit codes, errors for programs, help and French: what every command has in common."""

import subprocess
import sys

import pytest
from tornado.web import RequestHandler

from desktops_cli.commands import COMMANDS
from tests.cli.conftest import Desk, session_of
from tests.fakes.http import serving
from tests.fakes.hub_service import Failure, FakeHubService

FRENCH = {"LC_ALL": "fr_FR.UTF-8"}


@pytest.mark.parametrize(
    ("status", "code"),
    [
        (401, 3),
        (403, 3),
        (404, 4),
        (409, 1),
        (413, 1),
        (422, 1),
        (429, 1),
        (500, 5),
        (503, 5),
    ],
)
def test_the_exit_code_says_what_the_service_said(
    desk: Desk, fake: FakeHubService, status: int, code: int
) -> None:
    failure = Failure(status, "a_code", "A sentence.", {"fact": 1}, times=2)
    fake.fail("GET /jobs", failure)
    result = desk("jobs")
    assert (result.code, result.output) == (code, "")
    assert result.errors == "desktops: A sentence.\n"
    told = desk("jobs", "--json").document
    assert told == {
        "error": {"code": "a_code", "message": "A sentence.", "details": {"fact": 1}}
    }


def test_a_service_that_is_not_there(fake: FakeHubService) -> None:
    result = session_of("http://127.0.0.1:9/api", "a-token")("jobs")
    assert (result.code, "does not answer (ConnectError)" in result.errors) == (5, True)


def test_a_connection_that_is_cut(desk: Desk, fake: FakeHubService) -> None:
    fake.fail("GET /jobs", Failure(cut=True))
    assert desk("jobs").code == 5


class Other(RequestHandler):
    """Some other program at the address."""

    def initialize(self, status: int, body: str) -> None:
        self.answer = status, body

    def get(self) -> None:
        status, body = self.answer
        self.set_status(status)
        if status == 302:
            self.set_header("Location", "http://elsewhere.example.org/")
        self.finish(body)


@pytest.mark.parametrize(
    ("status", "body", "code"),
    [
        (200, "<html>hello</html>", 5),
        (200, "[1, 2]", 5),
        (302, "", 5),
        (403, "<html>forbidden</html>", 3),
        (404, "<html>nothing</html>", 5),
        (502, '{"error": "text"}', 5),
    ],
)
async def test_an_answer_of_another_program(status: int, body: str, code: int) -> None:
    routes = [("/.*", Other, {"status": status, "body": body})]
    async with serving(routes) as address:
        result = await session_of(address, "a-token").later("jobs")
    assert result.code == code
    assert "<html>" not in result.errors


@pytest.mark.parametrize("command", [None, *COMMANDS])
@pytest.mark.parametrize("language", ["en", "fr"])
def test_every_command_explains_itself(command: str | None, language: str) -> None:
    words = [command, "--help"] if command else ["--help"]
    result = Desk({"LANG": language})(*[word for word in words if word])
    assert (result.code, result.errors) == (0, "")
    usage, help = {
        "en": ("usage: desktops", "show this help"),
        "fr": ("usage : desktops", "montrer cette aide"),
    }[language]
    assert result.output.startswith(usage) and help in result.output


@pytest.mark.parametrize(
    ("words", "english", "french"),
    [
        ([], "This is missing: COMMAND.", "Il manque : COMMANDE."),
        (["fly"], "There is no command 'fly'.", "Il n’y a pas de commande 'fly'."),
        (["images", "-x"], "This is not understood: -x.", "Ceci n’est pas compris"),
        (["jobs", "--follow"], "--follow needs a value.", "--follow a besoin"),
        (["jobs", "--follow", "x"], "x is no job", "x n’est pas une tâche"),
        (["cancel", "../x"], "../x is no job", "../x n’est pas une tâche"),
        (["versions", "x"], "write the image as OWNER/NAME", "écrivez l’image comme"),
        (["versions", "a/b@1"], "write the image as OWNER/NAME", "écrivez l’image"),
        (["rm", "a/b@x"], "write the image as OWNER/NAME[@N]", "écrivez l’image"),
        (["rollback", "a/b", "x"], "N is a number, not 'x'.", "N est un nombre"),
        (
            ["save", "--follow", "--detach"],
            "--detach and --follow do not go together.",
            "--detach et --follow ne vont pas ensemble.",
        ),
    ],
)
def test_a_line_that_is_not_right_is_explained(
    words: list[str], english: str, french: str
) -> None:
    for environ, said in (({}, english), (FRENCH, french)):
        result = Desk(dict(environ))(*words)
        assert (result.code, result.output) == (2, "")
        first, second = result.errors.split("\n")[:2]
        assert first.startswith("desktops: ") and said in first
        assert second.startswith("usage")


def test_our_own_errors_are_in_french(fake: FakeHubService) -> None:
    result = Desk(FRENCH)("jobs")
    assert (result.code, "Dites quel hub" in result.errors) == (2, True)
    result = Desk({"LANGUAGE": "fr", "LANG": "C.UTF-8"})("jobs")
    assert "Say which hub" in result.errors


def test_tables_and_figures_are_in_french(desk: Desk, fake: FakeHubService) -> None:
    fake.add_job({"user": "alice", "name": "r"})
    head, row = desk("jobs", environ=FRENCH).output.splitlines()
    assert head.split() == ["ID", "GENRE", "ÉTAT", "IMAGE", "DÉBUT", "MESSAGE"]
    assert "enregistrement  en attente  alice/gis-course@4  à l’instant" in row
    progress = desk("save", "Cours", width=80, environ=FRENCH).errors
    assert "164,8 Mo sur 412,0 Mo, 120,0 Mo/s" in progress


def test_without_babel_it_speaks_english() -> None:
    program = (
        "import sys; sys.modules['babel'] = None; "
        "from desktops_cli.__main__ import main; sys.exit(main())"
    )
    command = [sys.executable, "-c", program, "jobs"]
    done = subprocess.run(command, env=FRENCH, capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("desktops: Say which hub")


def test_the_version() -> None:
    assert Desk()("--version").output.startswith("desktops 0.")
