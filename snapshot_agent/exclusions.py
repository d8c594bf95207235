"""What never goes into an image: mounts, runtime litter, caches, secrets, what was asked for.

Pure: paths in, reasons out. Paths are relative to the root of the container, without a
leading slash; the root itself is the empty string.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

MOUNT, RUNTIME, CACHE, SECRET = "mount", "runtime", "cache", "secret"
ASKED, HOME, SPECIAL = "asked", "home", "special"

# A pattern names a path of which nothing is taken; with `/*` at the end the directory itself
# stays. `*` matches within one component. `~` stands for every home: the pod's, /root, /home/*.
Table = tuple[tuple[str, str], ...]

TABLE: Table = (
    # Not tmpfs under CRI: containerd mounts nothing on /run.
    ("run/*", RUNTIME),
    ("var/run/*", RUNTIME),
    ("tmp/*", RUNTIME),
    ("var/tmp/*", RUNTIME),
    ("proc/*", RUNTIME),
    ("sys/*", RUNTIME),
    ("dev/*", RUNTIME),
    (".dockerenv", RUNTIME),
    ("var/lib/systemd/random-seed", RUNTIME),
    ("~/.local/share/jupyter/runtime/*", RUNTIME),
    ("~/.vnc/*.log", RUNTIME),
    ("~/.vnc/*.pid", RUNTIME),
    ("~/.ICEauthority", RUNTIME),
    ("~/.xsession-errors*", RUNTIME),
    ("~/.dbus/session-bus/*", RUNTIME),
    ("var/cache/apt/archives/*.deb", CACHE),
    ("var/cache/apt/archives/partial/*", CACHE),
    ("var/cache/apt/*.bin", CACHE),
    # Made anew by the next `apt-get update`, and old by then.
    ("var/lib/apt/lists/*", CACHE),
    ("~/.cache/*", CACHE),
    ("~/.npm/_cacache", CACHE),
    ("~/.conda/pkgs", CACHE),
    ("~/.local/share/Trash", CACHE),
    ("~/.ssh", SECRET),
    ("~/.gnupg", SECRET),
    ("~/.aws", SECRET),
    ("~/.azure", SECRET),
    ("~/.config/gcloud", SECRET),
    ("~/.kube", SECRET),
    ("~/.docker/config.json", SECRET),
    ("~/.netrc", SECRET),
    ("~/.git-credentials", SECRET),
    ("~/.config/git/credentials", SECRET),
    ("~/.config/gh", SECRET),
    ("~/.config/rclone", SECRET),
    ("~/.config/op", SECRET),
    ("~/.config/desktops/token", SECRET),
    ("~/.pypirc", SECRET),
    ("~/.npmrc", SECRET),
    ("~/.pgpass", SECRET),
    ("~/.my.cnf", SECRET),
    ("~/.huggingface", SECRET),
    ("~/.local/share/keyrings", SECRET),
    ("~/.local/share/kwalletd", SECRET),
    ("~/.config/filezilla", SECRET),
    # What extensions of VS Code have asked to be kept secret.
    ("~/.local/share/code-server/User/globalStorage/state.vscdb*", SECRET),
    ("~/.jupyter/*token*", SECRET),
    ("~/.jupyter/*cookie_secret*", SECRET),
    ("~/.jupyter/jupyter_server_config.json", SECRET),
    ("~/.jupyter/jupyter_notebook_config.json", SECRET),
    ("~/.local/share/jupyter/*cookie_secret*", SECRET),
    ("~/.vnc/passwd", SECRET),
    ("~/.config/tigervnc/passwd", SECRET),
    ("~/.Xauthority", SECRET),
    ("~/.*_history", SECRET),
    ("~/.lesshst", SECRET),
    ("~/.viminfo", SECRET),
    ("~/.recently-used*", SECRET),
    ("~/.local/share/recently-used.xbel", SECRET),
    ("~/.Rhistory", SECRET),
    ("etc/ssh/ssh_host_*", SECRET),
    ("var/run/secrets", SECRET),
    ("run/secrets", SECRET),
    ("~/.ipython/*/history.sqlite*", SECRET),
    ("~/.local/share/jupyter/notebook_secret", SECRET),
    # Firefox keeps its profiles in the second place nowadays.
    *(
        (f"~/{mozilla}/firefox/*/{what}", SECRET)
        for mozilla in (".mozilla", ".config/mozilla")
        for what in ("logins*.json", "key*.db", "cert9.db", "signons.sqlite")
        + ("cookies.sqlite*", "formhistory.sqlite*", "places.sqlite*")
        + ("webappsstore.sqlite*", "storage", "sessionstore*")
        # Accounts and addresses, and what names the sites that somebody was at.
        + ("logins.db*", "signedInUser.json", "autofill-profiles.json")
        + ("credentialstate.sqlite*", "favicons.sqlite*", "permissions.sqlite*")
        + ("content-prefs.sqlite*", "SiteSecurityServiceState*", "AlternateServices*")
        + ("bounce-tracking-protection.sqlite*", "protections.sqlite*")
        + ("serviceworker*.txt", "notificationstore.json")
    ),
    # Browsers of the Chromium family keep one folder for each profile.
    *(
        (f"~/.config/{browser}/*/{what}", SECRET)
        for browser in ("chromium*", "google-chrome*", "microsoft-edge*", "vivaldi*")
        for what in (
            "Cookies*",
            "Network",
            "Web Data*",
            "History*",
            "Sessions",
        )
        + (
            "Local Storage",
            "Session Storage",
            "IndexedDB",
            "Account*",
            "Login*",
            "Top Sites*",
        )
        + ("Favicons*", "Shortcuts*", "Visited Links", "Network Action Predictor*")
        + ("DIPS*", "Media History*", "Site Characteristics Database")
        + ("Service Worker", "WebStorage", "Sync Data")
    ),
)

# Identities of one machine: the file must exist and be empty, so that the next one makes its own.
EMPTIED = frozenset({"etc/machine-id", "var/lib/dbus/machine-id"})

# Mount destinations that every container has; nobody's data lies there.
_SYSTEM = re.compile(
    r"(proc|sys|dev|run/secrets|var/run/secrets|run/\.containerenv)(/.*)?"
    r"|etc/(hosts|hostname|resolv\.conf)"
)


class Rules:
    """Everything that decides about a path in one save.

    Asked directory by directory: `start` is the state of the root, `State.child` the one of a
    name in it. Most directories have no rule below them, and their state costs nothing.
    """

    def __init__(
        self,
        *,
        home: str,
        mounts: Iterable[str],
        asked: Iterable[str],
        include_home: bool,
        table: Table = TABLE,
    ) -> None:
        """Absolute paths; `table` is what `changed` makes of ours."""
        self.home = relative(home)
        self.mounts = tuple(sorted({relative(mount) for mount in mounts} - {""}))
        asked = sorted({relative(path) for path in asked} - {""})
        # Equal for two saves that leave out the same.
        self.choices: tuple[object, ...] = (self.home, self.mounts, tuple(asked))
        self.choices += (include_home,)
        # True when nothing was asked to be left out.
        self.whole = include_home and not asked
        root = _Node()
        for mount in self.mounts:
            root.add([_literal(part) for part in mount.split("/")], MOUNT)
        for pattern, reason in table:
            for parts in _expanded(pattern, self.home):
                root.add(parts, reason)
        for path in asked:
            root.add([_literal(part) for part in path.split("/")], ASKED)
        if not include_home and self.home:
            root.add([*map(_literal, self.home.split("/")), "*"], HOME)
        self.start = State((root,))

    @property
    def home_on_volume(self) -> bool:
        """True when the home is, or lies in, a mount: nothing of it can be saved."""
        return any(_within(self.home, mount) for mount in self.mounts)

    def reason(self, path: str) -> str | None:
        """Why nothing at this path is taken, None when it is."""
        state = self.start
        for name in path.split("/") if path else ():
            state = state.child(name)
            if state.reason is not None:
                return state.reason
        return None


class State:
    """The rules that may still apply at one path, and the reason when one does."""

    __slots__ = ("_nodes", "reason")

    def __init__(self, nodes: tuple[_Node, ...]) -> None:
        self._nodes = nodes
        reasons = [node.reason for node in nodes if node.reason is not None]
        self.reason = min(reasons, key=_ORDER.index) if reasons else None

    def child(self, name: str) -> State:
        if not self._nodes:
            return self
        found: list[_Node] = []
        for node in self._nodes:
            exact = node.literals.get(name)
            if exact is not None:
                found.append(exact)
            found += [
                child for glob, child in node.globs.values() if glob.fullmatch(name)
            ]
        return State(tuple(found)) if found else _NO_RULES


class _Node:
    """One component of the patterns that share what is before it."""

    __slots__ = ("literals", "globs", "reason")

    def __init__(self) -> None:
        self.literals: dict[str, _Node] = {}
        self.globs: dict[str, tuple[re.Pattern[str], _Node]] = {}
        self.reason: str | None = None

    def add(self, parts: list[str], reason: str) -> None:
        """Parts are globs of one component each; a literal begins with the mark of one."""
        if not parts:
            if self.reason is None or _ORDER.index(reason) < _ORDER.index(self.reason):
                self.reason = reason
            return
        part, rest = parts[0], parts[1:]
        if "*" in part and not part.startswith(_LITERAL):
            regex = re.compile(
                "".join(".*" if c == "*" else re.escape(c) for c in part), re.S
            )
            self.globs.setdefault(part, (regex, _Node()))[1].add(rest, reason)
        else:
            name = part.removeprefix(_LITERAL)
            self.literals.setdefault(name, _Node()).add(rest, reason)


# A slash cannot be in a name, so it can mark a part that is no glob.
_LITERAL = "/"
# Where several apply: a mount is never looked into, and a person sees the gravest reason.
_ORDER = (MOUNT, SECRET, RUNTIME, CACHE, SPECIAL, ASKED, HOME)
_NO_RULES = State(())


def changed(more: Iterable[str], less: Iterable[str]) -> Table:
    """Our table with an administrator's patterns, and without those that they take out.

    ValueError for a pattern that begins neither with `/` nor with `~/`, or that is to be taken
    out and is not in the table: a rule that silently does nothing would be worse than none.
    """
    kept = {_pattern(one) for one in less}
    unknown = kept - {pattern for pattern, _ in TABLE}
    if unknown:
        raise ValueError(f"not in the list, so not to be kept: {sorted(unknown)}")
    ours = tuple(one for one in TABLE if one[0] not in kept)
    return ours + tuple((_pattern(one), SECRET) for one in more)


def _pattern(text: str) -> str:
    pattern = text if text.startswith("~/") else text.removeprefix("/")
    parts = pattern.removeprefix("~/").split("/")
    if not text.startswith(("/", "~/")) or not all(parts) or {".", ".."} & set(parts):
        raise ValueError(f"{text!r} must begin with / or ~/ and name a path below it")
    return pattern


def hides_whiteouts(reason: str) -> bool:
    """True where the image below is to stay as it is: a deletion is not taken either."""
    return reason in (MOUNT, HOME)


def deleted_by_programs(path: str, home: str) -> bool:
    """True where programs delete files by themselves all the time, and people hardly ever."""
    if path.startswith("var/"):
        return True
    inside = path.removeprefix(home + "/")
    return bool(home) and inside != path and inside.startswith(".") and "/" in inside


def volumes(mounts: Iterable[str]) -> list[str]:
    """The mounts that may hold a person's data, as absolute paths."""
    return sorted(
        "/" + m for m in map(relative, mounts) if m and not _SYSTEM.fullmatch(m)
    )


def relative(path: str) -> str:
    """An absolute path without what changes nothing: `/home//jovyan/` is `home/jovyan`."""
    parts: list[str] = []
    for part in path.split("/"):
        if part == "..":
            parts = parts[:-1]
        elif part not in ("", "."):
            parts.append(part)
    return "/".join(parts)


def printable(path: str) -> str:
    """The absolute path for a report: names that are not UTF-8 are escaped."""
    return "/" + path.encode("utf-8", "backslashreplace").decode("utf-8")


def _literal(name: str) -> str:
    return _LITERAL + name


def _expanded(pattern: str, home: str) -> Iterable[list[str]]:
    parts = pattern.split("/")
    if parts[0] != "~":
        return [parts]
    homes = [["root"], ["home", "*"]]
    if home:
        homes.append([_literal(part) for part in home.split("/")])
    return [[*folder, *parts[1:]] for folder in homes]


def _within(path: str, folder: str) -> bool:
    return path == folder or path.startswith(folder + "/")
