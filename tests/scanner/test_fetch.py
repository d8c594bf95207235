"""The first step: what arrives, and with what it is asked for."""

import base64
import json
from dataclasses import replace
from pathlib import Path

import pytest

from image_scanner.errors import ScanError
from image_scanner.fetch import credentials, fetch
from image_scanner.settings import Settings
from tests.fakes.registry import FakeRegistry
from tests.scanner.conftest import REPOSITORY, debian, push


def settings_of(registry: FakeRegistry, reference: str, work: Path) -> Settings:
    """Return the settings of a scan of our own registry, with what the nodes pull with."""
    secret = work / "pull.json"
    auth = base64.b64encode(f"{registry.username}:{registry.password}".encode())
    auths = {"localhost:30500": {"auth": auth.decode()}}
    secret.write_text(json.dumps({"auths": auths}))
    return Settings(
        reference=reference.replace(registry.host, "localhost:30500"),
        work=work / "work",
        registry_host="localhost:30500",
        registry_url=registry.url,
        pull_secret=secret,
    )


def test_the_image_arrives_as_a_layout(tmp_path: Path) -> None:
    with FakeRegistry() as registry:
        registry.moods.auth = "basic"
        reference = push(registry, debian(apt="2.6.1"))
        settings = settings_of(registry, reference, tmp_path)
        fetch(settings)
        index = json.loads((settings.image / "index.json").read_text())
        [manifest] = index["manifests"]
        assert manifest["digest"] == reference.partition("@")[2]
        for digest, data in registry.blobs[REPOSITORY].items():
            kind, _, name = digest.partition(":")
            assert (settings.image / "blobs" / kind / name).read_bytes() == data


def test_without_its_credential_it_gets_nothing(tmp_path: Path) -> None:
    with FakeRegistry() as registry:
        registry.moods.auth = "basic"
        settings = settings_of(registry, push(registry, debian()), tmp_path)
        with pytest.raises(ScanError) as caught:
            fetch(replace(settings, pull_secret=None))
        assert caught.value.code == "image_unavailable"


def test_an_image_that_is_too_large_is_not_begun(tmp_path: Path) -> None:
    with FakeRegistry() as registry:
        settings = settings_of(registry, push(registry, debian()), tmp_path)
        with pytest.raises(ScanError) as caught:
            fetch(replace(settings, disk=10))
        assert caught.value.code == "too_large"
        assert not settings.image.exists()


def test_a_blob_that_is_another_one_is_refused(tmp_path: Path) -> None:
    with FakeRegistry() as registry:
        reference = push(registry, debian())
        for digest, data in registry.blobs[REPOSITORY].items():
            registry.blobs[REPOSITORY][digest] = data[:-1] + b"x"
        with pytest.raises(ScanError) as caught:
            fetch(settings_of(registry, reference, tmp_path))
        assert caught.value.code == "image_unavailable"


def test_a_credential_is_for_its_host_alone(tmp_path: Path) -> None:
    file = tmp_path / "config.json"
    known = {"username": "me", "password": "secret"}
    file.write_text(json.dumps({"auths": {"registry.example.org": known}}))
    found = credentials(file, "registry.example.org")
    assert found and (found.username, found.password) == ("me", "secret")
    assert credentials(file, "example.org") is None
    assert credentials(tmp_path / "none", "registry.example.org") is None
