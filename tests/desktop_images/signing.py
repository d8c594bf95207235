"""A key of makers of packages, and a package archive that it signs."""

from __future__ import annotations

import hashlib
import subprocess
from pathlib import Path

SUITE = "bookworm"


class SigningKey:
    """A key that was just made, below `home`."""

    def __init__(self, home: Path, owner: str = "makers@example.org") -> None:
        home.mkdir(mode=0o700)
        self._home = home
        self._gpg = ["gpg", "--homedir", str(home), "--batch"]
        make = ["--passphrase", "", "--quick-generate-key", owner]
        self._run(*make)
        listed = self._run("--with-colons", "--list-keys").decode()
        lines = [line.split(":") for line in listed.splitlines()]
        self.fingerprint = next(line[9] for line in lines if line[0] == "fpr")
        self.public = self._run("--export")
        self.armoured = self._run("--armor", "--export")

    def sign(self, text: str) -> bytes:
        """The text with its signature around it."""
        return self._run("--clearsign", given=text.encode())

    def _run(self, *arguments: str, given: bytes = b"") -> bytes:
        done = subprocess.run(
            [*self._gpg, *arguments], input=given, capture_output=True, check=True
        )
        # Its agent would stay behind.
        command = ["gpgconf", "--homedir", str(self._home), "--kill", "all"]
        subprocess.run(command, check=False, capture_output=True)
        return done.stdout


def make_package(name: str, folder: Path) -> Path:
    """An empty package."""
    control = folder / f"{name}-tree/DEBIAN/control"
    control.parent.mkdir(parents=True)
    control.write_text(
        f"Package: {name}\nVersion: 1.0\nArchitecture: all\n"
        "Maintainer: makers <makers@example.org>\nDescription: of a test\n"
    )
    file = folder / f"{name}_1.0_all.deb"
    tree = str(control.parents[1])
    command = ["dpkg-deb", "--root-owner-group", "--build", tree, str(file)]
    subprocess.run(command, check=True, capture_output=True)
    return file


def make_archive(folder: Path, names: list[str], key: SigningKey) -> None:
    """Make `folder` an archive of empty packages, signed with the key."""
    folder.mkdir(parents=True, exist_ok=True)
    entries = []
    for name in names:
        file = make_package(name, folder)
        content = file.read_bytes()
        control = (folder / f"{name}-tree/DEBIAN/control").read_text()
        entries.append(
            f"{control}Filename: {file.name}\nSize: {len(content)}\n"
            f"SHA256: {hashlib.sha256(content).hexdigest()}\n"
        )
    command = ["dpkg", "--print-architecture"]
    architecture = subprocess.check_output(command, text=True).strip()
    index = f"main/binary-{architecture}/Packages"
    place = folder / "dists" / SUITE
    (place / index).parent.mkdir(parents=True)
    packages = "\n".join(entries).encode()
    (place / index).write_bytes(packages)
    checksum = hashlib.sha256(packages).hexdigest()
    release = (
        f"Codename: {SUITE}\nSuite: {SUITE}\nComponents: main\n"
        f"Architectures: {architecture}\nDate: Thu, 01 Jan 2026 00:00:00 UTC\n"
        f"SHA256:\n {checksum} {len(packages)} {index}\n"
    )
    (place / "InRelease").write_bytes(key.sign(release))
