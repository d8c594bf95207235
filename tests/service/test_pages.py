"""The pages: whole, escaped, in both languages, and safe against forged posts."""

import dataclasses
import re
from importlib import resources

import httpx
import pytest
from babel.messages.extract import DEFAULT_KEYWORDS, extract_from_dir
from babel.messages.pofile import read_po

from desktop_i18n import translator
from hub_service.pages.views import AGENT_SENTENCES, error_view
from snapshot_agent import errors as agent_errors
from tests.fakes.hub import ADMIN, READ, WRITE
from tests.service.conftest import World
from tests.service.test_database import version

Words = str | tuple[str, ...] | list[str]


def page_client(world: World, token: str, language: str = "en") -> httpx.AsyncClient:
    client = world.client(token, **{"Accept-Language": language})
    client.base_url = httpx.URL(f"{world.url}/services/desktops/")
    return client


@pytest.mark.parametrize(
    ("language", "words"),
    [("en", "You have no image yet."), ("fr", "pas encore d’image")],
)
async def test_the_empty_list_says_how_to_begin(
    world: World, language: str, words: str
) -> None:
    reply = await page_client(world, world.hub.add_user("alice", READ), language).get(
        ""
    )
    assert reply.status_code == 200
    assert f'<html lang="{language}">' in reply.text
    assert words in reply.text


async def test_all_pages_show_what_there_is(world: World) -> None:
    api = world.alice()
    job = await world.saved(api, "GIS <b>course</b>")
    client = page_client(world, "token-of-alice")
    name = job["image"]["name"]
    shown = {
        "": "GIS &lt;b&gt;course&lt;/b&gt;",
        f"images/alice/{name}": "Version 1",
        "desktops": "Save as desktop image",
        "save?server=": "412 MB changed",
        f"jobs/{job['id']}": "Saved as GIS &lt;b&gt;course&lt;/b&gt;, version 1.",
    }
    for path, words in shown.items():
        reply = await client.get(path)
        assert reply.status_code == 200, reply.text
        assert words in reply.text
        assert "<b>course</b>" not in reply.text


async def test_a_page_that_is_none_says_so(world: World) -> None:
    client = page_client(world, world.hub.add_user("alice", READ, WRITE))
    for path, status in [
        ("nothing", 404),
        ("images/bob/none", 404),
        ("save?server=x", 409),
    ]:
        reply = await client.get(path)
        assert reply.status_code == status
        assert "This did not work" in reply.text


async def test_who_is_not_logged_in_is_sent_to_the_hubs_login(world: World) -> None:
    client = page_client(world, "")
    reply = await client.get("desktops")
    assert reply.status_code == 302
    assert reply.headers["location"].startswith("/hub/api/oauth2/authorize?")
    assert (await client.post("save", data={"title": "x"})).status_code == 403


async def test_a_form_saves_and_leads_to_the_job(world: World) -> None:
    world.alice()
    client = page_client(world, "token-of-alice")
    reply = await client.post(
        "save", data={"server": "", "title": "My R", "include_home": "yes"}
    )
    assert reply.status_code == 302
    assert re.fullmatch(
        r"/services/desktops/jobs/[0-9a-f]{32}", reply.headers["location"]
    )


def translations(package: str) -> dict[Words, Words]:
    """Return a package's French by its English; both have singular and plural, or neither."""
    with (resources.files(package) / "locale/fr.po").open("rb") as stream:
        known = read_po(stream, locale="fr")
    return {one.id: one.string or "" for one in known if one.id}


@pytest.mark.parametrize("package", ["hub_service", "desktop_spawner", "desktops_cli"])
def test_every_sentence_is_translated(package: str) -> None:
    found = extract_from_dir(
        package,
        [("**.py", "python"), ("**/templates/**.html", "jinja2")],
        keywords={**DEFAULT_KEYWORDS, "sentence": None},
    )
    # `text` is the parameter in the definition of `sentence` itself.
    sentences = {message for _, _, message, _, _ in found} - {"text"}
    known = translations(package)
    assert len(sentences) > 20
    assert sentences - set(known) == set()
    assert set(known) - sentences == set()
    for english, french in known.items():
        wanted = [english] if isinstance(english, str) else english
        given = [french] if isinstance(french, str) else french
        assert len(wanted) == len(given)
        places = [sorted(re.findall(r"{\w+}", text)) for text in wanted]
        assert places == [sorted(re.findall(r"{\w+}", text)) for text in given]
        assert all(given), english
        assert not any(re.search(r"\w'\w", text) for text in given), given


async def test_a_restart_logs_nobody_out(neighbours: World) -> None:
    secrets = []
    for _ in range(2):
        async with neighbours.serving() as services:
            secrets.append(services.cookie_secret)
    assert secrets[0] == secrets[1]


async def test_ones_own_images_are_there_however_many_others_there_are(
    world: World,
) -> None:
    assert world.services
    world.alice()
    catalogue = world.services.catalogue
    catalogue.add_version("alice", "mine", "My own", version(1))
    for number in range(70):
        name = f"other-{number}"
        catalogue.add_version("bob", name, f"Other {number}", version(1))
        catalogue.change(
            "bob", "bob", name, visibility="shared", shared_users={"alice"}
        )
    client = page_client(world, "token-of-alice")
    first = await client.get("")
    assert "My own" in first.text and "Other 69" in first.text
    assert "Other 9<" not in first.text
    [older] = re.findall(r'href="(\?[^"]*cursor=[^"]*)"', first.text)
    second = await client.get(older.replace("&amp;", "&"))
    assert "Other 9<" in second.text and "My own" not in second.text
    assert "You have no image yet." not in second.text


async def test_others_do_not_read_what_was_left_out(world: World) -> None:
    assert world.services
    world.alice()
    bob = world.client(world.hub.add_user("bob", READ))
    secret = {
        "left_out": [{"path": "/home/jovyan/.ssh", "reason": "secret", "bytes": 1}],
        "packages": {"added": [], "removed": [], "upgraded": []},
    }
    made = dataclasses.replace(version(1), details=secret)
    world.services.catalogue.add_version("alice", "gis", "GIS", made)
    world.services.catalogue.change(
        "alice", "alice", "gis", visibility="shared", shared_users={"bob"}
    )
    seen = (await bob.get("/images/alice/gis")).json()["active_version"]["details"]
    assert set(seen) == {"packages"}
    own = world.client("token-of-alice")
    seen = (await own.get("/images/alice/gis")).json()["active_version"]["details"]
    assert set(seen) == set(secret)


def test_every_end_that_an_agent_tells_has_words() -> None:
    """The others are told to programs only."""
    quiet = {"bad_request", "commit_unknown", "cancelled"}
    told = {one.code for one in agent_errors.AgentError.__subclasses__()}
    assert told - quiet == set(AGENT_SENTENCES) - quiet


def test_the_words_of_an_agents_end_are_whole() -> None:
    kept = {"code": "secret_found", "agent": True, "text": "", "values": {}}
    error = {**kept, "details": {"path": "/home/jovyan/{a}.db"}}
    assert "/home/jovyan/{a}.db" in error_view(error, translator("x", "en"))["message"]


async def test_what_a_dockerfile_may_not_say_is_told_beside_the_button(
    world: World,
) -> None:
    world.alice()
    client = page_client(world, "token-of-alice")
    form = {"way": "dockerfile", "title": "X", "dockerfile": "FROM alpine\n"}
    page = await client.post("build", data=form)
    words = "alpine is not one of the tested images. Choose one of: remote-desktop."
    assert page.status_code == 422
    alert = f'id="build-refused" role="alert">Line 1: {words}</div>'
    assert alert in page.text
    assert page.text.index(alert) < page.text.index('id="build-button"')
    assert 'id="build-refused" hidden>' in (await client.get("build")).text


async def test_a_base_image_is_chosen_by_its_title(world: World) -> None:
    world.alice()
    client = page_client(world, "token-of-alice")
    page = (await client.get("build")).text
    assert '<option value="remote-desktop">Remote Desktop</option>' in page
    assert "FROM" not in page
    page = (await client.get("build?way=dockerfile")).text
    assert "Behind FROM you may write: remote-desktop (Remote Desktop)." in page
    assert ">FROM remote-desktop\n</textarea>" in page


async def test_a_second_save_says_what_is_new_and_what_is_all(world: World) -> None:
    api = world.alice()
    client = page_client(world, "token-of-alice")
    compared = "Compared with the image that this desktop was started from."
    new = "only what is new since then is read and sent."
    page = (await client.get("save?server=")).text
    assert compared in page and new not in page
    await world.saved(api)
    page = (await client.get("save?server=")).text
    assert compared in page and new in page


async def test_one_thing_is_spoken_of_as_one(world: World) -> None:
    assert world.services
    catalogue = world.services.catalogue
    details = {"entries": 1, "changed_bytes": 10**6}
    one = dataclasses.replace(version(1), details=details)
    catalogue.add_version("alice", "gis", "GIS", one)
    client = page_client(world, world.hub.add_user("alice", READ, ADMIN))
    assert "1 image, " in (await client.get("admin/images")).text
    page = (await client.get("images/alice/gis/versions/1")).text
    assert "1 MB in 1 file or folder · compared" in page
    assert "have become one" not in page
    page = (await client.get("images/alice/gis")).text
    assert "Delete GIS, which frees up to " in page
    joined = dataclasses.replace(version(2), details={"joined_layers": ["sha256:a"]})
    catalogue.add_version("alice", "gis", "GIS", joined)
    page = (await client.get("images/alice/gis/versions/2")).text
    assert "The layers of earlier saves have become one" in page
    page = (await client.get("images/alice/gis")).text
    assert "Delete GIS with its 2 versions, which frees up to " in page


def test_what_has_a_label_has_a_role_that_may_have_one() -> None:
    """A `pre`, `div` or `span` without a role is nothing that a screen reader names."""
    templates = resources.files("hub_service") / "templates"
    named = re.compile(r"<(?:pre|div|span|p)\b(?:\{%.*?%\}|[^>])*?aria-label=[^>]*>")
    tags = [
        tag
        for template in templates.iterdir()
        for tag in named.findall(template.read_text())
    ]
    assert tags and not [tag for tag in tags if "role=" not in tag]
