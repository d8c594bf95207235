"""The desktop image without JupyterHub: as a Kubeflow notebook, and alone."""

import json
import re
import uuid
from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import Browser, Page

from tests.cluster.conftest import Demo, wait_for
from tests.cluster.desktop import painted

pytestmark = [pytest.mark.cluster, pytest.mark.browser]

PREFIX = "/notebook/team/my-desk"
Start = Callable[..., str]


@pytest.fixture
def start_pod(cluster: Demo) -> Iterator[Start]:
    """Run the base image as a pod with restricted settings; return the pod's name."""
    names = []

    def start(**environment: str) -> str:
        name = f"image-{uuid.uuid4().hex[:6]}"
        container = {
            "name": "desktop",
            "image": base_image(cluster),
            "imagePullPolicy": "IfNotPresent",
            "env": [{"name": key, "value": environment[key]} for key in environment],
            "securityContext": {
                "allowPrivilegeEscalation": False,
                "capabilities": {"drop": ["ALL"]},
                "runAsNonRoot": True,
                "seccompProfile": {"type": "RuntimeDefault"},
            },
        }
        pod = {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": name},
            "spec": {"automountServiceAccountToken": False, "containers": [container]},
        }
        cluster.kubectl("create", "-f", "-", text=json.dumps(pod))
        names.append(name)
        cluster.kubectl("wait", "--for=condition=Ready", f"pod/{name}", "--timeout=60s")
        return name

    yield start
    for name in names:
        cluster.kubectl("delete", "pod", name, "--wait=false")


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    context = browser.new_context(viewport={"width": 1000, "height": 700})
    yield context.new_page()
    context.close()


def base_image(cluster: Demo) -> str:
    """The image that the demo offers first."""
    config = json.loads(cluster.secret("hub-config", "config.json"))
    image: str = config["DesktopSpawner"]["base_images"][0]["image"]
    return image


def address_of(cluster: Demo, pod: str) -> str:
    return f"http://{cluster.get('pod', pod)['status']['podIP']}:8888"


def answers(page: Page, address: str) -> bool:
    """The server inside has started."""
    try:
        return page.request.get(address, max_redirects=0).status < 500
    except Exception:  # Playwright's own error, whose class is not public
        return False


def test_a_kubeflow_notebook(cluster: Demo, start_pod: Start, page: Page) -> None:
    address = address_of(cluster, start_pod(NB_PREFIX=PREFIX))
    wait_for("the server", lambda: answers(page, f"{address}{PREFIX}/api"))
    page.goto(f"{address}{PREFIX}/")
    painted(page)
    assert page.url.startswith(f"{address}{PREFIX}/desktop/")
    # Without a hub nothing can be saved, and the button says so instead of failing.
    assert page.locator("button.save").is_visible()


def test_alone_it_asks_for_its_token(
    cluster: Demo, start_pod: Start, page: Page
) -> None:
    pod = start_pod()
    address = address_of(cluster, pod)
    wait_for("the server", lambda: answers(page, f"{address}/api"))
    page.goto(f"{address}/")
    assert "/login" in page.url
    log = cluster.kubectl("logs", pod)
    token = re.search(r"token=([0-9a-f]{40,})", log)
    assert token, log
    page.goto(f"{address}/?token={token[1]}")
    painted(page)
