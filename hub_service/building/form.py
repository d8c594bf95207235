"""The Dockerfile that the form "from a list of packages" makes (pure)."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from hub_service.errors import BadRequest, sentence

APT = re.compile(r"[a-z0-9][a-z0-9+.-]+(:[a-z0-9]+)?(=[A-Za-z0-9.+~:-]+)?")
"""Debian policy 5.6.7; with an architecture or a version, as apt takes them."""
PIP = re.compile(
    r"[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?"
    r"(\[[A-Za-z0-9._,-]+\])?"
    r"((==|>=|<=|~=|!=|<|>)[A-Za-z0-9.*+!-]+(,(==|>=|<=|~=|!=|<|>)[A-Za-z0-9.*+!-]+)*)?"
)
"""Names and versions (PEP 508) without addresses, options and files."""
MOST = 200
NOTE_LENGTH = 2000


@dataclass(frozen=True)
class Form:
    """What a person chose."""

    base: str
    apt: Sequence[str] = ()
    pip: Sequence[str] = ()
    r: Sequence[str] = ()
    note: str = ""
    """Shown in a file on the desktop."""


def dockerfile(form: Form) -> str:
    """Return the Dockerfile of a form, or raise BadRequest with the word that cannot be.

    R packages are Debian's: r-cran-<name>.
    """
    apt = [*_checked("apt", APT, form.apt)]
    apt += [f"r-cran-{name.lower()}" for name in _checked("r", APT_R, form.r)]
    pip = _checked("pip", PIP, form.pip)
    lines = [f"FROM {form.base}"]
    if apt:
        names = " \\\n      ".join(sorted(set(apt)))
        lines += [
            "USER root",
            "RUN apt-get update -qq \\",
            " && apt-get install -qq -y --no-install-recommends \\",
            f"      {names} \\",
            " && clean-layer.sh",
        ]
    if pip:
        # Quoted: a version's < and > are the shell's too.
        names = " \\\n      ".join(f'"{one}"' for one in dict.fromkeys(pip))
        lines += ["USER 1000", f"RUN pip install --no-cache-dir \\\n      {names}"]
    lines += _note(form.note)
    return "\n".join([*lines, "USER 1000", ""])


def _note(note: str) -> list[str]:
    note = note.strip()
    if not note:
        return []
    if len(note) > NOTE_LENGTH:
        raise BadRequest(
            "note_too_long",
            sentence(
                "This note has {length} characters; at most {limit} fit. Shorten it."
            ),
            length=len(note),
            limit=NOTE_LENGTH,
        )
    # A word that no line of the note is.
    end = "END_OF_NOTE"
    while end in note:
        end += "_"
    place = "/home_nbuser_default/Desktop"
    return [
        "USER 1000",
        # Both: a new home is copied from the second.
        f"RUN mkdir -p /home/jovyan/Desktop {place}",
        f"COPY --chown=1000:100 <<'{end}' /home/jovyan/Desktop/README.txt",
        note,
        end,
        f"COPY --chown=1000:100 <<'{end}' {place}/README.txt",
        note,
        end,
    ]


APT_R = re.compile(r"[A-Za-z0-9][A-Za-z0-9.]*")


def _checked(
    kind: str, pattern: re.Pattern[str], names: Sequence[str]
) -> Sequence[str]:
    if len(names) > MOST:
        raise BadRequest(
            "too_many_packages",
            sentence("A list holds at most {limit} packages; this one has {count}."),
            limit=MOST,
            count=len(names),
        )
    for name in names:
        if not pattern.fullmatch(name) or len(name) > 200:
            raise BadRequest(
                "package_invalid",
                sentence("{name} is not the name of a package of {kind}."),
                details={"kind": kind, "name": name[:200]},
                name=name[:60],
                kind=kind,
            )
    return names
