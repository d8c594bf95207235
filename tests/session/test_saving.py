"""Saving in the desktop page: the question, the progress, the end."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.fakes.hub_service import Failure, FakeHubService

from .server import JupyterServer
from .xserver import XServer

pytest.importorskip(
    "playwright.sync_api", reason="needs Playwright: pip install -e '.[test]'"
)
from playwright.sync_api import Page, expect  # noqa: E402

from .pages import begin_save, shown  # noqa: E402

pytestmark = pytest.mark.browser
OpenPage = Callable[..., Page]
SERVER = {"user": "alice", "name": "course"}


def test_the_question_shows_what_would_be_saved(
    vnc: XServer, jupyter: JupyterServer, hub: FakeHubService, open_page: OpenPage
) -> None:
    page = shown(open_page(jupyter.page_url))
    page.get_by_role("button", name="Save as desktop image").click()
    dialog = page.get_by_role("dialog", name="Save as desktop image")
    expect(
        dialog.locator(".numbers", has_text="412 MB changed · 7,018 files · about 20 s")
    ).to_be_visible()
    expect(dialog.get_by_text("Compared with the image")).to_be_visible()
    expect(dialog.get_by_text("→ new version 4")).to_be_visible()
    expect(dialog.get_by_text("Keys, logins, histories")).to_be_visible()
    expect(dialog.get_by_label("Name")).to_be_focused()
    dialog.get_by_label("include my home folder").uncheck()
    expect(dialog.locator(".numbers", has_text="374 MB changed")).to_be_visible()
    dialog.get_by_label("What's new").fill("adds QGIS plugins")
    dialog.get_by_role("button", name="Save", exact=True).click()
    # Steps are those of the service's answer.
    expect(page.locator(".steps li").first).to_be_visible()
    # Whether the events are asked for before or after this line is chance.
    saves = [one["body"] for one in hub.requests if one["what"].endswith("/commits")]
    assert saves[-1] == {
        "image": {"name": "gis-course"},
        "description": "adds QGIS plugins",
        "include_home": False,
        "exclude": [],
        "stop_after": False,
        "start_test": False,
        "activate": True,
        "server": SERVER,
    }


def test_a_name_of_blanks_is_asked_for_in_the_form(
    vnc: XServer, jupyter: JupyterServer, hub: FakeHubService, open_page: OpenPage
) -> None:
    page = shown(open_page(jupyter.page_url))
    page.get_by_role("button", name="Save as desktop image").click()
    dialog = page.get_by_role("dialog", name="Save as desktop image")
    name = dialog.get_by_label("Name")
    expect(dialog.locator(".numbers")).to_be_visible()
    before = len(hub.requests)
    name.fill("   ")
    dialog.get_by_role("button", name="Save", exact=True).click()
    told = name.evaluate("one => one.validationMessage")
    assert told == "Give it a name, for example “GIS course”."
    expect(name).to_be_focused()
    assert not [
        one for one in hub.requests[before:] if one["what"].endswith("/commits")
    ]
    name.fill("GIS")
    assert name.evaluate("one => one.validationMessage") == ""
    dialog.get_by_role("button", name="Save", exact=True).click()
    expect(page.locator(".steps li").first).to_be_visible()


def test_a_second_save_says_that_only_what_is_new_is_sent(
    vnc: XServer, jupyter: JupyterServer, hub: FakeHubService, open_page: OpenPage
) -> None:
    hub.preview["saved_before"] = True
    page = shown(open_page(jupyter.page_url))
    page.get_by_role("button", name="Save as desktop image").click()
    numbers = "412 MB changed · 7,018 files · 20 s at most"
    expect(page.locator(".numbers")).to_have_text(numbers)
    expect(page.get_by_text("only what is new since then is read")).to_be_visible()


def test_a_save_from_its_first_byte_to_the_link(
    vnc: XServer, jupyter: JupyterServer, hub: FakeHubService, open_page: OpenPage
) -> None:
    page = shown(open_page(jupyter.page_url))
    job = begin_save(page, hub)
    meter = page.get_by_role("progressbar")
    expect(meter).to_be_visible()
    hub.advance(job["id"], "read", 103_000_000, 412_000_000)
    expect(page.locator(".headline")).to_have_text("Reading 103 of 412 MB · 120 MB/s")
    before = int(meter.get_attribute("aria-valuenow") or 0)
    hub.advance(job["id"], "push", 96_000_000, 171_000_000)
    expect(page.locator(".headline")).to_contain_text("Sending 96 of 171 MB")
    expect(page.get_by_text("Held still for 0.06 s")).to_be_visible()
    assert int(meter.get_attribute("aria-valuenow") or 0) > before > 0
    hub.finish(job["id"])
    expect(page.locator(".verdict")).to_have_text("Saved as GIS course, version 4.")
    link = page.get_by_role("link", name="Start it")
    assert link.get_attribute("href") == job["links"]["start"]
    expect(link).to_be_focused()


def test_a_version_may_be_tried_before_others_start_it(
    vnc: XServer, jupyter: JupyterServer, hub: FakeHubService, open_page: OpenPage
) -> None:
    page = shown(open_page(jupyter.page_url))
    page.get_by_role("button", name="Save as desktop image").click()
    dialog = page.get_by_role("dialog", name="Save as desktop image")
    dialog.get_by_label("see afterwards whether it starts").check()
    dialog.get_by_label("let me try it first").check()
    dialog.get_by_role("button", name="Save", exact=True).click()
    expect(page.locator(".steps li").first).to_be_visible()
    job = list(hub.jobs.values())[-1]
    saves = [one["body"] for one in hub.requests if one["what"].endswith("/commits")]
    assert (saves[-1]["start_test"], saves[-1]["activate"]) == (True, False)
    hub.finish(job["id"])
    link = page.get_by_role("link", name="Try it")
    assert link.get_attribute("href") == job["links"]["try"]
    expect(page.get_by_text("Nobody else can start it")).to_be_visible()
    expect(page.get_by_role("link", name="Make it active…")).to_be_visible()


def test_a_new_image_has_no_version_before_to_go_on_with(
    vnc: XServer, jupyter: JupyterServer, hub: FakeHubService, open_page: OpenPage
) -> None:
    page = shown(open_page(jupyter.page_url))
    page.get_by_role("button", name="Save as desktop image").click()
    dialog = page.get_by_role("dialog", name="Save as desktop image")
    dialog.get_by_label("let me try it first").check()
    dialog.get_by_label("Name").fill("Something new")
    expect(dialog.get_by_label("let me try it first")).to_be_hidden()
    dialog.get_by_role("button", name="Save", exact=True).click()
    expect(page.locator(".steps li").first).to_be_visible()
    saves = [one["body"] for one in hub.requests if one["what"].endswith("/commits")]
    assert (saves[-1]["image"], saves[-1]["activate"]) == ("Something new", True)


@pytest.mark.parametrize(
    ("result", "words"),
    [
        ({"unchanged": True}, "Nothing had changed since it was saved before"),
        ({"kept_layers": 2}, "Only what was new since the save before went"),
        (
            {"joined_layers": ["sha256:a"]},
            "the layers of earlier saves have become one",
        ),
        ({"changed_while_saved": ["/var/log/x"]}, "/var/log/x was being written"),
        ({"changed_while_saved": ["/a", "/b"]}, "2 files were being written"),
    ],
)
def test_the_end_says_what_was_special(
    vnc: XServer,
    jupyter: JupyterServer,
    hub: FakeHubService,
    open_page: OpenPage,
    result: dict[str, Any],
    words: str,
) -> None:
    page = shown(open_page(jupyter.page_url))
    job = begin_save(page, hub)
    hub.finish(job["id"], **result)
    expect(page.get_by_role("dialog")).to_contain_text(words)


def test_a_hub_that_tries_nothing_offers_no_test(
    vnc: XServer, jupyter: JupyterServer, hub: FakeHubService, open_page: OpenPage
) -> None:
    hub.preview["start_tests"] = False
    page = shown(open_page(jupyter.page_url))
    page.get_by_role("button", name="Save as desktop image").click()
    dialog = page.get_by_role("dialog", name="Save as desktop image")
    expect(dialog.locator(".numbers")).to_be_visible()
    expect(dialog.get_by_label("let me try it first")).to_be_visible()
    expect(dialog.get_by_label("see afterwards whether it starts")).to_be_hidden()


def test_the_dialog_may_be_closed_and_the_page_loaded_again(
    vnc: XServer, jupyter: JupyterServer, hub: FakeHubService, open_page: OpenPage
) -> None:
    page = shown(open_page(jupyter.page_url))
    job = begin_save(page, hub)
    hub.advance(job["id"], "read", 206_000_000, 412_000_000)
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_be_hidden()
    expect(page.get_by_role("button", name="Saving 28%")).to_be_visible()
    expect(page).to_have_title("28% · GIS course")
    shown(page).reload()
    page.get_by_role("button", name="Saving 28%").click()
    expect(page.locator(".headline")).to_contain_text("Reading 206 of 412 MB")
    page.get_by_role("button", name="Close, go on saving").click()
    hub.finish(job["id"])
    expect(page.locator(".toast")).to_contain_text("Saved as GIS course, version 4.")


def test_events_that_are_cut_do_not_stop_the_progress(
    vnc: XServer, jupyter: JupyterServer, hub: FakeHubService, open_page: OpenPage
) -> None:
    page = shown(open_page(jupyter.page_url))
    job = begin_save(page, hub)
    hub.cut_streams()
    hub.advance(job["id"], "read", 100_000_000, 412_000_000)
    expect(page.locator(".headline", has_text="Reading 100 of 412 MB")).to_be_visible(
        timeout=15_000
    )
    hub.finish(job["id"])
    expect(page.get_by_role("link", name="Start it")).to_be_visible()


def test_a_failure_says_what_is_safe_and_is_tried_again(
    vnc: XServer, jupyter: JupyterServer, hub: FakeHubService, open_page: OpenPage
) -> None:
    page = shown(open_page(jupyter.page_url))
    job = begin_save(page, hub)
    text = "Not saved: the image store did not answer. Your desktop is unharmed."
    hub.fail_job(job["id"], "registry_unavailable", text)
    dialog = page.get_by_role("dialog", name="Not saved")
    expect(dialog.locator(".verdict", has_text=text)).to_be_visible()
    dialog.get_by_text("Details", exact=True).click()
    expect(dialog.locator("pre")).to_contain_text('"attempts": 5')
    hub.fail("POST /commits", Failure(cut=True))
    dialog.get_by_role("button", name="Try again").click()
    expect(
        dialog.locator(".verdict", has_text="The image service did not answer.")
    ).to_be_visible()
    dialog.get_by_role("button", name="Try again").click()
    expect(page.get_by_role("dialog", name="Saving your desktop")).to_be_visible()
    expect(page.locator(".steps li").first).to_be_visible()
    assert len(hub.jobs) == 2


def test_a_preview_that_fails_can_be_asked_for_again(
    vnc: XServer, jupyter: JupyterServer, hub: FakeHubService, open_page: OpenPage
) -> None:
    page = shown(open_page(jupyter.page_url))
    hub.fail(
        "POST /commits/preview", Failure(message="The agent is away. Nothing was lost.")
    )
    page.get_by_role("button", name="Save as desktop image").click()
    expect(page.get_by_text("The agent is away. Nothing was lost.")).to_be_visible()
    page.get_by_role("button", name="Try again").click()
    expect(page.locator(".numbers")).to_be_visible()
