"""Names of repositories, tags and images, made of arbitrary text.

What is asked of them:

- always valid: any unicode string, the empty one included, gives a valid name;
- no collisions: two different strings never share a slug, so one person can never
  write into another person's repository by choosing a clever name;
- never too long: a slug has at most 63 characters, a repository at most 255;
- readable: a plain name stays as it is, any other keeps what can be kept.

Pure: no I/O.
"""

from __future__ import annotations

import hashlib
import re
import unicodedata

from .errors import InvalidName

SLUG_LENGTH = 63
REPOSITORY_LENGTH = 255

# 96 bits: finding two strings with one hash takes 2^48 tries, finding one for a
# given name 2^96; kubespawner's 32 bits are enough for accidents, not for malice.
_HASH_LENGTH = 24
_SEPARATOR = "--"
_READABLE_LENGTH = SLUG_LENGTH - len(_SEPARATOR) - _HASH_LENGTH

_PLAIN = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")
_COMPONENT = re.compile(r"[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*")
_TAG = re.compile(r"v([1-9][0-9]*)")

# Latin letters that unicode does not decompose into a base letter and a mark.
_LATIN = str.maketrans(
    {
        "æ": "ae",
        "œ": "oe",
        "ø": "o",
        "ß": "ss",
        "đ": "d",
        "ð": "d",
        "ł": "l",
        "þ": "th",
        "ı": "i",
    }
)


def slug(text: str) -> str:
    """One path component for `text`.

    - valid as a component of a repository and as a DNS label;
    - a plain name (lower-case letters, digits, single dashes between them) is its own slug;
    - any other text keeps a readable start, then `--` and a hash of the whole text;
    - no two texts share a slug: a plain name never contains `--`, and two slugs that
      contain it end in different hashes.
    """
    if len(text) <= SLUG_LENGTH and _PLAIN.fullmatch(text):
        return text
    # surrogateescape is not enough: a lone surrogate may come in from JSON.
    digest = hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[
        :_HASH_LENGTH
    ]
    readable = _fold(text)[0][:_READABLE_LENGTH].strip("-") or "x"
    return f"{readable}{_SEPARATOR}{digest}"


def repository(prefix: str, owner: str, image: str) -> str:
    """The repository of the image `image` of `owner`: `<prefix>/<owner>/<image>`.

    - different for every pair of owner and image, whatever their characters;
    - never the mirror repository, which has one component less.
    """
    return f"{_checked_prefix(prefix)}/{slug(owner)}/{slug(image)}"


def mirror_repository(prefix: str) -> str:
    """Where the blobs of base images are kept, so that every save can mount them.

    No slug contains an underscore, so nobody's repository is ever this one or below it.
    """
    return f"{_checked_prefix(prefix)}/mirror__bases"


def context_repository(prefix: str, owner: str) -> str:
    """Where the files are kept that a person sent along with a Dockerfile, until it is built.

    No slug contains an underscore, so no image is ever called like it.
    """
    return f"{_checked_prefix(prefix)}/{slug(owner)}/build__contexts"


def tag(number: int) -> str:
    """The tag of a version: `v1`, `v2`, …"""
    if number < 1:
        raise InvalidName(f"versions are numbered from 1, not {number}")
    return f"v{number}"


def number_of(tag_name: str) -> int | None:
    """The version that a tag names, None when the tag is not one of ours."""
    match = _TAG.fullmatch(tag_name)
    return int(match[1]) if match else None


def image_name(title: str) -> str:
    """The name of an image made of the title that a person gave it.

    - 1 to 63 characters of a-z, 0-9 and single dashes between them, so it is its own slug;
    - titles that differ only in case, accents, spaces and punctuation give one name;
    - what cannot be written that way, or is too long, is not lost silently: a short hash of
      the title takes its place, so that two such titles do not become one image.
    """
    readable, lost = _fold(title)
    if readable and not lost and len(readable) <= SLUG_LENGTH:
        return readable
    folded = unicodedata.normalize("NFKC", title).casefold().strip()
    digest = hashlib.sha256(folded.encode("utf-8", "surrogatepass")).hexdigest()[:8]
    return f"{(readable or 'image')[: SLUG_LENGTH - 9].rstrip('-')}-{digest}"


def is_image_name(name: str) -> bool:
    """True for a name that `image_name` would leave as it is."""
    return len(name) <= SLUG_LENGTH and _PLAIN.fullmatch(name) is not None


def _fold(text: str) -> tuple[str, bool]:
    """What is left of `text` in a-z, 0-9 and single dashes, and whether letters were lost."""
    decomposed = unicodedata.normalize("NFKD", text.casefold().translate(_LATIN))
    kept = "".join(c for c in decomposed if not unicodedata.combining(c))
    lost = any(c.isalnum() and not (c.isascii()) for c in kept)
    return re.sub(r"[^a-z0-9]+", "-", kept).strip("-"), lost


def _checked_prefix(prefix: str) -> str:
    # Two slugs and two slashes must still fit behind it.
    longest = REPOSITORY_LENGTH - 2 * (SLUG_LENGTH + 1)
    valid = all(_COMPONENT.fullmatch(part) for part in prefix.split("/"))
    if not valid or len(prefix) > longest:
        raise InvalidName(
            f"{prefix!r} is not a repository prefix: lower-case path, at most {longest} characters"
        )
    return prefix
