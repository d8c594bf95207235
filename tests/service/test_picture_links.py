"""Links to pictures that need no login."""

from urllib.parse import parse_qs, urlsplit

from hub_service.images.picture_links import DAY, PictureLinks

NOW = 1_800_000_000.0
LINKS = PictureLinks("/services/desktops/", b"secret")


def valid(
    links: PictureLinks, owner: str, name: str, number: int, at: float = NOW
) -> bool:
    """Say whether the link to alice/gis@1 of NOW opens a picture at a moment."""
    query = parse_qs(urlsplit(LINKS.link("alice", "gis", 1, NOW)).query)
    [until], [signature] = query["until"], query["signature"]
    return links.valid(
        owner, name, number, until=int(until), signature=signature, now=at
    )


def test_a_link_opens_one_picture_for_a_day_or_two() -> None:
    assert valid(LINKS, "alice", "gis", 1)
    assert valid(LINKS, "alice", "gis", 1, at=NOW + DAY)
    assert not valid(LINKS, "alice", "gis", 1, at=NOW + 2 * DAY)
    assert not valid(LINKS, "alice", "gis", 2)
    assert not valid(LINKS, "alic", "egis", 1)
    other = PictureLinks("/services/desktops/", b"another secret")
    assert not valid(other, "alice", "gis", 1)


def test_a_link_is_the_same_all_day() -> None:
    midnight = NOW // DAY * DAY
    links = {
        LINKS.link("alice", "gis", 1, midnight + hour * 3600) for hour in range(24)
    }
    assert len(links) == 1
    assert LINKS.link("alice", "gis", 1, midnight + DAY) not in links


def test_a_strange_signature_is_no_defect() -> None:
    for signature in ("", "é", "x" * 10_000):
        args = {"until": 2**62, "signature": signature, "now": NOW}
        assert not LINKS.valid("alice", "gis", 1, **args)  # type: ignore[arg-type]
