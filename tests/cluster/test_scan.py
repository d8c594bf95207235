"""A version is scanned on the real cluster, and the review page shows what was found."""

import uuid
from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import Page, expect

from devcluster.settings import NODE_ADDRESS
from tests.cluster.conftest import Demo, Visit, wait_for
from tests.cluster.test_builds import PREFIX, Builder
from tests.cluster.test_start_test import act, found
from tests.cluster.upgraded import built_image, upgraded
from tests.fakes.vulnerabilities import Vulnerability, serving, write_database

pytestmark = [
    pytest.mark.cluster,
    pytest.mark.browser,
    # syft and grype are compiled the first time.
    pytest.mark.timeout(2400),
]

Shoot = Callable[[Page, str], None]
KNOWN = [
    Vulnerability("CVE-2026-0001", "bash", "critical", "99"),
    Vulnerability("CVE-2026-0002", "apt", "low"),
]
WITHOUT = {"startTests": {"enabled": False}}


@pytest.fixture(scope="module")
def scanning(cluster: Demo, tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """A hub that scans with a database of two vulnerabilities, and refuses what is critical."""
    folder = tmp_path_factory.mktemp("database")
    write_database(folder, KNOWN)
    image = built_image("image-scanner")
    with serving(folder, NODE_ADDRESS) as url:
        scans = {"enabled": True, "image": image, "imagePullPolicy": "Never"}
        scans |= {"databaseUrl": url, "block": "critical"}
        scans |= {"networks": [f"{NODE_ADDRESS}/32"]}
        with upgraded(cluster, {"scans": scans, **WITHOUT}, folder):
            yield


@pytest.fixture(scope="module")
def builder(visit: Visit, cluster: Demo, scanning: None) -> Iterator[Builder]:
    """Somebody with an image of their own, who leaves nothing behind."""
    name = f"vera-{uuid.uuid4().hex[:6]}"
    builder = Builder(visit(name), name)
    id = builder.build("Scanned", "FROM remote-desktop\nRUN true\n")
    job = builder.ended(id, 300)
    assert job["state"] == "succeeded", (job["error"], builder.log(id))
    yield builder
    act(builder, "delete", f"images/{name}/scanned")
    cluster.kubectl("delete", "pvc", f"build-{name}", "--wait=false", check=False)


def left(cluster: Demo) -> str:
    """Return what of scans is in the cluster."""
    label = "app.kubernetes.io/component=scan"
    return cluster.kubectl("get", "jobs,pods", "-l", label, "-o", "name").strip()


def test_the_review_page_shows_what_was_found(
    builder: Builder, cluster: Demo, visit: Visit, shoot: Shoot
) -> None:
    page, name = builder.page, builder.name
    page.goto(f"{PREFIX}images/{name}/scanned")
    page.fill("#note", "for the course")
    page.click("button[value=ask]")
    [id] = [one["id"] for one in found(builder, "jobs?kind=scan")["items"]]
    job = builder.ended(id, 600)
    assert job["state"] == "succeeded", (job["error"], builder.log(id))
    print("scan:", job["steps"], builder.log(id))
    scan = found(builder, f"images/{name}/scanned/versions/1")["scan"]
    assert scan["state"] == "scanned" and scan["counts"]["critical"] == 1
    assert scan["packages"] > 300 and scan["sbom"] is True
    wait_for("nothing is left", lambda: not left(cluster), 300)

    admin = visit("admin")
    admin.goto(f"{PREFIX}admin")
    request = admin.locator("li", has_text=name).filter(has_text="Scanned")
    request.locator("text=Look at it").click()
    expect(admin.locator("#scan")).to_contain_text("critical 1")
    expect(admin.locator("main")).to_contain_text("CVE-2026-0001")
    shoot(admin, "review-scanned")
    admin.click("button[value=approved]")
    expect(admin.locator(".alert-danger")).to_contain_text("is not published")
    assert found(builder, f"images/{name}/scanned")["visibility"] == "private"
