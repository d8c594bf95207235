"""What tests do on the desktop page."""

from __future__ import annotations

from typing import Any

from playwright.sync_api import Page, expect

from tests.fakes.hub_service import FakeHubService


def shown(page: Page) -> Page:
    """The page when the desktop is in view."""
    expect(page.locator("#veil")).to_be_hidden(timeout=20_000)
    return page


def begin_save(page: Page, hub: FakeHubService) -> dict[str, Any]:
    page.get_by_role("button", name="Save as desktop image").click()
    expect(page.locator(".numbers")).to_be_visible()
    page.get_by_role("button", name="Save", exact=True).click()
    expect(page.locator(".steps li").first).to_be_visible()
    return list(hub.jobs.values())[-1]
