"""Slugs and names keep their guarantees for any text."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oci import names
from oci.errors import InvalidName
from oci.reference import Reference

TEXT = st.text(alphabet=st.characters(), max_size=300)
PLAINLIKE = st.text(alphabet="ab1-", max_size=8)


@pytest.mark.parametrize("name", ["alice", "a", "0", "gis-course", "a" * 63])
def test_a_plain_name_is_its_own_slug(name: str) -> None:
    assert names.slug(name) == name


@pytest.mark.parametrize(
    "name",
    [
        "",
        "Alice",
        "alice@example.org",
        "a--b",
        "-a",
        "a-",
        "a_b",
        "é",
        "a" * 64,
        "\ud800",
    ],
)
def test_any_other_name_gets_a_hash(name: str) -> None:
    assert "--" in names.slug(name)
    assert names.slug(name) != name


@given(TEXT)
def test_every_slug_is_a_valid_path_component(text: str) -> None:
    made = names.slug(text)
    assert 1 <= len(made) <= 63
    assert Reference.parse(f"host:5000/{made}").repository == made


@given(st.lists(st.one_of(TEXT, PLAINLIKE), unique=True, max_size=30))
def test_slugs_never_collide(texts: list[str]) -> None:
    assert len({names.slug(text) for text in texts}) == len(texts)


@given(TEXT)
def test_nobody_can_take_the_slug_of_another(text: str) -> None:
    made = names.slug(text)
    if made != text:
        # The slug itself, used as a name, must go somewhere else.
        assert names.slug(made) != made


@given(TEXT, TEXT)
def test_no_repository_is_the_mirror_or_below_it(owner: str, image: str) -> None:
    made = names.repository("desktops", owner, image)
    mirror = names.mirror_repository("desktops")
    assert made != mirror
    assert not made.startswith(mirror + "/")
    assert len(made) <= 255
    assert Reference.parse(f"h:1/{made}").repository == made


def test_the_mirror_is_a_valid_repository() -> None:
    assert (
        Reference.parse("h:1/" + names.mirror_repository("a/b")).repository
        == "a/b/mirror__bases"
    )


@pytest.mark.parametrize("prefix", ["", "/", "a/", "/a", "A", "-a", "a//b", "a" * 200])
def test_a_bad_prefix_is_refused(prefix: str) -> None:
    with pytest.raises(InvalidName):
        names.repository(prefix, "alice", "gis")


def test_tags_count_versions_from_one() -> None:
    assert names.tag(1) == "v1"
    assert names.number_of("v12") == 12
    assert names.number_of("v0") is None
    assert names.number_of("latest") is None
    with pytest.raises(InvalidName):
        names.tag(0)


@pytest.mark.parametrize(
    ("title", "name"),
    [
        ("GIS course", "gis-course"),
        ("Cartographie été 2026", "cartographie-ete-2026"),
        ("  Œuvre -- “mixte” ", "oeuvre-mixte"),
        ("Straße", "strasse"),
        ("R_4.5", "r-4-5"),
        ("ﬁne", "fine"),
    ],
)
def test_a_title_gives_a_readable_name(title: str, name: str) -> None:
    assert names.image_name(title) == name


def test_titles_in_other_scripts_stay_apart() -> None:
    one, two = names.image_name("地図 course"), names.image_name("課程 course")
    assert one != two
    assert one.startswith("course-") and two.startswith("course-")
    assert names.image_name("地図").startswith("image-")
    assert names.image_name("") != names.image_name("地図")


def test_long_titles_stay_apart() -> None:
    assert names.image_name("a" * 70) != names.image_name("a" * 71)


@given(TEXT)
def test_every_title_gives_a_valid_name(title: str) -> None:
    made = names.image_name(title)
    assert names.is_image_name(made)
    assert names.slug(made) == made
    assert names.image_name(made) == made
