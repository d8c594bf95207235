"""Scanning a version, through the API: found something, found nothing, could not be scanned."""

import base64
import gzip
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from tests.fakes.hub import ADMIN
from tests.fakes.kubernetes_jobs import Build
from tests.service.conftest import World
from tests.service.test_builds import wait_for
from tests.service.test_pages import page_client

SBOM = gzip.compress(b'{"bomFormat": "CycloneDX"}', mtime=0)
CRITICAL = {
    "id": "GHSA-abcd",
    "aliases": ["CVE-2026-0001"],
    "severity": "critical",
    "package": "openssl",
    "version": "3.0.1",
    "kind": "deb",
    "fixed_in": "3.0.2",
}
LOW = {**CRITICAL, "id": "CVE-2026-0002", "aliases": [], "severity": "low"}
LOW |= {"package": "<b>bad</b>", "fixed_in": ""}
OLD = {"error": {"code": "database_old", "message": "too old", "details": {}}}


def found(*findings: dict[str, Any], **changes: Any) -> dict[str, Any]:
    """What the scanner tells."""
    names = ("critical", "high", "medium", "low", "negligible", "unknown")
    severities = [one["severity"] for one in findings]
    result = {
        "database": "2026-11-20T06:00:00+00:00",
        "packages": 1200,
        "counts": {name: severities.count(name) for name in names},
        "fixable": sum(1 for one in findings if one["fixed_in"]),
        "total": len(findings),
        "findings": list(findings),
        "sbom": base64.b64encode(SBOM).decode(),
    }
    return {"result": {**result, **changes}}


@pytest.fixture
async def world(neighbours: World) -> AsyncIterator[World]:
    """Everything, running, on a hub that scans and blocks what is critical."""
    neighbours.scans = {"scan_block": "critical"}
    async with neighbours.serving():
        yield neighbours


def admin_of(world: World) -> httpx.AsyncClient:
    """An administrator's client."""
    return world.client(world.hub.add_user("root", ADMIN))


async def asked(world: World, client: httpx.AsyncClient) -> tuple[int, str, Build]:
    """Save an image and ask to publish it; return the request, the job, and its Job."""
    await world.saved(client)
    reply = await client.post("/images/alice/gis-course/publication-requests", json={})
    assert reply.status_code == 201, reply.text
    request = reply.json()
    return request["id"], request["start_test"], await scan_of(world)


async def scan_of(world: World) -> Build:
    """Wait for the Job of a scan."""
    builds = world.cluster.workloads.builds
    return await wait_for(  # type: ignore[no-any-return]
        lambda: next(one for one in builds.values() if one.name.startswith("scan-"))
    )


async def scan(client: httpx.AsyncClient) -> dict[str, Any]:
    """Return what is kept with the version."""
    reply = await client.get("/images/alice/gis-course/versions/1")
    return dict(reply.json()["scan"])


async def test_what_is_asked_for_is_scanned_and_shown(world: World) -> None:
    client = world.alice()
    id, job, pod = await asked(world, client)
    version = (await client.get("/images/alice/gis-course/versions/1")).json()
    assert version["scan"] is None
    # The first step alone knows what is fetched, and none has a token of the hub.
    assert pod.environment("fetch")["REFERENCE"] == version["reference"]
    assert pod.environment("scan") == {} and pod.environment("database") == {}
    running = (await client.get(f"/jobs/{job}")).json()
    assert (running["kind"], running["step"]) == ("scan", "scan")
    assert running["message"] == "Looking for known vulnerabilities…"
    pages = page_client(world, world.hub.add_user("root", ADMIN))
    text = (await pages.get(f"admin/requests/{id}")).text
    assert running["message"] in text.partition('id="scan"')[2]
    assert "not tried yet" in text.partition('id="scan"')[0]
    assert ">scans</" in (await pages.get("admin/jobs")).text
    pod.tell("scan", {"log": "critical: 1\n"}, found(CRITICAL, LOW))
    ended = await world.ended(client, job)
    assert (ended["state"], ended["message"]) == ("succeeded", "Version 1 was scanned.")
    known = await scan(client)
    assert (known["state"], known["total"], known["fixable"]) == ("scanned", 2, 1)
    assert known["counts"]["critical"] == 1 and known["job"] == job
    report = (await client.get("/images/alice/gis-course/versions/1/scan")).json()
    assert [one["id"] for one in report["findings"]] == ["GHSA-abcd", "CVE-2026-0002"]
    sbom = await client.get("/images/alice/gis-course/versions/1/sbom")
    assert sbom.content == SBOM and sbom.headers["Content-Type"] == "application/gzip"
    assert (await client.get(f"/jobs/{job}/log")).text == "critical: 1\n"

    for page in (f"admin/requests/{id}", "images/alice/gis-course/versions/1"):
        text = (await pages.get(page)).text
        assert "critical 1</span>" in text and "GHSA-abcd" in text, page
        assert "&lt;b&gt;bad&lt;/b&gt;" in text and "<b>bad" not in text
        assert "1 can be mended by a newer package" in text
        assert "database of 2026-11-20" in text
    for page in ("images/alice/gis-course", ""):
        token = "token-of-alice"
        assert "critical 1</span>" in (await page_client(world, token).get(page)).text
    await wait_for(lambda: not world.cluster.workloads.builds)


async def test_what_is_critical_is_not_published(world: World) -> None:
    client, admin = world.alice(), admin_of(world)
    id, job, pod = await asked(world, client)
    decision = {"state": "approved"}
    reply = await admin.patch(f"/publication-requests/{id}", json=decision)
    assert (reply.status_code, reply.json()["state"]) == (202, "open")
    pod.tell("scan", found(CRITICAL, LOW))
    ended = await world.ended(client, job)
    assert (ended["state"], ended["error"]["code"]) == ("failed", "scan_blocks")
    assert "critical or worse: 1" in ended["message"]
    # Neither at once, now that it is known, nor around the request.
    image = "/images/alice/gis-course"
    for reply in (
        await admin.patch(f"/publication-requests/{id}", json=decision),
        await admin.patch(image, json={"published_version": 1}),
    ):
        assert (reply.status_code, reply.json()["error"]["code"]) == (
            409,
            "scan_blocks",
        )
    assert (await admin.get(image)).json()["visibility"] == "private"


async def test_an_exception_lets_it_through_until_its_day(neighbours: World) -> None:
    world = neighbours
    today = datetime.now(UTC).date()
    until = f"CVE-2026-0001 until {today}, no desktop listens"
    world.scans = {"scan_block": "critical", "scan_exceptions": [until]}
    async with world.serving():
        client, admin = world.alice(), admin_of(world)
        id, job, pod = await asked(world, client)
        await admin.patch(f"/publication-requests/{id}", json={"state": "approved"})
        pod.tell("scan", found(CRITICAL))
        assert (await world.ended(client, job))["state"] == "succeeded"
        image = (await client.get("/images/alice/gis-course")).json()
        assert image["published_version"] == 1
        report = (await client.get("/images/alice/gis-course/versions/1/scan")).json()
        assert report["findings"][0]["waived_until"] == f"{today}, no desktop listens"


@pytest.mark.parametrize("block", ["", "critical"])
async def test_a_database_that_is_too_old_is_never_called_clean(
    neighbours: World, block: str
) -> None:
    world = neighbours
    world.scans = {"scan_block": block}
    async with world.serving():
        client, admin = world.alice(), admin_of(world)
        id, job, pod = await asked(world, client)
        await admin.patch(f"/publication-requests/{id}", json={"state": "approved"})
        pod.tell("database", OLD)
        pod.end("database", failed=True)
        ended = await world.ended(client, job)
        known = await scan(client)
        assert (known["state"], known["failed"]) == ("not-scanned", "database_old")
        assert known["at"] is None and known["counts"] == {}
        token = world.hub.add_user("root", ADMIN)
        text = (await page_client(world, token).get(f"admin/requests/{id}")).text
        assert "not scanned" in text and "nothing known" not in text
        image = (await client.get("/images/alice/gis-course")).json()
        if block:
            assert ended["error"]["code"] == "not_scanned"
            assert image["published_version"] is None
        else:
            assert ended["state"] == "succeeded"
            assert image["published_version"] == 1


async def test_what_was_found_stays_as_of_then_when_the_next_scan_fails(
    neighbours: World,
) -> None:
    world = neighbours
    world.scans = {"scan_every_hours": 0.00001}
    async with world.serving() as services:
        client, admin = world.alice(), admin_of(world)
        await world.saved(client)
        image = "/images/alice/gis-course"
        reply = await admin.patch(image, json={"published_version": 1})
        assert reply.status_code == 202
        first = await scan_of(world)
        first.tell("scan", found(LOW))
        await wait_for(lambda: not world.cluster.workloads.builds)
        then = await scan(client)
        services.rescans.wake()
        # It is published, so it is scanned again by itself.
        again = await scan_of(world)
        assert again.name != first.name
        again.tell("database", OLD)
        again.end("database", failed=True)
        await wait_for(lambda: not world.cluster.workloads.builds)
        known = await scan(client)
        assert (known["state"], known["failed"]) == ("outdated", "database_old")
        assert (known["at"], known["total"]) == (then["at"], 1)
        page = page_client(world, "token-of-alice")
        text = (await page.get("images/alice/gis-course/versions/1")).text
        assert f"not scanned since {then['at'][:10]}" in text


async def test_a_result_grows_old(world: World) -> None:
    client = world.alice()
    _, job, pod = await asked(world, client)
    pod.tell("scan", found())
    await world.ended(client, job)
    assert (await scan(client))["state"] == "scanned"
    text = (
        await page_client(world, "token-of-alice").get(
            "images/alice/gis-course/versions/1"
        )
    ).text
    assert "nothing known in 1200 packages" in text
    assert world.services
    at = (datetime.now(UTC) - timedelta(days=8)).isoformat()
    known = {**(await scan(client)), "at": at}
    del known["state"]
    world.services.scan_reports.note("alice", "gis-course", 1, known)
    assert (await scan(client))["state"] == "outdated"


@pytest.mark.parametrize(
    "lie",
    [
        {"counts": {"critical": -1}},
        {"counts": "none"},
        {"findings": [{"id": "x"}]},
        {"findings": [{**LOW, "severity": "nice"}]},
        {"packages": "many"},
        {"database": "yesterday"},
        {"sbom": "no base64!"},
    ],
)
async def test_what_is_no_result_is_not_taken_over(
    world: World, lie: dict[str, Any]
) -> None:
    client = world.alice()
    _, job, pod = await asked(world, client)
    pod.tell("scan", found(LOW, **lie))
    ended = await world.ended(client, job)
    assert (ended["state"], ended["error"]["code"]) == ("failed", "scan_failed")
    assert (await scan(client))["failed"] == "scanner_failed"


async def test_a_scan_that_is_ended_by_the_cluster_has_a_verdict(world: World) -> None:
    client = world.alice()
    _, job, pod = await asked(world, client)
    pod.tell("scan", {"log": "packages: 3\n"})
    pod.end("scan", failed=True, reason="DeadlineExceeded")
    ended = await world.ended(client, job)
    assert "in the time that is allowed" in ended["message"]


async def test_a_start_test_goes_on_with_the_scan(neighbours: World) -> None:
    world = neighbours
    world.start_tests, world.scans = True, {"scan_block": "critical"}
    async with world.serving():
        client, admin = world.alice(), admin_of(world)
        await world.saved(client)
        image = "/images/alice/gis-course"
        await admin.patch(image, json={"published_version": 1})
        workloads = world.cluster.workloads
        tried = await wait_for(lambda: next(iter(workloads.builds.values())))
        tried.tell("tester", {"result": {"seconds": 3.0}})
        pod = await scan_of(world)
        pod.tell("scan", found(LOW))
        [job] = (await client.get("/jobs?kind=start-test")).json()["items"]
        ended = await world.ended(client, job["id"])
        steps = [(one["name"], one["state"]) for one in ended["steps"]]
        assert steps == [("test", "done"), ("scan", "done")]
        assert (await client.get(image)).json()["published_version"] == 1
        await wait_for(lambda: not workloads.builds)


async def test_a_report_goes_with_its_last_version(world: World) -> None:
    client = world.alice()
    _, job, pod = await asked(world, client)
    pod.tell("scan", found(LOW))
    await world.ended(client, job)
    assert world.services
    reports = world.services.scan_reports
    [version] = (await client.get("/images/alice/gis-course/versions")).json()["items"]
    assert reports.sbom(version["digest"])
    await client.delete("/images/alice/gis-course")
    assert reports.sbom(version["digest"]) is None


async def test_a_hub_that_scans_nothing_publishes_as_before(neighbours: World) -> None:
    async with neighbours.serving():
        client, admin = neighbours.alice(), admin_of(neighbours)
        await neighbours.saved(client)
        image = "/images/alice/gis-course"
        reply = await admin.patch(image, json={"published_version": 1})
        assert reply.json()["published_version"] == 1
        sbom = await client.get(f"{image}/versions/1/sbom")
        assert sbom.json()["error"]["code"] == "sbom_not_found"
