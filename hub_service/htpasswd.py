"""Writes the registry's htpasswd file before it starts: python -m hub_service.htpasswd.

The registry knows bcrypt only, and asks it at every request: a pull or a save is some forty of
them, at 60 ms each with the usual cost of 10. That cost protects what people think up. The
chart's password is random and long, so the lowest cost is as safe and takes 1 ms.
"""

import sys
from pathlib import Path

import bcrypt

COST = 4
"""The lowest that bcrypt has."""

LONG_ENOUGH = 24
"""Characters, at 5 bits and more each: beyond guessing without any cost."""


def line(user: str, password: str) -> str:
    """Return the line of a user; ValueError when the password needs a slow hash."""
    if len(password) < LONG_ENOUGH:
        raise ValueError(
            f"The registry's password has fewer than {LONG_ENOUGH} characters: "
            "delete its Secret, and the chart makes a new one."
        )
    salt = bcrypt.gensalt(COST)
    # bcrypt reads 72 bytes; longer ones are refused by the library.
    return f"{user}:{bcrypt.hashpw(password.encode()[:72], salt).decode()}\n"


def main() -> None:
    """Read a folder with `username` and `password`, write the file."""
    account, target = Path(sys.argv[1]), Path(sys.argv[2])
    user, password = ((account / key).read_text() for key in ("username", "password"))
    target.write_text(line(user, password))


if __name__ == "__main__":
    main()
