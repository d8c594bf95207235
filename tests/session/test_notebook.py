"""The desktop page and its button in a Notebook of Kubeflow's: below NB_PREFIX, without a hub."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.fakes.hub_service import FakeHubService

from .server import JupyterServer, notebook_environment
from .xserver import XServer

pytest.importorskip(
    "playwright.sync_api", reason="needs Playwright: pip install -e '.[test]'"
)
from playwright.sync_api import Page, expect  # noqa: E402

pytestmark = pytest.mark.browser


@pytest.mark.parametrize("on_volume", [True, False])
def test_a_save_from_the_question_to_the_image(
    vnc: XServer,
    desk: Path,
    hub: FakeHubService,
    start_jupyter: Callable[[dict[str, str]], JupyterServer],
    open_page: Callable[..., Page],
    tmp_path: Path,
    on_volume: bool,
) -> None:
    token = tmp_path / "token"
    token.write_text("of-this-pod")
    hub.credentials = {"Bearer of-this-pod"}
    hub.preview["can_stop"] = False
    hub.preview["home"]["on_volume"] = on_volume
    environment = notebook_environment(hub.url, desk / "vnc.sock", token)
    page = open_page(start_jupyter(environment).page_url)
    expect(page.locator("#veil")).to_be_hidden(timeout=20_000)
    expect(page).to_have_title("desk")
    assert page.get_by_role("link", name="Hub").count() == 0
    page.get_by_role("button", name="Save as desktop image").click()
    dialog = page.get_by_role("dialog", name="Save as desktop image")
    expect(dialog.locator(".numbers")).to_be_visible()
    expect(dialog.get_by_label("stop the desktop afterwards")).to_be_hidden()
    # That a home stays out is said where one is on a volume.
    note = dialog.get_by_text("its home is yours and stays out")
    expect(note).to_be_visible(visible=on_volume)
    dialog.get_by_role("button", name="Save", exact=True).click()
    expect(page.locator(".steps li").first).to_be_visible()
    [job] = hub.jobs.values()
    assert job["server"] == {"user": "team", "name": "desk"}
    # Kubeflow's own form starts what was saved.
    del job["links"]["start"], job["links"]["try"]
    hub.finish(job["id"])
    expect(page.locator(".verdict")).to_contain_text("Saved as GIS course")
    assert page.get_by_role("link", name="Start it").count() == 0
    share = page.get_by_role("link", name="Share…").get_attribute("href")
    assert share == job["links"]["image"]
