"""Which hub and whose token: the session, another machine, and what is not right."""

from pathlib import Path

import pytest

from desktops_cli.errors import CommandError
from desktops_cli.settings import Settings, read_settings
from desktops_cli.words import plain
from tests.cli.conftest import Desk
from tests.fakes.hub_service import TOKEN, FakeHubService

SESSION = {
    "DESKTOPS_API_URL": "http://hub-service:8080/services/desktops/api/v1",
    "JUPYTERHUB_API_TOKEN": "session-token",
    "JUPYTERHUB_USER": "alice",
    "JUPYTERHUB_SERVER_NAME": "r",
}
LAPTOP = {"DESKTOPS_HUB": "https://hub.example.org/", "DESKTOPS_TOKEN": "own-token"}
API = "services/desktops/api/v1"


def refusal(environ: dict[str, str], hub: str = "") -> CommandError:
    with pytest.raises(CommandError) as refused:
        read_settings(environ, hub)
    return refused.value


def test_in_a_session_all_is_there() -> None:
    settings = read_settings(SESSION)
    api = SESSION["DESKTOPS_API_URL"]
    assert settings == Settings(api, "session-token", "", "alice", "r")
    assert settings.in_session


def test_the_token_is_in_no_text_of_the_settings() -> None:
    assert "session-token" not in repr(read_settings(SESSION))


@pytest.mark.parametrize(
    ("hub", "root"),
    [
        ("https://hub.example.org", "https://hub.example.org/"),
        ("https://hub.example.org/hub/home", "https://hub.example.org/"),
        ("https://example.org/jupyter/", "https://example.org/jupyter/"),
        ("https://example.org/jupyter/hub/", "https://example.org/jupyter/"),
        ("http://127.0.0.1:30080/", "http://127.0.0.1:30080/"),
        ("http://[::1]:8000", "http://[::1]:8000/"),
    ],
)
def test_a_hub_is_named_as_people_copy_it(hub: str, root: str) -> None:
    settings = read_settings(LAPTOP, hub)
    assert (settings.hub, settings.api) == (root, root + API)
    assert settings.token == "own-token"


def test_the_sessions_token_never_goes_to_a_named_hub() -> None:
    error = refusal({**SESSION, "HOME": "/nowhere"}, "https://elsewhere.example.org/")
    assert (error.code, error.exit_code) == ("token_missing", 3)


@pytest.mark.parametrize(
    ("environ", "hub", "code"),
    [
        ({}, "", "hub_missing"),
        (LAPTOP, "hub.example.org", "hub_invalid"),
        (LAPTOP, "ftp://hub.example.org", "hub_invalid"),
        (LAPTOP, "https://", "hub_invalid"),
        (LAPTOP, "https://alice:word@hub.example.org", "hub_invalid"),
        (LAPTOP, "http://hub.example.org/", "hub_unencrypted"),
        (LAPTOP, "http://127.0.0.1.example.org/", "hub_unencrypted"),
        ({**LAPTOP, "DESKTOPS_TOKEN": "two words"}, "", "token_invalid"),
        ({**LAPTOP, "DESKTOPS_TOKEN": "clé"}, "", "token_invalid"),
        ({**SESSION, "JUPYTERHUB_API_TOKEN": ""}, "", "token_missing"),
    ],
)
def test_what_is_not_right_is_refused(
    environ: dict[str, str], hub: str, code: str
) -> None:
    assert refusal(environ, hub).code == code


@pytest.mark.parametrize("place", ["home", "xdg"])
def test_the_tokens_file(tmp_path: Path, place: str) -> None:
    environ = {"DESKTOPS_HUB": LAPTOP["DESKTOPS_HUB"], "HOME": str(tmp_path)}
    folder = tmp_path / ".config"
    if place == "xdg":
        folder = tmp_path / "xdg"
        environ["XDG_CONFIG_HOME"] = str(folder)
    assert refusal(environ).code == "token_missing"
    file = folder / "desktops" / "token"
    file.parent.mkdir(parents=True)
    file.write_text("own-token\n")
    file.chmod(0o600)
    assert read_settings(environ).token == "own-token"
    for mode in (0o640, 0o604, 0o660):
        file.chmod(mode)
        error = refusal(environ)
        assert (error.code, error.exit_code) == ("token_exposed", 3)
        assert "own-token" not in str(error.to_dict(plain))
    file.chmod(0o600)
    file.write_text("\n")
    assert refusal(environ).code == "token_invalid"


def test_from_a_laptop_the_hub_says_whose_token_it_is(
    laptop: Desk, fake: FakeHubService
) -> None:
    fake.user = "bob"
    result = laptop("save", "GIS course")
    fake.user = "alice"
    assert result.code == 0
    [body] = [one["body"] for one in fake.requests if one["what"] == "POST /commits"]
    assert body["server"] == {"user": "bob", "name": ""}
    link = laptop.environ["DESKTOPS_HUB"] + "services/desktops/images/bob/gis-course"
    assert result.errors.splitlines()[-1] == link


def test_a_path_of_the_desktop_is_whole_on_a_laptop(
    laptop: Desk, fake: FakeHubService
) -> None:
    result = laptop("save", "GIS course", "--exclude", "Downloads")
    assert (result.code, "write it from / on" in result.errors) == (2, True)
    assert fake.jobs == {}


def test_every_request_has_token_and_language(
    laptop: Desk, fake: FakeHubService
) -> None:
    laptop("jobs", environ={"LANG": "fr_CA.UTF-8"})
    [request] = fake.requests
    assert (request["token"], request["language"]) == (f"Bearer {TOKEN}", "fr")
