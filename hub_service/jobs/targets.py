"""Which image a save or a build makes a new version of."""

from collections.abc import Sequence
from dataclasses import dataclass

from hub_service.errors import Conflict, sentence
from hub_service.models import Job
from hub_service.rules.naming import checked_title, name_of_title
from hub_service.stores.catalogue import Catalogue


@dataclass(frozen=True)
class Target:
    """An image of a person, there already or about to be, and its next version."""

    name: str
    title: str
    number: int


def target(
    catalogue: Catalogue, active: Sequence[Job], owner: str, text: str
) -> Target:
    """Return what a person means by a title, or by the name of an image of theirs.

    - what only its case and spaces tell apart is the same title
    - Conflict when another image of theirs has the name that would be made of it ("C" and
      "C#"): nothing becomes a version of an image that its owner did not mean
    - images that jobs are making count as there
    """
    text = checked_title(text)
    mine = [job for job in active if job.owner == owner]
    titles = {job.image: job.title for job in mine}
    titles.update({one.name: one.title for one in catalogue.targets(owner)})
    same = [name for name, title in titles.items() if _folded(title) == _folded(text)]
    name = same[0] if same else name_of_title(text)
    known = titles.get(name)
    if known is not None and not same and name != _folded(text):
        raise Conflict(
            "name_taken",
            sentence(
                "{title} is too much like your image {known}. Choose another name, or write "
                "{known} to make a new version of it."
            ),
            title=text,
            known=known,
        )
    numbers = [job.number for job in mine if job.image == name]
    number = max([catalogue.last_number(owner, name), *numbers]) + 1
    return Target(name, known or text, number)


def _folded(title: str) -> str:
    return " ".join(title.split()).casefold()
