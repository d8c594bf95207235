"""Fixtures on the real cluster, with the demo installed and a real browser.

- `cluster`: kubectl, the registry and JupyterHub of the demo
- `browser`: Debian's Chromium, one a module
- `visit`: logs a person in, in a context of their own
- after a failure the output holds the pods' events and the programs' logs
"""

import base64
import json
import os
import shutil
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import httpx
import pytest
from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright

from snapshot_agent.capture.containerd import Containerd

ROOT = Path(__file__).parent.parent.parent
HUB = "http://127.0.0.1:30080"
REGISTRY = "http://127.0.0.1:30500"
CHROMIUM = Path("/usr/bin/chromium")
FLAGS = [
    "--no-sandbox",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
SCREENSHOTS = Path(os.environ.get("SCREENSHOTS", "test-results/screenshots"))


class Demo:
    """The demo's cluster from outside."""

    def __init__(self, kubeconfig: str) -> None:
        self.kubeconfig = kubeconfig
        self._passwords: dict[str, str] = {}

    def kubectl(
        self,
        *args: str,
        check: bool = True,
        timeout: float = 120,
        text: str | None = None,
    ) -> str:
        """Run kubectl in the demo's namespace and return what it prints."""
        command = [
            "kubectl",
            "--kubeconfig",
            self.kubeconfig,
            "--namespace",
            "desktops",
            *args,
        ]
        done = subprocess.run(
            command, input=text, capture_output=True, text=True, timeout=timeout
        )
        if check and done.returncode:
            raise AssertionError(f"{' '.join(args)}: {done.stderr}{done.stdout}")
        return done.stdout

    def get(self, *args: str) -> dict[str, Any]:
        """Return objects as JSON."""
        objects: dict[str, Any] = json.loads(self.kubectl("get", *args, "-o", "json"))
        return objects

    def secret(self, name: str, key: str) -> str:
        """Return a value of a Secret."""
        return base64.b64decode(self.get("secret", name)["data"][key]).decode()

    def password(self, user: str) -> str:
        """Return the password that a person logs in with."""
        return self.secret("demo-login", "admin" if user == "admin" else "user")

    def pod_of(self, user: str, server: str = "") -> str:
        """Return the pod of a person's server."""
        for pod in self.get("pods", "-l", "component=singleuser-server")["items"]:
            notes = pod["metadata"]["annotations"]
            named = (
                notes["hub.jupyter.org/username"],
                notes.get("hub.jupyter.org/servername", ""),
            )
            if named == (user, server) and "deletionTimestamp" not in pod["metadata"]:
                return str(pod["metadata"]["name"])
        raise AssertionError(f"no pod of {user}/{server}")

    def run(self, pod: str, script: str, *, check: bool = True) -> str:
        """Run a script in a desktop's container as its user."""
        return self.kubectl(
            "exec", pod, "-c", "notebook", "--", "bash", "-c", script, check=check
        )

    def registry(self) -> httpx.Client:
        """Return a client of the chart's registry."""
        auth = (
            self.secret("registry-push", "username"),
            self.secret("registry-push", "password"),
        )
        accept = {"Accept": "application/vnd.oci.image.manifest.v1+json"}
        return httpx.Client(base_url=REGISTRY, auth=auth, timeout=30, headers=accept)

    def kill(self, name: str) -> None:
        """Kill the pods of a program at once, as a crash does."""
        labels = f"app.kubernetes.io/component={name}"
        self.kubectl("delete", "pod", "-l", labels, "--grace-period=0", "--force")

    def crash(self, name: str, container: str) -> Callable[[], None]:
        """Kill one container of a program by SIGKILL; return what waits until it runs again."""
        labels = f"app.kubernetes.io/component={name}"
        [pod] = self.get("pods", "-l", labels)["items"]
        before = _status_of(pod, container)
        id = before["containerID"].removeprefix("containerd://")
        for process in Path("/proc").glob("[0-9]*"):
            with suppress(FileNotFoundError, ProcessLookupError):
                if id in (process / "cgroup").read_text():
                    os.kill(int(process.name), signal.SIGKILL)

        def again() -> bool:
            [pod] = self.get("pods", "-l", labels)["items"]
            now = _status_of(pod, container)
            return bool(now["ready"] and now["containerID"] != before["containerID"])

        return lambda: wait_for(f"{container} runs again", again, 120)

    def restart(self, kind: str, name: str) -> None:
        """Kill the pods of a program, and wait for those that come after them."""
        self.kill(name)
        self.kubectl("rollout", "status", f"{kind}/{name}", "--timeout=120s")

    def node_images(self) -> str:
        """Return the names of the images on the node, one a line."""
        return _images("ls", "-q")

    def forget_image(self, reference: str) -> None:
        """Let the node forget an image under that name."""
        _images("rm", reference)

    @contextmanager
    def registry_held(self) -> Iterator[None]:
        """Have a registry that answers nothing until the end of the block."""
        labels = "app.kubernetes.io/component=registry"
        [pod] = self.get("pods", "-l", labels)["items"]
        [status] = pod["status"]["containerStatuses"]
        container = status["containerID"].removeprefix("containerd://")
        containerd = Containerd(_node()["CONTAINERD_SOCKET"])
        containerd.pause(container)
        try:
            yield
        finally:
            containerd.resume(container)
            containerd.close()

    @contextmanager
    def without_registry(self) -> Iterator[None]:
        """Have no registry until the end of the block."""
        self.kubectl("scale", "deployment/registry", "--replicas=0")
        pods = ["pods", "-l", "app.kubernetes.io/component=registry"]
        try:
            wait_for("the registry is gone", lambda: not self.get(*pods)["items"])
            yield
        finally:
            self.kubectl("scale", "deployment/registry", "--replicas=1")
            self.kubectl("rollout", "status", "deployment/registry", "--timeout=120s")
            self.await_registry()

    def await_registry(self) -> None:
        """Wait until the registry answers."""

        def answers() -> bool:
            with self.registry() as registry:
                try:
                    return registry.get("/v2/").is_success
                except httpx.HTTPError:
                    return False

        wait_for("the registry answers", answers)


def _node() -> dict[str, str]:
    """Return where things are on the node."""
    command = [sys.executable, "-m", "devcluster", "env"]
    settings = subprocess.check_output(command, cwd=ROOT, text=True).split()
    return dict(one.split("=", 1) for one in settings)


def _images(*words: str) -> str:
    node = _node()
    ctr = [f"{node['DEVCLUSTER_BIN']}/ctr", "-a", node["CONTAINERD_SOCKET"]]
    command = [*ctr, "-n", "k8s.io", "images", *words]
    # It says on its stderr what is the matter with the node's cgroups, each time.
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


def _status_of(pod: dict[str, Any], container: str) -> dict[str, Any]:
    statuses = pod["status"]["containerStatuses"]
    [found] = [one for one in statuses if one["name"] == container]
    return dict(found)


@pytest.fixture(scope="session")
def cluster() -> Demo:
    """The demo, or a sentence that says how to get it."""
    kubeconfig = os.environ.get("KUBECONFIG", "/var/lib/devcluster/kubeconfig")
    if "devcluster" not in kubeconfig:
        kubeconfig = "/var/lib/devcluster/kubeconfig"
    if not shutil.which("kubectl") or not Path(kubeconfig).exists():
        pytest.skip("needs the demo's cluster: run make test, which brings it up")
    try:
        urllib.request.urlopen(f"{HUB}/hub/health", timeout=10).close()
    except (urllib.error.URLError, TimeoutError):
        pytest.skip(f"needs the demo, and nothing answers at {HUB}: run make demo")
    return Demo(kubeconfig)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Chromium."""
    if not CHROMIUM.exists():
        pytest.skip("needs Chromium: apt install chromium")
    # Playwright's loop must end with the module: it holds up asynchronous tests.
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=str(CHROMIUM), args=FLAGS)
        yield browser
        browser.close()


Visit = Callable[..., Page]


@pytest.fixture(scope="module")
def visit(browser: Browser, cluster: Demo) -> Iterator[Visit]:
    """Log a person in and return their page."""
    contexts: list[BrowserContext] = []

    def logged_in(user: str, **options: Any) -> Page:
        options = {"viewport": {"width": 1280, "height": 800}, **options}
        context = browser.new_context(base_url=HUB, **options)
        context.set_default_timeout(30_000)
        contexts.append(context)
        page = context.new_page()
        page.goto("/hub/login")
        page.fill("#username_input", user)
        page.fill("#password_input", cluster.password(user))
        page.click("#login_submit")
        page.wait_for_url(lambda url: "/hub/login" not in url)
        # The service has a login of its own, which the hub answers without a question.
        page.goto("/services/desktops/")
        return page

    yield logged_in
    for context in contexts:
        context.close()


@pytest.fixture
def shoot() -> Callable[[Page, str], None]:
    """Keep a picture of a page."""

    def keep(page: Page, name: str) -> None:
        SCREENSHOTS.mkdir(parents=True, exist_ok=True)
        page.screenshot(path=SCREENSHOTS / f"{name}.png")

    return keep


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Any:
    """Put what the cluster says into the report of a failure."""
    report = yield
    demo = getattr(item, "funcargs", {}).get("cluster")
    if report.failed and isinstance(demo, Demo):
        commands = [
            ["get", "pods", "-o", "wide"],
            ["get", "events", "--sort-by=.lastTimestamp"],
            ["logs", "deployment/hub", "--tail=40"],
            ["logs", "deployment/hub-service", "--tail=60"],
            ["logs", "daemonset/snapshot-agent", "-c", "api", "--tail=60"],
            ["logs", "daemonset/snapshot-agent", "-c", "capture", "--tail=60"],
        ]
        for command in commands:
            text = demo.kubectl(*command, check=False)
            report.sections.append((" ".join(command), text[-8000:]))
    return report


def wait_for(
    what: str, condition: Callable[[], Any], timeout: float = 60, every: float = 0.5
) -> Any:
    """Wait until a condition holds and return its value."""
    end = time.monotonic() + timeout
    while time.monotonic() < end:
        value = condition()
        if value:
            return value
        time.sleep(every)
    raise AssertionError(f"{what}: not within {timeout:g} s")
