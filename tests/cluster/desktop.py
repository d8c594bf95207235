"""A person at a desktop in the browser: start, type, look, save."""

import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from playwright.sync_api import APIResponse, Page, expect

from tests.cluster.conftest import Demo, wait_for

API = "/services/desktops/api/v1"
COLOURS = """() => {
  const canvas = document.querySelector("#screen canvas");
  if (!canvas || canvas.width < 200) return null;
  const data = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data;
  const seen = new Set();
  for (let place = 0; place < data.length; place += 4 * 97) {
    seen.add((data[place] << 16) | (data[place + 1] << 8) | data[place + 2]);
  }
  return [...seen];
}"""

METER = "meters => meters.map(one => one.getAttribute('aria-valuenow'))"


def start(page: Page, user: str, card: str, session: str, server: str = "") -> None:
    """Choose a card on the spawn page, start it, and wait for a painted desktop."""
    page.goto(f"/hub/spawn/{user}/{server}" if server else f"/hub/spawn/{user}")
    page.locator(".desktops-card", has_text=card).first.click()
    page.check(f"#session-{session}")
    page.click("button[type=submit]")
    painted(page)


def painted(page: Page, timeout: float = 240) -> None:
    """Wait until the canvas shows a desktop: many colours, not an empty screen."""
    page.wait_for_url(re.compile(r"/desktop/"), timeout=timeout * 1000)
    wait_for(
        "the desktop is painted",
        lambda: len(page.evaluate(COLOURS) or ()) > 20,
        timeout,
    )


def stop(page: Page, user: str, cluster: Demo, server: str = "") -> None:
    """Stop a server from the hub's home page and wait until its pod is gone."""
    page.goto("/hub/home")
    name = cluster.pod_of(user, server)
    if server:
        page.locator(f"tr[data-server-name='{server}'] .stop-server").click()
    else:
        page.click("#stop")
    wait_for(
        "the pod is gone",
        lambda: name not in cluster.kubectl("get", "pods", "-o", "name"),
    )
    if not server:

        def stopped() -> bool:
            page.goto("/hub/home")
            return not page.locator("#stop").is_visible()

        wait_for("the hub knows that it is stopped", stopped)


def type_in_terminal(
    page: Page, cluster: Demo, pod: str, command: str, timeout: float
) -> None:
    """Open a terminal by its key, type a command there, and wait until both have ended.

    The command's exit code is read from a file: what a terminal shows is pixels.
    """
    cluster.run(pod, "rm -f /tmp/done")
    page.locator("#screen canvas").click(position={"x": 600, "y": 500})
    page.keyboard.press("Control+Alt+t")
    wait_for(
        "a terminal",
        lambda: cluster.run(pod, "pgrep -x bash -t pts/0 || true", check=False),
        30,
    )
    time.sleep(2)
    page.keyboard.type(f"{command}; echo $? > /tmp/done; exit\n", delay=8)
    code = wait_for(
        f"the end of {command}",
        lambda: cluster.run(pod, "cat /tmp/done 2>/dev/null || true").strip(),
        timeout,
    )
    assert code == "0", f"{command}: exit code {code}"


@dataclass(frozen=True)
class Saved:
    """A save as the person at the toolbar saw it."""

    link: str
    began: float
    ended: float
    percents: list[int]


def save(
    page: Page, name: str, *, news: str = "", see: Callable[[], None] | None = None
) -> Saved:
    """Save the desktop by the toolbar, and watch the meter until the end.

    `see` is called while the dialog shows what will be saved.
    """
    page.click("button.save")
    page.fill("#save-name", name)
    page.fill("#save-news", news)
    expect(page.locator(".save-dialog")).to_contain_text(re.compile(r"MB|kB"))
    if see:
        see()
    began = time.time()
    page.click(".save-dialog button[type=submit]")
    failed = page.locator(".save-dialog .end.failed")
    link = page.locator(".save-dialog .end a.primary")
    percents: list[int] = []

    def over() -> bool:
        shown = page.locator(".save-dialog .meter").evaluate_all(METER)
        percents.extend(int(one) for one in shown if one is not None)
        return link.or_(failed).first.is_visible()

    wait_for("the end of the save", over, 240, every=0.05)
    ended = time.time()
    assert not failed.is_visible(), failed.inner_text()
    return Saved(link.get_attribute("href") or "", began, ended, percents)


def headers(page: Page) -> dict[str, str]:
    """Return what a change by hub_service's API needs: the XSRF token of its pages."""
    [token] = [
        one["value"]
        for one in page.context.cookies()
        if one["name"] == "_xsrf" and one["path"] == "/services/desktops/"
    ]
    return {
        "X-XSRFToken": token,
        "Sec-Fetch-Mode": "cors",
        "Sec-Fetch-Site": "same-origin",
    }


def post(page: Page, path: str, body: dict[str, Any]) -> APIResponse:
    """Post to hub_service's API as the person's browser does."""
    return page.request.post(f"{API}{path}", data=body, headers=headers(page))
