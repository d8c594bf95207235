"""The main job: set a desktop up by hand, save it, start it again; then delete it.

One person's way through the real thing, in the order in which people do it. Each step
needs the one before, so they are one test.
"""

import json
import mmap
import re
import tarfile
import uuid
from collections.abc import Callable
from typing import Any

import httpx
import pytest
from playwright.sync_api import Page

from tests.cluster.conftest import Demo, Visit, wait_for
from tests.cluster.desktop import (
    API,
    COLOURS,
    painted,
    save,
    start,
    stop,
    type_in_terminal,
)
from tests.cluster.hands import Hands
from tests.cluster.layers import SavedImage, saved

pytestmark = [pytest.mark.cluster, pytest.mark.browser]

Shoot = Callable[[Page, str], None]
WALLPAPER = 0x1F6F78
KEY = b"KEY-OF-THE-TEST"
LITTER = re.compile(r"(^|/)\.ssh/|\.X\d+-lock|\.X11-unix|^tmp/.|^run/.|\.ICEauthority")
GONE = "/usr/share/backgrounds/desktops/dawn.svg"
SET_UP = [
    ("sudo apt-get update -qq && sudo apt-get install -y -qq cowsay", 240),
    ("pip install -q pyjokes", 120),
    (
        'echo \'<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9">'
        '<rect width="9" height="9" fill="#1f6f78"/></svg>\' > ~/wall.svg; '
        "xfconf-query -c xfce4-desktop "
        "-p /backdrop/screen0/monitorVNC-0/workspace0/last-image -s ~/wall.svg",
        30,
    ),
    (f"sudo rm {GONE}", 30),
    ("mkdir -p ~/.ssh && echo KEY-OF-THE-TEST > ~/.ssh/id_rsa", 30),
    ("env > ~/notes.txt", 30),
]
# Bytes that do not compress, so that there is something to watch.
MUCH = "head -c 400000000 /dev/urandom | sudo tee /opt/much >/dev/null"
# As somebody pastes it, and as a program keeps it: only the environment of a terminal has none.
PASTED = """
set -e
echo "export TOKEN=$JUPYTERHUB_API_TOKEN" > ~/pasted.txt
head -c 1500000 /dev/zero | tr '\\0' x > ~/deep.txt
{ printf %s "$JUPYTERHUB_API_TOKEN"; seq 50000; } >> ~/deep.txt
for file in ~/pasted.txt ~/deep.txt; do grep -qF "$JUPYTERHUB_API_TOKEN" $file; done
printf %s "$JUPYTERHUB_API_TOKEN"
"""


def test_a_desktop_is_set_up_saved_and_started_again(
    cluster: Demo, visit: Visit, shoot: Shoot
) -> None:
    user = f"teacher-{uuid.uuid4().hex[:6]}"
    page = visit(user)
    page.goto("/hub/spawn")
    shoot(page, "spawn")
    start(page, user, "Remote Desktop", "customise")
    pod = cluster.pod_of(user)
    for command, seconds in SET_UP:
        type_in_terminal(page, cluster, pod, command, seconds)
    wait_for("the wallpaper", lambda: shows_wallpaper(page), 30)
    shoot(page, "desktop")
    secrets = [KEY, cluster.run(pod, PASTED).encode()]
    cluster.run(pod, MUCH)

    link, first = save_while_working(cluster, page, user, shoot)
    check_nothing_leaks(cluster, user, first, secrets)
    check_left_out(page, ".ssh", "pasted.txt", "deep.txt")
    stop(page, user, cluster)
    start_for_use(cluster, page, user, link, shoot)

    # Once more as a customise session; then saved again.
    start(page, user, "GIS course", "customise")
    pod = cluster.pod_of(user)
    check_saved(cluster, pod)
    wait_for("the wallpaper", lambda: shows_wallpaper(page), 30)
    shoot(page, "started-again")
    gone = "~/.ssh ~/pasted.txt ~/deep.txt"
    assert cluster.run(pod, f"ls -d {gone} 2>/dev/null || true") == ""
    secrets.append(cluster.run(pod, PASTED).encode())
    save(page, "GIS course", news="a second file")
    second = version_of(page, user)
    assert second["number"] == 2
    assert first["layers"] < second["layers"] <= first["layers"] + 3
    for version in (first, second):
        check_nothing_leaks(cluster, user, version, secrets)
    check_left_out(page, "pasted.txt", "deep.txt")
    stop(page, user, cluster)
    delete(cluster, page, user, [first["digest"], second["digest"]])


def save_while_working(
    cluster: Demo, page: Page, user: str, shoot: Shoot
) -> tuple[str, dict[str, Any]]:
    """Save for the first time; in every layer of the image somebody goes on working."""
    pod = cluster.pod_of(user)
    below, files = layers_below(cluster, pod)
    with Hands(cluster, pod, files) as hands:
        told = save(
            page,
            "GIS course",
            news="adds cowsay",
            see=lambda: shoot(page, "save-dialog"),
        )
        hands.wait_for_rounds(2)
    shoot(page, "saved")
    assert hands.rounds(told.began, told.ended) >= 2 and hands.rounds(told.ended) >= 2
    check_meter(told.percents)
    assert cluster.run(pod, "cowsay works")
    version = version_of(page, user)
    # One of what was read, one of its hard links (what a new home begins with is linked to what
    # the home holds), and one of what was done until the desktop stood still.
    # On a busy machine one more, of what the freeze had no time for.
    assert below + 3 <= version["layers"] <= below + 4
    return told.link, version


def start_for_use(
    cluster: Demo, page: Page, user: str, link: str, shoot: Shoot
) -> None:
    """Start the saved desktop by the link that its save ended with."""
    page.goto(link)
    painted(page)
    pod = cluster.pod_of(user, "gis-course")
    check_saved(cluster, pod)
    # A volume covers the home here; what was saved of the home is in it all the same.
    wait_for("the wallpaper", lambda: shows_wallpaper(page), 30)
    shoot(page, "started-for-use")
    assert cluster.run(pod, "sudo -n true 2>&1 && echo root || true").strip() != "root"
    stop(page, user, cluster, "gis-course")


def shows_wallpaper(page: Page) -> bool:
    """Say whether the wallpaper's colour is on the canvas; VNC may round it a little."""

    def near(colour: int) -> bool:
        return all(
            abs((colour >> shift & 255) - (WALLPAPER >> shift & 255)) < 12
            for shift in (0, 8, 16)
        )

    return any(near(colour) for colour in page.evaluate(COLOURS) or ())


def version_of(page: Page, user: str) -> dict[str, Any]:
    """Return the active version, asked for as the browser's person."""
    reply = page.request.get(f"/services/desktops/api/v1/images/{user}/gis-course")
    assert reply.ok, reply.text()
    version: dict[str, Any] = reply.json()["active_version"]
    return version


def check_saved(cluster: Demo, pod: str) -> None:
    """Everything that was set up is there, and what was deleted is gone."""
    assert "works" in cluster.run(pod, "/usr/games/cowsay works")
    cluster.run(pod, "python -c 'import pyjokes'")
    assert cluster.run(pod, f"test -e {GONE} && echo there || true") == ""
    assert "cowsay" in cluster.run(pod, "dpkg -s cowsay")


def check_meter(percents: list[int]) -> None:
    """The meter rose, through something between nothing and everything, and never fell."""
    assert percents == sorted(percents)
    assert any(0 < percent < 100 for percent in percents), percents


def layers_below(cluster: Demo, pod: str) -> tuple[int, list[str]]:
    """Return how many layers a desktop's image has, and a file of each of them."""
    [container] = cluster.get("pod", pod)["spec"]["containers"]
    host, _, path = container["image"].partition("/")
    repository, _, tag = path.rpartition(":")
    with httpx.Client(base_url=f"http://{host}") as registry:
        image = SavedImage(registry, repository, tag)
        return len(image.layers), image.a_file_of_each_layer()


def check_nothing_leaks(
    cluster: Demo, user: str, version: dict[str, Any], secrets: list[bytes]
) -> None:
    """No token, key or lock of a session is in what the saves have made of the image."""
    assert all(len(secret) > 10 for secret in secrets)
    with cluster.registry() as registry:
        repository = version["reference"].split("/", 1)[1].split("@")[0].split(":")[0]
        image = SavedImage(registry, repository, version["digest"])
        for what, content in image.documents().items():
            assert not [one for one in secrets if one in content], what
        names = []
        for layer in filter(saved, image.layers):
            with image.tar(layer) as file:
                with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as whole:
                    assert not [one for one in secrets if whole.find(one) >= 0], layer
                with tarfile.open(fileobj=file, mode="r:") as tar:
                    names += [name.removeprefix("./") for name in tar.getnames()]
    assert [name for name in names if LITTER.search(name)] == []
    assert "usr/games/cowsay" in names


def check_left_out(page: Page, *names: str) -> None:
    """The newest save says which files of the home it has left out as secrets."""
    job = page.request.get(f"{API}/jobs").json()["items"][0]
    left_out = {one["path"]: one["reason"] for one in job["result"]["left_out"]}
    for name in names:
        assert left_out.get(f"/home/jovyan/{name}") == "secret", left_out


def delete(cluster: Demo, page: Page, user: str, digests: list[str]) -> None:
    """Delete the image on its page; its manifests are gone from the registry."""
    page.goto(f"/services/desktops/images/{user}/gis-course")
    page.once("dialog", lambda dialog: dialog.accept())
    page.click("button[value=delete]")
    page.wait_for_url(re.compile("deleted="))
    with cluster.registry() as registry:
        for digest in digests:
            reply = registry.get(f"/v2/desktops/{user}/gis-course/manifests/{digest}")
            assert reply.status_code == 404, json.dumps(reply.text)
