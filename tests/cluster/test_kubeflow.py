"""Kubeflow for real: a Notebook behind a gateway, saved by who may, and by nobody else."""

import base64
import json
import os
import re
import subprocess
import tarfile
import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

from oci.names import repository
from tests.cluster.conftest import Demo, wait_for
from tests.cluster.desktop import API, headers, painted, post
from tests.cluster.gateway import PROOF, Gateway, Route
from tests.cluster.kubeflow import NOTEBOOK, TOKENS, Profile
from tests.cluster.layers import SavedImage, saved
from tests.cluster.upgraded import CHART, built_image

pytestmark = [pytest.mark.cluster, pytest.mark.browser]

ID = uuid.uuid4().hex[:6]
HERE, TEAM = f"kubeflow-{ID}", f"team-{ID}"
ALICE, BOB = "alice@example.com", "bob@example.com"
PAGES = "/services/desktops/"
SERVER = {"user": TEAM, "name": NOTEBOOK}
MARK = "/opt/python/made-by-hand"


@dataclass
class Kubeflow:
    """A release of the chart for a profile with a Notebook, behind a gateway."""

    cluster: Demo
    profile: Profile
    gateway: Gateway
    browser: Browser

    def page(self, user: str, stack: ExitStack) -> Page:
        """Return a page of a person who is logged in at the gateway."""
        viewport: Any = {"width": 1100, "height": 750}
        context = self.browser.new_context(
            base_url=self.gateway.url, viewport=viewport, locale="en-US"
        )
        stack.callback(context.close)
        context.set_default_timeout(30_000)
        context.add_cookies([self.gateway.login(user)])  # type: ignore[list-item]
        return context.new_page()

    def forget(self, page: Page, *images: str) -> None:
        """Delete images of ALICE's, and wait until the demo's registry has none of them."""
        for name in images:
            reply = page.request.delete(
                f"{API}/images/{ALICE}/{name}", headers=headers(page)
            )
            assert reply.ok, reply.text()
            path = f"/v2/{repository(HERE, ALICE, name)}/manifests/v1"
            with self.cluster.registry() as registry:
                wait_for("it is gone", lambda: registry.head(path).status_code == 404)


Visit = Callable[[str], Page]
Shoot = Callable[[Page, str], None]


@pytest.fixture(scope="module")
def kubeflow(
    cluster: Demo, browser: Browser, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Kubeflow]:
    """All of it; gone with the module."""
    with ExitStack() as stack:
        profile = Profile(cluster, TEAM, ALICE)
        stack.callback(profile.delete)
        profile.create()
        folder = tmp_path_factory.mktemp("release")
        stack.callback(uninstall, cluster)
        install(cluster, folder)
        api_url = f"http://hub-service.{HERE}:8080{API}"
        profile.start(built_image("base"), api_url)
        gateway = stack.enter_context(Gateway().running())
        secret = json.loads(
            cluster.kubectl("get", "secret", "desktops-tokens", "-ojson", f"-n{HERE}")
        )["data"]["gateway-secret"]
        proof = {PROOF: base64.b64decode(secret).decode()}
        gateway.routes = {
            PAGES: Route(address(cluster, HERE, "hub-service"), proof),
            f"{profile.prefix}/": Route(address(cluster, TEAM, NOTEBOOK)),
        }
        yield Kubeflow(cluster, profile, gateway, browser)


@pytest.fixture
def visit(kubeflow: Kubeflow) -> Iterator[Visit]:
    """Log people in at the gateway."""
    with ExitStack() as stack:
        yield lambda user: kubeflow.page(user, stack)


def install(cluster: Demo, folder: Path) -> None:
    """Install the chart beside the demo, with the demo's registry."""
    labels = "pod-security.kubernetes.io/enforce=privileged"
    cluster.kubectl("create", "namespace", HERE)
    cluster.kubectl("label", "namespace", HERE, labels)
    push = cluster.get("secret", "registry-push")
    push["metadata"] = {"name": "registry-push"}
    cluster.kubectl("create", f"-n{HERE}", "-f", "-", text=json.dumps(push))
    demo = json.loads(helm(cluster, "desktops", "get", "values", "desktops", "-ojson"))
    never = {"imagePullPolicy": "Never"}
    agent = {
        **demo["snapshotAgent"],
        "image": built_image("snapshot-agent"),
        # What it notes there of desktops that it holds still is not the demo's agent's to read.
        "stateDirectory": str(folder / "state"),
    }
    values = {
        "hub": {"enabled": False},
        "hubService": {
            **never,
            "image": built_image("hub-service"),
            "auth": "kubeflow",
        },
        "snapshotAgent": agent,
        "builds": {"enabled": False},
        "startTests": {"enabled": False},
        "registry": {
            "enabled": False,
            "url": "http://registry.desktops:5000",
            "prefix": HERE,
            "credentialsSecret": "registry-push",
        },
        "kubeflow": {"notebooks": {"namespaces": [TEAM]}},
    }
    file = folder / "values.json"
    file.write_text(json.dumps(values))
    more = ["--values", str(file), "--wait", "--timeout", "3m"]
    helm(cluster, HERE, "install", "desktops", str(CHART), *more)


def uninstall(cluster: Demo) -> None:
    """Remove the release and its namespace."""
    helm(cluster, HERE, "uninstall", "desktops", "--ignore-not-found")
    cluster.kubectl("delete", "namespace", HERE, "--wait=false", "--ignore-not-found")


def helm(cluster: Demo, namespace: str, *words: str) -> str:
    """Run helm in a namespace."""
    environment = {**os.environ, "KUBECONFIG": cluster.kubeconfig}
    command = ["helm", "--namespace", namespace, *words]
    done = subprocess.run(
        command, env=environment, capture_output=True, text=True, timeout=400
    )
    assert done.returncode == 0, f"{done.stdout}{done.stderr}"
    return done.stdout


def address(cluster: Demo, namespace: str, service: str) -> str:
    """Return where a Service is, as seen from the node."""
    words = ("get", "service", service, "-ojson", f"-n{namespace}")
    spec = json.loads(cluster.kubectl(*words))["spec"]
    return f"http://{spec['clusterIP']}:{spec['ports'][0]['port']}"


def image_of(page: Page, owner: str, name: str) -> dict[str, Any]:
    """Return an image as the API has it."""
    found: dict[str, Any] = page.request.get(f"{API}/images/{owner}/{name}").json()
    return found


def test_the_desktop_works_below_its_prefix_and_saves_itself(
    kubeflow: Kubeflow, visit: Visit, shoot: Shoot
) -> None:
    profile, cluster = kubeflow.profile, kubeflow.cluster
    page = visit(ALICE)
    page.goto(f"{profile.prefix}/")
    painted(page)
    assert f"{profile.prefix}/desktop/" in page.url
    profile.run(f"echo by-hand > {MARK}; echo mine > ~/kept-on-the-volume")
    page.click("button.save")
    page.fill("#save-name", "GIS course")
    dialog = page.locator(".save-dialog")
    expect(dialog).to_contain_text(re.compile(r"MB|kB"))
    expect(dialog.locator("#save-stop")).to_be_hidden()
    page.click(".save-dialog button[type=submit]")
    verdict = page.locator(".save-dialog .verdict")
    expect(verdict).to_have_text("Saved as GIS course, version 1.", timeout=120_000)
    page.goto(PAGES)
    expect(page.get_by_role("link", name="GIS course")).to_be_visible()
    version = image_of(page, ALICE, "gis-course")["active_version"]
    with cluster.registry() as registry:
        where = repository(HERE, ALICE, "gis-course")
        image = SavedImage(registry, where, version["digest"])
        names = {
            name
            for layer in image.layers
            if saved(layer)
            for name in members(image, layer)
        }
    assert MARK.lstrip("/") in names
    assert not [name for name in names if "kept-on-the-volume" in name]
    page.goto(f"{PAGES}images/{ALICE}/gis-course")
    expect(page.locator("code", has_text=version["digest"]).first).to_be_visible()
    shoot(page, "kubeflow-image")


def members(image: SavedImage, layer: dict[str, Any]) -> list[str]:
    """Return the names in a layer."""
    with image.tar(layer) as file, tarfile.open(fileobj=file, mode="r:") as tar:
        return [one.name for one in tar]


def test_who_has_the_right_saves_from_the_page(
    kubeflow: Kubeflow, visit: Visit, shoot: Shoot
) -> None:
    page = visit(ALICE)
    with page.expect_response(re.compile(r"style\.min\.css")) as style:
        page.goto(f"{PAGES}desktops")
    # The pages' stylesheet is JupyterHub's, and there is no hub.
    assert style.value.ok
    expect(page.get_by_text(f"{TEAM}/{NOTEBOOK}")).to_be_visible()
    shoot(page, "kubeflow-desktops")
    page.get_by_role("link", name="Save as desktop image").click()
    page.fill("#title", "By page")
    page.get_by_role("button", name="Save", exact=True).click()
    expect(page.locator("#job")).to_have_attribute(
        "data-state", "succeeded", timeout=120_000
    )
    assert image_of(page, ALICE, "by-page")["active_version"]["number"] == 1


def test_who_has_not_the_right_is_refused(kubeflow: Kubeflow, visit: Visit) -> None:
    page = visit(BOB)
    page.goto(f"{PAGES}desktops")
    expect(page.get_by_text("No desktop of yours is running.")).to_be_visible()
    reply = post(page, "/commits", {"server": SERVER, "image": "Taken"})
    assert reply.status == 403, reply.text()
    assert reply.json()["error"]["code"] == "not_your_notebook"
    assert page.request.get(f"{API}/images/{ALICE}/gis-course").status == 404
    # A browser that is led here by another page has not the token of ours.
    unsafe = page.request.post(f"{API}/commits", data={"server": SERVER, "image": "x"})
    assert unsafe.status == 403
    assert headers(page)["X-XSRFToken"]


def test_a_name_that_the_gateway_did_not_say_is_refused(kubeflow: Kubeflow) -> None:
    url = f"http://hub-service.{HERE}:8080{API}"
    ask = "curl -s -o /dev/null -w '%{http_code} '"
    forged = f"-H 'kubeflow-userid: {ALICE}'"
    own = f'-H "Authorization: Bearer $(cat {TOKENS}/token)"'
    body = json.dumps({"server": {**SERVER, "name": "other"}, "image": "x"})
    other = f"-H 'Content-Type: application/json' -d '{body}'"
    script = "; ".join(
        [
            f"{ask} {forged} {url}/images",
            f"{ask} {forged} -H '{PROOF}: guessed' {url}/images",
            f"{ask} {forged} {own} {url}/images",
            f"{ask} {forged} {own} {other} {url}/commits",
            f"{ask} {own} -X DELETE {url}/images/{ALICE}/gis-course",
        ]
    )
    assert kubeflow.profile.run(script).split() == ["401", "401", "200", "403", "403"]
    plain = kubeflow.profile.kubectl(
        "create", "token", "default", "--audience=desktops-hub-service"
    )
    unbound = f"-H 'Authorization: Bearer {plain.strip()}'"
    assert kubeflow.profile.run(f"{ask} {unbound} {url}/images").split() == ["401"]


def test_the_saved_desktop_starts_as_the_notebook(
    kubeflow: Kubeflow, visit: Visit
) -> None:
    page = visit(ALICE)
    page.goto(PAGES)
    reference = image_of(page, ALICE, "gis-course")["active_version"]["reference"]
    # Where people are, an account of the registry that may only read takes its place.
    pull = kubeflow.cluster.get("secret", "registry-pull")
    pull["metadata"] = {"name": "registry-pull"}
    profile = kubeflow.profile
    profile.kubectl("create", "-f", "-", text=json.dumps(pull))
    patch = json.dumps({"imagePullSecrets": [{"name": "registry-pull"}]})
    profile.kubectl("patch", "serviceaccount", "default", f"--patch={patch}")
    image = f"{NOTEBOOK}={reference}"
    profile.kubectl("set", "image", f"statefulset/{NOTEBOOK}", image)
    profile.kubectl("rollout", "status", f"statefulset/{NOTEBOOK}", "--timeout=120s")
    assert profile.run(f"cat {MARK} ~/kept-on-the-volume").split() == [
        "by-hand",
        "mine",
    ]
    page.goto(f"{profile.prefix}/")
    painted(page)
    wait_for("the save button", lambda: page.locator("button.save").is_visible())
    kubeflow.forget(page, "gis-course", "by-page")
