"""Server-sent events, read from bytes as they come (pure)."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass


@dataclass(frozen=True)
class Event:
    """One event of a stream."""

    name: str
    data: str
    id: str
    """The id to come back with after a broken connection; empty = none yet."""


def read_events(chunks: Iterable[bytes]) -> Iterator[Event]:
    """Give the events of a stream; comments and an event that is cut are none.

    Lines end as the service ends them, in a line feed: text within may hold any other sign.
    """
    rest, last_id = b"", ""
    name, data = "message", list[str]()
    for chunk in chunks:
        *lines, rest = (rest + chunk).split(b"\n")
        for line in lines:
            field, _, value = line.decode(errors="replace").partition(":")
            value = value.removeprefix(" ")
            if not line:
                if data:
                    yield Event(name, "\n".join(data), last_id)
                name, data = "message", []
            elif field == "event":
                name = value
            elif field == "data":
                data.append(value)
            elif field == "id":
                last_id = value
