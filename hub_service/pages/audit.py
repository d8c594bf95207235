"""What an act of the audit changed, in words (pure)."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from desktop_i18n import Translate
from hub_service.models import Act
from hub_service.pages.figures import limit_words, people_bytes

Details = Mapping[str, Any]


def act_words(act: Act, _: Translate) -> list[str]:
    """Return a few words for each thing that an act changed.

    What an older release wrote down, and nobody has words for, stays as it is.
    """
    says = KINDS.get(act.action.partition(".")[0], _as_it_is)
    return [words for words in says(act.details, _) if words]


def target_words(act: Act, _: Translate) -> str:
    """Return what an act was about."""
    kind, _mark, rest = act.target.partition(":")
    if act.action.startswith("quota."):
        whom, _mark, name = rest.partition("/")
        words = {"user": _("user"), "group": _("each member of the group")}
        return f"{words[whom]} {name}" if whom in words else _("everybody")
    if act.action.startswith("retention."):
        return _("Unused versions")
    if act.action.startswith("spawn-page."):
        return _("Spawn page")
    if act.action.startswith("cleanup."):
        return _("Storage")
    return _("{title}, version {number}", title=kind, number=rest) if rest else kind


def _image(details: Details, _: Translate) -> list[str]:
    said = {**_looks(details, _), **_who(details, _)}
    return [said.get(key) or _plain(key, details[key]) for key in details]


def _looks(details: Details, _: Translate) -> dict[str, str]:
    """Return what is said of each field that people see of an image."""
    text, tags = details.get("description"), ", ".join(details.get("tags") or ())
    limits = ", ".join(limit_words(details.get("limits") or {}, _))
    return {
        "title": _("name: {title}", title=details.get("title")),
        "description": (
            _("description: {text}", text=text) if text else _("no description")
        ),
        "icon": _("picture: {name}", name=details.get("icon")),
        "tags": _("tags: {names}", names=tags) if tags else _("no tags"),
        "limits": _("at most {limits}", limits=limits) if limits else _("no limits"),
    }


def _who(details: Details, _: Translate) -> dict[str, str]:
    """Return what is said of each field that decides who starts what."""
    users = ", ".join(details.get("shared_users") or ())
    groups = ", ".join(details.get("shared_groups") or ())
    return {
        "visibility": _("now {word}", word=_(str(details.get("visibility")))),
        "active": _("version {number} is active", number=details.get("active")),
        "published": (
            _("everybody starts version {number}", number=details["published"])
            if details.get("published")
            else _("nothing is published")
        ),
        "shared_users": (
            _("shared with {names}", names=users)
            if users
            else _("shared with no person")
        ),
        "shared_groups": (
            _("shared with the groups {names}", names=groups)
            if groups
            else _("shared with no group")
        ),
        "kubeflow": (
            _("in Kubeflow's form")
            if details.get("kubeflow")
            else _("not in Kubeflow's form")
        ),
    }


def _publication(details: Details, _: Translate) -> list[str]:
    return [str(details.get("reason") or "")]


def _quota(details: Details, _: Translate) -> list[str]:
    if not details:
        return []
    size, versions = details.get("bytes"), details.get("versions")
    return [
        (
            _("no limit of space")
            if size is None
            else _("at most {limits}", limits=people_bytes(size, _))
        ),
        (
            _("any number of versions")
            if versions is None
            else _.ngettext(
                "at most {count} version", "at most {count} versions", versions
            )
        ),
    ]


def _retention(details: Details, _: Translate) -> list[str]:
    size, days = people_bytes(details.get("bytes"), _), details.get("days") or 0
    words = [
        _.ngettext("not started for {count} day", "not started for {count} days", days)
    ]
    if "deleted" not in details:
        found = details.get("versions") or 0
        words.append(_.ngettext("{count} version", "{count} versions", found))
        return [*words, _("would free {size}", size=size)]
    gone, kept = details["deleted"], details.get("kept")
    words.append(
        _.ngettext("{count} version deleted", "{count} versions deleted", gone)
    )
    if kept:
        words.append(
            _.ngettext("{count} kept as in use", "{count} kept as in use", kept)
        )
    return [*words, _("frees {size}", size=size)]


def _order(details: Details, _: Translate) -> list[str]:
    order: Sequence[str] = details.get("order") or ()
    names = ", ".join(order)
    return [_("first: {names}", names=names) if names else _("no order of their own")]


def _job(details: Details, _: Translate) -> list[str]:
    # Its beginning is enough for the command, and for a person.
    return [_("job {id}", id=str(details.get("job"))[:8])]


def _as_it_is(details: Details, _: Translate) -> list[str]:
    return [_plain(key, value) for key, value in details.items()]


def _plain(key: str, value: Any) -> str:
    return f"{key}: {value}"


KINDS: dict[str, Callable[[Details, Translate], list[str]]] = {
    "image": _image,
    "publication": _publication,
    "quota": _quota,
    "retention": _retention,
    "spawn-page": _order,
    "job": _job,
}
