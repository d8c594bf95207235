"""References are read as Docker and containerd write them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oci.errors import InvalidReference
from oci.reference import Digest, Reference, registry_url

D = "sha256:" + "0a" * 32


@pytest.mark.parametrize(
    ("text", "host", "repository", "tag", "digest"),
    [
        ("debian", "docker.io", "library/debian", None, None),
        ("docker.io/debian:12", "docker.io", "library/debian", "12", None),
        ("index.docker.io/a/b", "docker.io", "a/b", None, None),
        ("quay.io/a/b/c:x", "quay.io", "a/b/c", "x", None),
        ("localhost/a", "localhost", "a", None, None),
        (
            "localhost:30500/desktops/a/b:v4",
            "localhost:30500",
            "desktops/a/b",
            "v4",
            None,
        ),
        (f"10.0.0.1:5000/a@{D}", "10.0.0.1:5000", "a", None, D),
        (f"h.x/a:t@{D}", "h.x", "a", "t", D),
        ("[::1]:5000/a", "[::1]:5000", "a", None, None),
        ("user/name", "docker.io", "user/name", None, None),
    ],
)
def test_parts(
    text: str, host: str, repository: str, tag: str | None, digest: str | None
) -> None:
    parsed = Reference.parse(text)
    assert (parsed.host, parsed.repository, parsed.tag, parsed.digest) == (
        host,
        repository,
        tag,
        digest,
    )
    assert Reference.parse(str(parsed)) == parsed


@pytest.mark.parametrize(
    "text",
    [
        "",
        "a b",
        "h.x/",
        "h.x/A",
        "h.x/a:",
        "h.x/a:-t",
        "h.x/a@",
        "h.x/a@sha256:00",
        "h.x/a//b",
        "a:b:c",
    ]
    + [
        "h.x/a\n",
        "h.x:port/a",
        "h.x/../a",
        "h.x/a@" + D.upper(),
        "-h.x/a",
        "h.x/" + "a" * 256,
    ],
)
def test_what_is_not_a_reference(text: str) -> None:
    with pytest.raises(InvalidReference):
        Reference.parse(text)


@given(st.text(max_size=60))
def test_nothing_but_a_reference_or_its_error(text: str) -> None:
    try:
        parsed = Reference.parse(text)
    except InvalidReference:
        return
    assert Reference.parse(str(parsed)) == parsed


def test_target_prefers_the_digest() -> None:
    assert Reference.parse("a").target == "latest"
    assert Reference.parse("a:x").target == "x"
    assert Reference.parse(f"a:x@{D}").target == D
    assert str(Reference.parse(f"a:x@{D}").with_tag(None)) == f"docker.io/library/a@{D}"
    assert Reference.parse("a:x").with_digest(Digest(D)).target == D


def test_digests() -> None:
    assert Digest.of(b"").hex.startswith("e3b0c442")
    assert Digest(D).algorithm == "sha256"
    for bad in ("", "sha256:", "md5:" + "0" * 32, "sha256:" + "A" * 64, D + "\n"):
        with pytest.raises(InvalidReference):
            Digest(bad)


def test_docker_hub_has_another_name_for_its_registry() -> None:
    assert registry_url("docker.io") == "https://registry-1.docker.io"
    assert registry_url("localhost:1", plain_http=True) == "http://localhost:1"
