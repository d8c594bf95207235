"""Configs, manifests, packages, credentials and requests: everything made without I/O."""

from __future__ import annotations

import json
from typing import Any

import pytest

from oci.manifest import OCI_LAYER_GZIP, OCI_LAYER_ZSTD, OCI_MANIFEST, Descriptor
from oci.packages import difference, dist_info, dpkg_versions
from oci.reference import Digest
from snapshot_agent.api.registries import parse_docker_config
from snapshot_agent.capture.container import overlay_directories
from snapshot_agent.capture.containerd import Mount
from snapshot_agent.capture.preflight import check_capabilities
from snapshot_agent.errors import BadRequest, UnsupportedContainer
from snapshot_agent.image_spec import (
    CREATED_BY,
    Description,
    Layer,
    chain_id,
    is_distributable,
    make_config,
    make_manifest,
    oci_layer,
    origin_of,
    saved_layers,
    without_saved,
)
from snapshot_agent.not_ready import NotReady
from snapshot_agent.requests import commit_request, preview_request
from snapshot_agent.status import State, Status

D = Digest("sha256:" + "a" * 64)
E = Digest("sha256:" + "b" * 64)
NEW = Layer(diff_id=E, digest=D, size=7)
DESCRIPTION = Description(
    title="GIS",
    description="",
    created="2026-01-01T00:00:00Z",
    author="JupyterHub Desktops",
    owner="alice",
    version=3,
    base_name="localhost:30500/desktops/base:1",
    base_digest=D,
    origin_name="debian",
    origin_digest=E,
)


def test_a_config_keeps_everything_of_its_base() -> None:
    base: dict[str, Any] = {
        "architecture": "arm64",
        "variant": "v8",
        "config": {
            "Env": ["A=b"],
            "OnBuild": ["x"],
            "Labels": {"kept": "yes"},
            "Shell": ["sh"],
        },
        "rootfs": {"type": "layers", "diff_ids": [str(D)]},
        "history": [{"created_by": "before"}],
    }
    before = json.dumps(base)
    made = json.loads(make_config(base, [NEW], DESCRIPTION))
    assert json.dumps(base) == before
    assert made["variant"] == "v8" and made["config"]["OnBuild"] == ["x"]
    assert made["config"]["Env"] == ["A=b"]
    assert made["config"]["Labels"]["kept"] == "yes"
    assert made["config"]["Labels"]["jupyterhub-desktops/origin.name"] == "debian"
    assert "org.opencontainers.image.description" not in made["config"]["Labels"]
    assert made["rootfs"]["diff_ids"] == [D, E]
    assert [one["created_by"] for one in made["history"]] == [
        "before",
        "jupyterhub-desktops save",
    ]


def test_a_config_without_a_new_layer_says_so() -> None:
    made = json.loads(make_config({"rootfs": {"diff_ids": [str(D)]}}, [], DESCRIPTION))
    assert made["rootfs"]["diff_ids"] == [D]
    assert made["history"][-1]["empty_layer"] is True


def test_a_manifest_maps_docker_types_and_keeps_bytes() -> None:
    docker = "application/vnd.docker.image.rootfs.diff.tar.gzip"
    foreign = "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip"
    base = {
        "layers": [
            {"mediaType": docker, "digest": str(D), "size": 1},
            {"mediaType": foreign, "digest": str(E), "size": 2, "urls": ["https://x"]},
        ]
    }
    made = json.loads(make_manifest(base, b"{}", [NEW], DESCRIPTION))
    assert made["mediaType"] == OCI_MANIFEST
    assert [one["mediaType"] for one in made["layers"]] == [
        OCI_LAYER_GZIP,
        "application/vnd.oci.image.layer.nondistributable.v1.tar+gzip",
        OCI_LAYER_ZSTD,
    ]
    assert made["layers"][1]["urls"] == ["https://x"]
    assert made["config"]["digest"] == Digest.of(b"{}")
    assert not is_distributable(Descriptor(foreign, E, 2))
    assert not is_distributable(oci_layer(Descriptor(foreign, E, 2)))
    assert is_distributable(Descriptor(docker, D, 1))


def test_the_origin_is_inherited() -> None:
    assert origin_of({}, "base", D) == ("base", D)
    saved = json.loads(make_config({"rootfs": {}}, [NEW], DESCRIPTION))
    assert origin_of(saved, "saved", D) == ("debian", E)


def test_the_chain_of_one_layer_is_its_own_digest() -> None:
    assert chain_id([D]) == D
    assert chain_id([D, E]) == Digest.of(f"{D} {E}".encode())
    assert chain_id([]) == ""


def test_dpkg() -> None:
    before = dpkg_versions(
        b"Package: a\nStatus: install ok installed\nVersion: 1\n\n"
        b"Package: gone\nStatus: install ok installed\nVersion: 1\n\n"
        b"Package: conf\nStatus: deinstall ok config-files\nVersion: 1\n"
    )
    after = dpkg_versions(
        b"Package: a\nStatus: install ok installed\nVersion: 2\nDescription: x\n more\n\n"
        b"Package: new\nStatus: install ok installed\nVersion: 1:3\n"
    )
    assert ("apt", "conf") not in before
    assert difference(before, after) == {
        "added": [{"name": "new", "version": "1:3", "kind": "apt"}],
        "removed": [{"name": "gone", "version": "1", "kind": "apt"}],
        "upgraded": [{"name": "a", "from": "1", "to": "2", "kind": "apt"}],
    }


def test_dist_info() -> None:
    assert dist_info("usr/lib/x/My_Package-1.2.dist-info") == (
        ("pip", "my-package"),
        "1.2",
    )
    assert dist_info("usr/lib/x/my-package.egg-info") is None


@pytest.mark.parametrize(
    "options",
    [
        ("upperdir=/u", "lowerdir=/l", "workdir=/w", "metacopy=on"),
        ("upperdir=/u", "lowerdir=/l", "workdir=/w", "redirect_dir=on"),
        ("upperdir=/u", "lowerdir=/l", "workdir=/w", "userxattr"),
        ("upperdir=/u", "lowerdir=/l", "workdir=/w", "uidmap=0:1000:1"),
        ("upperdir=/u", "lowerdir=/l", "workdir=/w", "something=new"),
        ("upperdir=/u", "workdir=/w"),
        ("lowerdir=/l",),
        ("upperdir=/u", "lowerdir=/a\\:b"),
    ],
)
def test_what_is_not_known_is_refused(options: tuple[str, ...]) -> None:
    with pytest.raises(UnsupportedContainer):
        overlay_directories([Mount("overlay", "overlay", options)])


def test_only_one_plain_overlay_is_taken() -> None:
    plain = Mount("overlay", "overlay", ("index=off", "upperdir=/u", "lowerdir=/a:/b"))
    assert overlay_directories([plain]) == ("/u", ("/a", "/b"))
    for mounts in ([], [plain, plain], [Mount("bind", "/x", ("rbind", "rw"))]):
        with pytest.raises(UnsupportedContainer):
            overlay_directories(mounts)


def test_credentials_of_a_docker_configuration() -> None:
    auths = {
        "registry:5000": {"username": "u", "password": "p"},
        "https://index.docker.io/v1/": {"auth": "dTpwOnE="},
        "empty:1": {},
    }
    found = parse_docker_config(json.dumps({"auths": auths}))
    assert (found["registry:5000"].username, found["registry:5000"].password) == (
        "u",
        "p",
    )
    assert (found["docker.io"].username, found["docker.io"].password) == ("u", "p:q")
    assert "empty:1" not in found
    for bad in ("[]", "{", '{"auths": {"x": {"auth": "%%"}}}'):
        with pytest.raises(ValueError):
            parse_docker_config(bad)


BODY: dict[str, Any] = {
    "id": "job-1",
    "pod_uid": "0-1",
    "container": "notebook",
    "owner": "alice@example.org",
    "image": "gis-course",
    "number": 4,
    "title": "GIS",
    "description": "",
    "include_home": False,
    "exclude": ["/x"],
}


def test_a_request_is_read() -> None:
    request = commit_request(BODY)
    assert (
        request.number == 4 and request.exclude == ("/x",) and not request.include_home
    )
    assert preview_request(
        {k: BODY[k] for k in ("pod_uid", "container", "owner")}
    ).include_home


@pytest.mark.parametrize(
    "change",
    [
        {"id": ""},
        {"id": "../x"},
        {"pod_uid": None},
        {"container": "a/b"},
        {"owner": ""},
        {"image": "GIS course"},
        {"image": "a/b"},
        {"number": 0},
        {"number": True},
        {"number": "4"},
        {"include_home": "no"},
        {"exclude": "/x"},
        {"exclude": ["x"]},
        {"exclude": ["/x"] * 1001},
        {"title": 4},
    ],
)
def test_a_wrong_field_is_named(change: dict[str, Any]) -> None:
    with pytest.raises(BadRequest) as caught:
        commit_request(BODY | change)
    assert next(iter(change)) in caught.value.message


def test_the_body_is_an_object() -> None:
    with pytest.raises(BadRequest):
        commit_request([])


def test_capabilities() -> None:
    check_capabilities("Name: x\nCapEff:\t0000000000200004\n")
    with pytest.raises(NotReady, match="SYS_ADMIN"):
        check_capabilities("CapEff:\t0000000000000004\n")
    with pytest.raises(NotReady, match="DAC_READ_SEARCH"):
        check_capabilities("CapEff:\t0000000000200000\n")
    with pytest.raises(NotReady):
        check_capabilities("")


def test_a_status_never_tells_more_than_everything() -> None:
    status = Status("x")
    step = status.begin("read", 10)
    step.add(15)
    told = status.to_dict()
    assert told["bytes_done"] == told["bytes_total"] == 15
    status.begin("push", 10)
    assert [one["state"] for one in status.to_dict()["steps"]] == [
        "waiting",
        "done",
        "waiting",
        "running",
        "waiting",
    ]
    status.fail(BadRequest("no"), State.CANCELLED)
    assert status.to_dict()["state"] == "cancelled"


def saved(created: str, **more: Any) -> dict[str, Any]:
    return {"created_by": CREATED_BY, "created": created, **more}


@pytest.mark.parametrize(
    ("history", "layers", "saves"),
    [
        ([{"created_by": "RUN"}], 0, 0),
        ([{"created_by": "RUN"}, saved("1"), saved("1"), saved("2")], 3, 2),
        # A save of nothing, and a build on top of saves.
        ([{"created_by": "RUN"}, saved("1"), saved("2", empty_layer=True)], 1, 1),
        ([saved("1"), {"created_by": "RUN"}], 0, 0),
    ],
)
def test_which_layers_were_saved(
    history: list[dict[str, Any]], layers: int, saves: int
) -> None:
    count = sum(not entry.get("empty_layer") for entry in history)
    config = {
        "rootfs": {"type": "layers", "diff_ids": [f"{n}" for n in range(count)]},
        "history": history,
    }
    manifest = {"layers": [{"digest": f"{n}"} for n in range(count)]}
    assert saved_layers(config) == (layers, saves)
    cut, cut_manifest = without_saved(config, manifest, layers)
    assert len(cut["rootfs"]["diff_ids"]) == len(cut_manifest["layers"])
    assert len(cut_manifest["layers"]) == count - layers
    if layers:
        assert cut["history"] == [{"created_by": "RUN"}]
    with pytest.raises(ValueError, match="not those that were saved"):
        without_saved(config, manifest, layers + 1)


def test_a_history_that_does_not_fit_tells_nothing() -> None:
    config = {"rootfs": {"diff_ids": ["1", "2"]}, "history": [saved("1")]}
    assert saved_layers(config) == (0, 0)
