"""Every entry of the list of what never goes into an image, and how an administrator changes it."""

from __future__ import annotations

import pytest
from traitlets import TraitError

from snapshot_agent.exclusions import (
    CACHE,
    EMPTIED,
    RUNTIME,
    SECRET,
    TABLE,
    Rules,
    changed,
)
from snapshot_agent.settings import SnapshotAgent

HOMES = ("home/jovyan", "home/other", "root")

# Written down once more, by what people have: an entry that is lost from the list fails here.
IN_A_HOME = """
.ssh/id_ed25519 .ssh/config .gnupg/private-keys-v1.d/x .aws/credentials .azure/accessTokens.json
.config/gcloud/credentials.db .kube/config .docker/config.json .netrc .git-credentials
.config/git/credentials .config/gh/hosts.yml .config/rclone/rclone.conf .config/op/config
.config/desktops/token .pypirc .npmrc .pgpass .my.cnf .huggingface/token
.local/share/keyrings/login.keyring .local/share/kwalletd/kdewallet.kwl
.config/filezilla/sitemanager.xml .local/share/code-server/User/globalStorage/state.vscdb
.jupyter/my_token .jupyter/jupyter_cookie_secret
.jupyter/jupyter_server_config.json .jupyter/jupyter_notebook_config.json
.local/share/jupyter/jupyter_cookie_secret .local/share/jupyter/notebook_secret
.ipython/profile_default/history.sqlite .ipython/profile_default/history.sqlite-journal
.vnc/passwd .config/tigervnc/passwd .Xauthority .bash_history .python_history .psql_history
.Rhistory .lesshst .viminfo .recently-used .recently-used.xbel .local/share/recently-used.xbel
"""  # fmt: skip
OF_A_FIREFOX = """
logins.json logins-backup.json key4.db cert9.db signons.sqlite cookies.sqlite cookies.sqlite-wal
formhistory.sqlite places.sqlite webappsstore.sqlite storage/x sessionstore.jsonlz4
logins.db signedInUser.json autofill-profiles.json credentialstate.sqlite favicons.sqlite
favicons.sqlite-wal permissions.sqlite content-prefs.sqlite SiteSecurityServiceState.bin
AlternateServices.bin bounce-tracking-protection.sqlite protections.sqlite serviceworker.txt
notificationstore.json
"""
OF_A_CHROMIUM = (
    "Login Data", "Login Data For Account", "Cookies", "Cookies-journal", "Network/Cookies",
    "Web Data", "History", "Sessions/1", "Local Storage/x", "Session Storage/x", "IndexedDB/x",
    "Account Web Data", "Top Sites", "Favicons", "Favicons-journal", "Shortcuts", "Visited Links",
    "Network Action Predictor", "DIPS", "Media History", "Site Characteristics Database/x",
    "Service Worker/x", "WebStorage/x", "Sync Data/x",
)  # fmt: skip
FIREFOXES = (".mozilla/firefox/a.default", ".config/mozilla/firefox/a.default")
CHROMIUMS = (
    "chromium",
    "google-chrome",
    "google-chrome-beta",
    "microsoft-edge",
    "vivaldi",
)
SECRETS = [
    *IN_A_HOME.split(),
    *(f"{profile}/{name}" for profile in FIREFOXES for name in OF_A_FIREFOX.split()),
    *(
        f".config/{browser}/{profile}/{name}"
        for browser in CHROMIUMS
        for profile in ("Default", "Profile 1")
        for name in OF_A_CHROMIUM
    ),
]
LITTER = """
run/x run/s6/container_environment/JUPYTERHUB_API_TOKEN var/run/x tmp/.X11-unix/X1 tmp/.X1-lock
var/tmp/x proc/1/environ sys/x dev/shm/x .dockerenv var/lib/systemd/random-seed
""".split()  # fmt: skip
LITTER_OF_A_HOME = """
.local/share/jupyter/runtime/kernel-1.json .vnc/host:1.log .vnc/host:1.pid .ICEauthority
.xsession-errors .xsession-errors.old .dbus/session-bus/x
""".split()  # fmt: skip
CACHES = """
var/cache/apt/archives/r.deb var/cache/apt/archives/partial/r.deb var/cache/apt/pkgcache.bin
var/lib/apt/lists/deb.debian.org_InRelease
"""
CACHES_OF_A_HOME = (
    ".cache/pip/x .npm/_cacache/x .conda/pkgs/x .local/share/Trash/files/x"
)


def rules(**options: object) -> Rules:
    given: dict[str, object] = {"home": "/home/jovyan", "mounts": (), "asked": ()}
    given["include_home"] = True
    return Rules(**(given | options))  # type: ignore[arg-type]


EXPECTED = (
    [(f"{home}/{path}", SECRET) for home in HOMES for path in SECRETS]
    + [("etc/ssh/ssh_host_rsa_key", SECRET), ("etc/ssh/ssh_host_ed25519_key", SECRET)]
    + [("run/secrets/x", SECRET), ("var/run/secrets/kubernetes.io/x/token", SECRET)]
    + [(path, RUNTIME) for path in LITTER]
    + [(f"{home}/{path}", RUNTIME) for home in HOMES for path in LITTER_OF_A_HOME]
    + [(path, CACHE) for path in CACHES.split()]
    + [(f"{home}/{path}", CACHE) for home in HOMES for path in CACHES_OF_A_HOME.split()]
)


def test_what_never_goes_into_an_image() -> None:
    ours = rules()
    assert [(path, ours.reason(path)) for path, _ in EXPECTED] == EXPECTED


@pytest.mark.parametrize(("pattern", "reason"), TABLE)
def test_every_entry_is_one_of_those(pattern: str, reason: str) -> None:
    """An entry that no path above is for has no test: add one."""
    less = pattern if pattern.startswith("~") else f"/{pattern}"
    without = rules(table=changed((), [less]))
    freed = [path for path, is_now in EXPECTED if without.reason(path) != is_now]
    # `jupyter_cookie_secret` and the like are under two entries.
    assert freed or pattern in COVERED_TWICE, pattern


COVERED_TWICE = {"run/secrets", "var/run/secrets"}


def test_identities_of_a_machine_are_emptied() -> None:
    assert EMPTIED == {"etc/machine-id", "var/lib/dbus/machine-id"}


def test_an_administrator_adds_to_the_list() -> None:
    table = changed(["/srv/keys", "~/.mytool/*.pem", "/opt/licences/*"], [])
    changed_rules = rules(table=table)
    for path in ("srv/keys", "srv/keys/a", "root/.mytool/a.pem", "opt/licences/x"):
        assert changed_rules.reason(path) == SECRET
        assert rules().reason(path) is None
    assert changed_rules.reason("opt/licences") is None
    assert changed_rules.reason("home/jovyan/.ssh") == SECRET


def test_an_administrator_takes_from_the_list() -> None:
    changed_rules = rules(table=changed([], ["~/.npmrc", "/etc/ssh/ssh_host_*"]))
    assert changed_rules.reason("home/jovyan/.npmrc") is None
    assert changed_rules.reason("etc/ssh/ssh_host_rsa_key") is None
    assert changed_rules.reason("home/jovyan/.netrc") == SECRET


@pytest.mark.parametrize(
    "traits",
    [
        {"leave_out": ["relative"]},
        {"leave_out": ["/"]},
        {"leave_out": ["~/"]},
        {"leave_out": ["/a/../b"]},
        {"leave_out": ["/a//b"]},
        {"leave_out": [""]},
        {"keep": ["~/.nothing-of-ours"]},
        {"keep": ["~/.ssh/id_rsa"]},
    ],
)
def test_a_pattern_that_would_do_nothing_is_refused(traits: dict[str, object]) -> None:
    with pytest.raises(TraitError, match=next(iter(traits))):
        SnapshotAgent(**traits)
