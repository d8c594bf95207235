"""Names that people choose, and the links that lead to their things (pure)."""

from collections.abc import Iterable
from urllib.parse import quote, urlencode

from hub_service.errors import BadRequest, sentence
from hub_service.models import Server
from oci.names import image_name, is_image_name

TITLE_LENGTH = 100
"""Longer titles fit no card; the database holds 255."""
DESCRIPTION_LENGTH = 2000
TAGS, TAG_LENGTH = 10, 30
"""More or longer ones fit no card; the database holds 600 characters."""

ICONS = (
    "desktop",
    "globe",
    "map",
    "chart-line",
    "calculator",
    "flask",
    "microscope",
    "dna",
    "brain",
    "robot",
    "database",
    "code",
    "terminal",
    "cube",
    "image",
    "music",
    "book",
    "graduation-cap",
    "language",
    "users",
)
"""Pictures of Font Awesome, which JupyterHub's stylesheet brings."""


def checked_title(title: str) -> str:
    """Return the title with its outer spaces gone, or raise BadRequest.

    A title is any text of one line: its characters need not be ASCII.
    """
    title = title.strip()
    if not title:
        raise BadRequest(
            "title_empty", sentence("Give the image a name, for example GIS course.")
        )
    if len(title) > TITLE_LENGTH:
        raise BadRequest(
            "title_too_long",
            sentence(
                "This name has {length} characters; at most {limit} fit. Shorten it."
            ),
            length=len(title),
            limit=TITLE_LENGTH,
        )
    if not title.isprintable():
        raise BadRequest(
            "title_unprintable",
            sentence("This name holds characters that cannot be shown. Type it again."),
        )
    return title


def checked_description(description: str) -> str:
    """Return the description with its outer spaces gone, or raise BadRequest."""
    description = description.strip()
    if len(description) > DESCRIPTION_LENGTH:
        raise BadRequest(
            "description_too_long",
            sentence(
                "This text has {length} characters; at most {limit} fit. Shorten it."
            ),
            length=len(description),
            limit=DESCRIPTION_LENGTH,
        )
    return description


def checked_icon(icon: str) -> str:
    """Return the icon, or raise BadRequest when it is none of ours."""
    if icon not in ICONS:
        raise BadRequest(
            "icon_unknown",
            sentence("There is no icon {value}. Choose one of: {icons}."),
            value=icon[:40],
            icons=", ".join(ICONS),
        )
    return icon


def checked_tags(tags: Iterable[str]) -> list[str]:
    """Return the tags without outer spaces, empty ones and doubles, or raise BadRequest."""
    found = list(dict.fromkeys(" ".join(tag.split()) for tag in tags if tag.strip()))
    if len(found) > TAGS:
        raise BadRequest(
            "too_many_tags",
            sentence("An image has at most {limit} tags; these are {count}."),
            limit=TAGS,
            count=len(found),
        )
    for tag in found:
        if len(tag) > TAG_LENGTH or not tag.isprintable():
            raise BadRequest(
                "tag_invalid",
                sentence(
                    "A tag has at most {limit} characters that can be shown: {tag}"
                ),
                limit=TAG_LENGTH,
                tag=tag[:80],
            )
    return found


def name_of_title(title: str) -> str:
    """Return the name of the image that a person's title means."""
    return image_name(title)


def checked_name(name: str) -> str:
    """Return the image's name, or raise BadRequest."""
    if not is_image_name(name):
        raise BadRequest(
            "name_invalid",
            sentence(
                "An image's name has 1 to 63 letters a-z, digits and single dashes."
            ),
        )
    return name


def image_path(owner: str, name: str) -> str:
    """Return an image's path below the service's prefix."""
    return f"images/{quote(owner, safe='')}/{quote(name, safe='')}"


def start_link(hub_prefix: str, server: Server, profile: str) -> str:
    """Return the link that starts an image as a server of its own, beside those that run.

    A profile is `owner/name`, or `owner/name@number` for one certain version.

    `opt-` marks the options of the spawn page (JupyterHub 6); a use session is meant,
    since whoever starts a saved desktop wants to work in it.
    """
    path = f"{hub_prefix}spawn/{quote(server.user, safe='')}"
    if server.name:
        path = f"{path}/{quote(server.name, safe='')}"
    return f"{path}?{urlencode({'opt-profile': profile, 'opt-session': 'use'})}"
