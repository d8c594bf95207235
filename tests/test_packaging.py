"""What is installed is what is in the tree: an image gets a wheel, not a checkout."""

import subprocess
import sys
import zipfile
from pathlib import Path

ROOT = Path(__file__).parent.parent


def test_every_file_of_the_packages_is_in_the_wheel(tmp_path: Path) -> None:
    source = tmp_path / "source"
    tracked = subprocess.check_output(
        ["git", "ls-files", "-co", "--exclude-standard", "-z"], cwd=ROOT, text=True
    ).split("\0")
    packages = {file.split("/")[0] for file in tracked if file.endswith("/py.typed")}
    packages.discard("labextension")
    for file in tracked:
        path = ROOT / file
        if path.is_file() and ("/" not in file or file.split("/")[0] in packages):
            (source / file).parent.mkdir(parents=True, exist_ok=True)
            (source / file).write_bytes(path.read_bytes())

    subprocess.run(
        [
            sys.executable,
            "-m",
            "pip",
            "wheel",
            "--quiet",
            "--no-deps",
            "--no-build-isolation",
        ]
        + ["--wheel-dir", str(tmp_path), str(source)],
        check=True,
    )

    (wheel,) = tmp_path.glob("*.whl")
    installed = set(zipfile.ZipFile(wheel).namelist())
    expected = {file for file in tracked if file.split("/")[0] in packages}
    assert expected, "no package was found"
    assert {f for f in expected if (ROOT / f).is_file()} - installed == set()
