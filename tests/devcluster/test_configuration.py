"""The configuration files that the components get."""

import json
import tomllib
from pathlib import Path

import pytest

from devcluster import addons, control_plane, node
from devcluster.certificates import CERTIFICATES
from devcluster.kubeconfig import kubeconfig
from devcluster.settings import Settings


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(state=tmp_path / "state", cache=tmp_path / "cache")


def test_the_folders_come_from_the_environment() -> None:
    chosen = Settings.from_environment(
        {"DEVCLUSTER_STATE": "/s", "DEVCLUSTER_CACHE": "/c"}
    )
    usual = Settings.from_environment({"HOME": "/home/me"})

    assert (chosen.state, chosen.cache) == (Path("/s"), Path("/c"))
    assert usual.state == Path("/var/lib/devcluster")
    assert usual.cache == Path("/home/me/.cache/devcluster")


def test_containerd_keeps_everything_in_the_state_folder(settings: Settings) -> None:
    config = tomllib.loads(node.containerd_config(settings, "pause:1"))
    runtime = config["plugins"]["io.containerd.cri.v1.runtime"]
    images = config["plugins"]["io.containerd.cri.v1.images"]

    for path in (config["root"], config["state"], config["grpc"]["address"]):
        assert Path(path).is_relative_to(settings.state)
    assert images["pinned_images"]["sandbox"] == "pause:1"
    assert runtime["restrict_oom_score_adj"] is True
    assert runtime["netns_mounts_under_state_dir"] is True


def test_the_socket_is_alone_in_its_folder_and_short_enough(settings: Settings) -> None:
    usual = Settings.from_environment({})

    assert not (settings.run / "containerd").is_relative_to(
        settings.containerd_socket.parent
    )
    assert len(str(usual.containerd_socket)) < 100


@pytest.mark.parametrize("registry", node.registries())
def test_the_registries_are_spoken_to_in_plain_http(registry: str) -> None:
    config = tomllib.loads(node.hosts_config(registry))

    assert config["server"] == f"http://{registry}"
    assert "resolve" in config["host"][f"http://{registry}"]["capabilities"]


def test_the_kubelet_never_deletes_images(settings: Settings) -> None:
    assert node.kubelet_config(settings)["imageGCHighThresholdPercent"] == 100


def test_written_files_are_where_the_components_look(settings: Settings) -> None:
    node.write_node_config(settings, "pause:1")
    addons.write_addon_config(settings, "pause:1")
    made = {str(f) for f in settings.config.rglob("*") if f.is_file()}
    components = [
        node.containerd(settings),
        addons.registry(settings),
        addons.dns(settings),
    ]

    for component in [*components, addons.volumes(settings), node.kubelet(settings)]:
        words = [word.partition("=")[2] or word for word in component.arguments]
        asked = [
            w
            for w in words
            if w.startswith(str(settings.config)) and "kubeconfig" not in w
        ]
        assert asked and set(asked) <= made, component.name


def test_a_component_uses_only_keys_that_are_made(settings: Settings) -> None:
    made = {f"{c.name}{suffix}" for c in CERTIFICATES for suffix in (".crt", ".key")}
    made |= {"ca.crt", "ca.key", "tokens.key"}
    control = (
        control_plane.etcd,
        control_plane.apiserver,
        control_plane.controller_manager,
    )

    for component in (make(settings) for make in control):
        values = [word.partition("=")[2] for word in component.arguments]
        used = {Path(v).name for v in values if v.startswith(str(settings.keys))}
        assert used and used <= made, component.name


def test_the_name_server_forwards_only_when_the_machine_has_one(
    settings: Settings,
) -> None:
    text = addons.corefile(settings)

    assert ("forward" in text) == ("nameserver" in node.resolver_file().read_text())
    assert text.count("{") == text.count("}")


def test_a_kubeconfig_holds_its_keys() -> None:
    document = json.loads(kubeconfig(b"authority", b"certificate", b"key"))

    assert document["users"][0]["user"]["client-key-data"] == "a2V5"
    assert document["clusters"][0]["cluster"]["server"].startswith("https://")
