"""Two groups on the real cluster, each with somebody in it: what an owner shares is seen and
started by those it is shared with, and changed and deleted by its owner alone."""

import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from oci.names import repository
from tests.cluster.conftest import Demo, Visit, wait_for
from tests.cluster.desktop import API, headers, painted, post, start
from tests.cluster.session import Desktop

pytestmark = [pytest.mark.cluster, pytest.mark.browser]

PREFIX = "/services/desktops/"
TITLE = "Relief maps"


@dataclass
class Course:
    """Ada's image; Ben is in the one group and Cleo in the other."""

    cluster: Demo
    admin: Page
    cartography: str
    statistics: str
    names: dict[str, str]
    pages: dict[str, Page]

    @property
    def slug(self) -> str:
        """Return how the spawn page calls the image."""
        return f"{self.names['ada']}/relief-maps"

    @property
    def image(self) -> str:
        """Return the image's part of an address."""
        return f"images/{self.slug}"

    def share(self, groups: str) -> None:
        """Ada names the groups on the image's page."""
        page = self.pages["ada"]
        page.goto(PREFIX + self.image)
        page.fill("#groups", groups)
        page.click("button[value=share]")
        expect(page.locator("#groups")).to_have_value(groups)
        expect(page.locator("#visibility-shared")).to_be_checked()

    def offered(self, who: str) -> bool:
        """Say whether the spawn page of somebody's other server has the image's card."""
        page = self.pages[who]
        page.goto(f"/hub/spawn/{self.names[who]}/other")
        expect(page.locator("#spawn_form")).to_be_visible()
        return bool(page.locator(f"input[value='{self.slug}']").count())


def ask_hub(admin: Page, method: str, path: str, body: Any = None) -> None:
    """Call JupyterHub's API as its administrator's page does."""
    [token] = [
        one["value"]
        for one in admin.context.cookies()
        if one["name"] == "_xsrf" and one["path"] == "/hub/"
    ]
    address = f"/hub/api/{path}?_xsrf={token}"
    sent = {"Sec-Fetch-Mode": "cors", "Sec-Fetch-Site": "same-origin"}
    reply = admin.request.fetch(address, method=method, data=body, headers=sent)
    assert reply.ok, reply.text()


@pytest.fixture(scope="module")
def course(cluster: Demo, visit: Visit) -> Iterator[Course]:
    mark = uuid.uuid4().hex[:6]
    admin = visit("admin")
    admin.goto("/hub/home")
    names = {who: f"{who}-{mark}" for who in ("ada", "ben", "cleo")}
    groups = (f"cartography-{mark}", f"statistics-{mark}")
    ask_hub(admin, "POST", "users", {"usernames": list(names.values())})
    for group, who in zip(groups, ("ben", "cleo"), strict=True):
        ask_hub(admin, "POST", f"groups/{group}", {})
        ask_hub(admin, "POST", f"groups/{group}/users", {"users": [names[who]]})
    pages = {who: visit(name) for who, name in names.items()}
    course = Course(cluster, admin, *groups, names, pages)
    start(pages["ada"], names["ada"], "Remote Desktop", "customise")
    pages["ada"].goto(PREFIX)
    desktop = Desktop(cluster, pages["ada"], names["ada"])
    cluster.run(desktop.pod, "head -c 1000000 /dev/urandom > ~/relief")
    job = desktop.end_of(desktop.save(TITLE).json()["id"])
    assert job["state"] == "succeeded", job
    yield course
    for pod in cluster.get("pods", "-l", "component=singleuser-server")["items"]:
        if pod["metadata"]["annotations"]["hub.jupyter.org/username"] in names.values():
            name = pod["metadata"]["name"]
            cluster.kubectl("delete", "pod", name, "--wait=false", check=False)


def test_what_is_private_is_nobody_elses(course: Course) -> None:
    assert course.offered("ada")
    for who in ("ben", "cleo"):
        assert not course.offered(who)
        page = course.pages[who]
        assert page.request.get(f"{API}/{course.image}").status == 404
        assert page.request.get(PREFIX + course.image).status == 404


def test_one_group_sees_it_and_the_other_does_not(
    course: Course, shoot: Callable[[Page, str], None]
) -> None:
    course.share(course.cartography)
    shoot(course.pages["ada"], "shared-with-a-group")
    assert course.offered("ben")
    assert not course.offered("cleo")
    ben, cleo = course.pages["ben"], course.pages["cleo"]
    seen = ben.request.get(f"{API}/{course.image}").json()
    assert seen["owner"] == course.names["ada"]
    # With whom else it is shared is not told.
    assert seen["shared_with"] == {"users": [], "groups": []}
    ben.goto(PREFIX + course.image)
    expect(ben.locator("h1")).to_have_text(TITLE)
    for change in ("share", "describe", "delete", "activate"):
        expect(ben.locator(f"button[value={change}]")).to_have_count(0)
    cleo.goto(PREFIX + course.image)
    expect(cleo.locator("main")).to_contain_text("it is not shared with you")


def test_neither_changes_or_deletes_it(course: Course) -> None:
    for who, status in (("ben", 403), ("cleo", 404)):
        page = course.pages[who]
        page.goto(PREFIX)
        address = f"{API}/{course.image}"
        sent = headers(page)
        took = {"shared_with": {"users": [course.names[who]], "groups": []}}
        assert page.request.patch(address, data=took, headers=sent).status == status
        assert page.request.delete(address, headers=sent).status == status
        assert (
            page.request.delete(f"{address}/versions/1", headers=sent).status == status
        )
        job = post(
            page, "/commits", {"server": {"user": course.names["ada"]}, "image": "x"}
        )
        assert job.status == 403
        assert "can save it" in job.json()["error"]["message"]
    seen = course.pages["ada"].request.get(f"{API}/{course.image}").json()
    assert (seen["title"], seen["shared_with"]["users"]) == (TITLE, [])


def test_who_is_in_the_group_starts_exactly_that_desktop(
    course: Course, cluster: Demo, shoot: Callable[[Page, str], None]
) -> None:
    """By the link that a teacher sends around; whoever is not in the group starts nothing."""
    ada, ben, cleo = (course.names[who] for who in ("ada", "ben", "cleo"))
    link = f"{PREFIX}start/{ada}/relief-maps"
    page = course.pages["cleo"]
    page.goto(link)
    expect(page.locator("main")).to_contain_text("it is not shared with you")
    # A form made by hand is not believed.
    page.goto(f"/hub/spawn/{cleo}/relief?profile={ada}/relief-maps&session=use")
    expect(page.locator("body")).to_contain_text("not shared with you")
    page = course.pages["ben"]
    page.goto(link)
    painted(page)
    shoot(page, "shared-desktop")
    pod = cluster.pod_of(ben, "relief-maps")
    assert cluster.run(pod, "stat -c %s ~/relief").strip() == "1000000"


def test_the_groups_change_and_so_does_what_is_offered(course: Course) -> None:
    course.share(course.statistics)
    assert course.offered("cleo")
    assert not course.offered("ben")
    for group, method in ((course.cartography, "POST"), (course.statistics, "DELETE")):
        who = {"users": [course.names["cleo"]]}
        ask_hub(course.admin, method, f"groups/{group}/users", who)
    assert not course.offered("cleo")

    def forgotten() -> bool:
        page = course.pages["cleo"]
        return page.request.get(f"{API}/{course.image}").status == 404

    wait_for("the service knows of the change, too", forgotten, 60, every=2)


def test_what_its_owner_deletes_is_gone_for_all(course: Course, cluster: Demo) -> None:
    """Ben's desktop of it goes on: what runs is not taken away."""
    course.share(course.cartography)
    assert course.offered("ben")
    page = course.pages["ada"]
    page.goto(PREFIX + course.image)
    digest = page.request.get(f"{API}/{course.image}/versions").json()["items"][0][
        "digest"
    ]
    where = repository("desktops", course.names["ada"], "relief-maps")
    page.on("dialog", lambda dialog: dialog.accept())
    page.click("button[value=delete]")
    expect(page.locator("[role=status]").first).to_be_visible()
    assert not course.offered("ben")

    def gone() -> bool:
        with cluster.registry() as registry:
            return registry.get(f"/v2/{where}/manifests/{digest}").status_code == 404

    wait_for("its manifest is gone", gone, 60)
    pod = cluster.pod_of(course.names["ben"], "relief-maps")
    assert cluster.run(pod, "pgrep -c Xvnc").strip() == "1"
