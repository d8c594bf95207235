"""The main job: set a desktop up by hand, save it, start it again; then delete it.

One person's way through the real thing, in the order in which people do it. Each step
needs the one before, so they are one test.
"""

import io
import json
import re
import tarfile
import uuid
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest
import zstandard
from playwright.sync_api import Page

from tests.cluster.conftest import Demo, Visit, wait_for
from tests.cluster.desktop import COLOURS, painted, save, start, stop, type_in_terminal

pytestmark = [pytest.mark.cluster, pytest.mark.browser]

WALLPAPER = 0x1F6F78
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
EVERYWHERE = """
set -e
for folder in /usr/share/doc/tini-test /usr/local/lib/desktop /etc/xdg /usr/share/applications; do
  sudo mkdir -p $folder
  echo one | sudo tee $folder/made >/dev/null
  sudo mv $folder/made $folder/renamed
  sudo chmod 600 $folder/renamed
  sudo rm $folder/renamed
done
sudo rmdir /usr/share/doc/tini-test
touch ~/made && rm ~/made
"""


def test_a_desktop_is_set_up_saved_and_started_again(
    cluster: Demo, visit: Visit, shoot: Callable[[Page, str], None]
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

    def dialog_open() -> None:
        shoot(page, "save-dialog")
        cluster.run(pod, EVERYWHERE)

    link = save(page, "GIS course", news="adds cowsay", see=dialog_open)
    shoot(page, "saved")
    cluster.run(pod, EVERYWHERE)
    assert cluster.run(pod, "cowsay works")
    first = version_of(page, user)
    token = cluster.run(pod, "echo -n $JUPYTERHUB_API_TOKEN")
    assert len(token) > 20
    check_layer(cluster, user, first, [b"KEY-OF-THE-TEST", token.encode()])

    stop(page, user, cluster)
    page.goto(link)
    painted(page)
    again = cluster.pod_of(user, "gis-course")
    check_saved(cluster, again)
    # A volume covers the home here; what was saved of the home is in it all the same.
    wait_for("the wallpaper", lambda: shows_wallpaper(page), 30)
    shoot(page, "started-for-use")
    assert (
        cluster.run(again, "sudo -n true 2>&1 && echo root || true").strip() != "root"
    )
    stop(page, user, cluster, "gis-course")

    # Once more as a customise session; then saved again.
    start(page, user, "GIS course", "customise")
    pod = cluster.pod_of(user)
    check_saved(cluster, pod)
    wait_for("the wallpaper", lambda: shows_wallpaper(page), 30)
    shoot(page, "started-again")
    assert cluster.run(pod, "ls ~/.ssh 2>/dev/null || true") == ""
    cluster.run(pod, "echo second > ~/second")
    save(page, "GIS course", news="a second file")
    second = version_of(page, user)
    assert second["number"] == 2
    assert second["layers"] <= first["layers"] + 2
    stop(page, user, cluster)
    delete(cluster, page, user, [first["digest"], second["digest"]])


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


def check_layer(
    cluster: Demo, user: str, version: dict[str, Any], secrets: list[bytes]
) -> None:
    """No token, key or lock of the session is in the layers that the save added."""
    names = set()
    with cluster.registry() as registry:
        for layer in new_layers(registry, user, version):
            for name, content in members(layer):
                names.add(name)
                assert not any(secret in content for secret in secrets), name
    litter = [
        name
        for name in names
        if re.search(
            r"(^|/)\.ssh/|\.X\d+-lock|\.X11-unix|^tmp/.|^run/.|\.ICEauthority", name
        )
    ]
    assert litter == []
    assert "usr/games/cowsay" in names


def new_layers(
    registry: httpx.Client, user: str, version: dict[str, Any]
) -> Iterator[bytes]:
    """Return the layers that the base image does not have."""
    where = version["reference"].split("/", 1)[1].split("@")[0]
    manifest = registry.get(f"/v2/{where}/manifests/{version['digest']}").json()
    for layer in manifest["layers"]:
        if "zstd" in layer["mediaType"]:
            yield registry.get(f"/v2/{where}/blobs/{layer['digest']}").content


def members(layer: bytes) -> Iterator[tuple[str, bytes]]:
    """Return a layer's names and the contents of its files."""
    stream = zstandard.ZstdDecompressor().stream_reader(io.BytesIO(layer))
    with tarfile.open(fileobj=stream, mode="r|") as tar:
        for member in tar:
            content = tar.extractfile(member) if member.isfile() else None
            yield member.name.removeprefix("./"), content.read() if content else b""


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
