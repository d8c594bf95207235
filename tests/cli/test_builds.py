"""`desktops build`: the Dockerfile, the files that go along, the log, a refusal."""

import io
import os
import tarfile
import zipfile
from contextlib import chdir
from pathlib import Path

import pytest

from desktops_cli.contexts import pack
from desktops_cli.errors import UsageProblem
from desktops_cli.ignore import Ignored
from tests.cli.conftest import Desk
from tests.fakes.hub_service import Failure, FakeHubService

DOCKERFILE = "FROM base\nRUN true\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """What somebody builds from."""
    (tmp_path / "Dockerfile").write_text(DOCKERFILE)
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "map.tif").write_bytes(b"map" * 100)
    (tmp_path / "data" / ".env").write_text("secret")
    (tmp_path / "run.sh").write_text("true")
    (tmp_path / "run.sh").chmod(0o755)
    (tmp_path / "link").symlink_to("run.sh")
    os.mkfifo(tmp_path / "pipe")
    return tmp_path


def members(archive: bytes) -> dict[str, tarfile.TarInfo]:
    with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
        return {one.name: one for one in tar}


def test_a_dockerfile_alone(desk: Desk, fake: FakeHubService, folder: Path) -> None:
    with chdir(folder):
        result = desk("build", "GIS course", "--description", "from a file")
    assert result.code == 0, result.errors
    [request] = [one for one in fake.requests if one["what"] == "POST /builds"]
    assert request["body"] == {
        "image": "GIS course",
        "description": "from a file",
        "dockerfile": DOCKERFILE,
        "context": None,
        "start_test": True,
        "activate": True,
    }
    [job] = fake.jobs.values()
    assert (job["kind"], result.output) == ("build", f"{job['message']}\n")


def test_it_may_be_kept_back_and_not_tried(
    desk: Desk, fake: FakeHubService, folder: Path
) -> None:
    with chdir(folder):
        assert desk("build", "GIS course", "--no-test", "--stage").code == 0
    [request] = [one for one in fake.requests if one["what"] == "POST /builds"]
    body = request["body"]
    assert (body["start_test"], body["activate"]) == (False, False)


def test_a_folder_goes_along(desk: Desk, fake: FakeHubService, folder: Path) -> None:
    fake.play_seconds = None
    (folder / ".dockerignore").write_text("# not these\n**/.env\n")
    assert desk("build", "GIS", "--context", str(folder), "--detach").code == 0
    [(id, archive)] = fake.contexts.items()
    assert fake.requests[-1]["body"]["context"] == id
    assert fake.requests[-1]["body"]["dockerfile"] == DOCKERFILE
    sent = members(archive)
    names = [".dockerignore", "Dockerfile", "data", "data/map.tif", "link", "run.sh"]
    assert list(sent) == names
    assert sent["run.sh"].mode & 0o777 == 0o755
    assert sent["link"].linkname == "run.sh"
    assert {(one.uid, one.gid, one.uname) for one in sent.values()} == {(0, 0, "")}


def test_an_archive_goes_along_as_it_is(
    desk: Desk, fake: FakeHubService, folder: Path
) -> None:
    fake.play_seconds = None
    archive = folder / "files.zip"
    with zipfile.ZipFile(archive, "w") as file:
        file.writestr("a.txt", "a")
    words = ["--context", str(archive), "--file", "-", "--detach"]
    assert desk("build", "GIS", *words, typed=DOCKERFILE).code == 0
    assert list(fake.contexts.values()) == [archive.read_bytes()]
    assert fake.requests[-1]["body"]["dockerfile"] == DOCKERFILE


def test_the_log_stands_above_the_progress(
    desk: Desk, fake: FakeHubService, folder: Path
) -> None:
    fake.play_seconds = None
    words = ["build", "GIS", "--file", str(folder / "Dockerfile")]
    id = desk(*words, "--detach").output.strip()
    fake.print_log(id, "#1 FROM base\n#2 RUN true\n")
    fake.finish(id)
    result = desk("jobs", "--follow", id)
    assert (result.code, result.errors) == (0, "#1 FROM base\n#2 RUN true\n")


def test_a_refused_dockerfile_is_explained_line_by_line(
    desk: Desk, fake: FakeHubService, folder: Path
) -> None:
    problem = {"line": 2, "rule": "user", "message": "The last USER must be 1000."}
    details = {"problems": [problem]}
    words = ["build", "GIS", "--file", str(folder / "Dockerfile")]
    refused = Failure(422, "dockerfile_refused", "The Dockerfile was refused.", details)
    fake.fail("POST /builds", refused)
    result = desk(*words)
    assert result.code == 1
    assert result.errors.splitlines() == [
        "line 2: The last USER must be 1000.",
        "desktops: The Dockerfile was refused.",
    ]
    refused.times = 1
    fake.fail("POST /builds", refused)
    assert desk(*words, "--json").document["error"]["details"] == details


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--file", "nothing"], "cannot be read (No such file or directory)"),
        (["--context", "nothing"], "cannot be read (No such file or directory)"),
        (["--context", "Dockerfile"], "neither a folder nor a tar"),
    ],
)
def test_what_cannot_be_read_is_said(
    desk: Desk, fake: FakeHubService, folder: Path, words: list[str], said: str
) -> None:
    with chdir(folder):
        result = desk("build", "GIS", *words)
    assert (result.code, said in result.errors) == (2, True), result.errors
    assert fake.jobs == {}


def test_what_is_too_large_is_refused_before_it_is_sent(folder: Path) -> None:
    (folder / "random").write_bytes(os.urandom(200_000))
    with pytest.raises(UsageProblem) as refused, pack(folder, limit=100_000):
        pass
    assert refused.value.code == "context_too_large"
    with pack(folder, limit=300_000) as archive:
        assert 200_000 < archive.size == len(archive.file.read())


@pytest.mark.parametrize(
    ("patterns", "left_out", "taken"),
    [
        ("*.log", ["a.log"], ["d/a.log", "a.logs"]),
        ("**/*.log", ["a.log", "d/e/a.log"], ["log"]),
        ("/d", ["d", "d/a"], ["e/d"]),
        ("d/../e/", ["e", "e/a"], ["d"]),
        ("d\n!d/keep\n", ["d/a"], ["d/keep", "d/keep/a"]),
        ("!d/keep\nd", ["d/keep"], []),
        ("d/**/x", ["d/x", "d/a/b/x"], ["x", "d/xy"]),
        ("file?.[ch]", ["file1.c"], ["file.c", "file12.c", "file1.o"]),
        ("[^a].txt", ["b.txt"], ["a.txt"]),
        ("a\\*", ["a*"], ["ab"]),
        ("# note\n\n .git \n", [".git/config"], [".gitignore", "# note"]),
        ("**", ["a", "b/c"], []),
        ("(.+)", ["(.+)"], ["a"]),
    ],
)
def test_patterns_mean_what_docker_means(
    patterns: str, left_out: list[str], taken: list[str]
) -> None:
    ignored = Ignored(patterns)
    assert [path for path in left_out + taken if ignored.matches(path)] == left_out


def test_what_is_brought_back_from_an_ignored_folder_goes_along(folder: Path) -> None:
    (folder / ".dockerignore").write_text("*\n!data/map.tif\n!Dockerfile\n")
    with pack(folder) as archive:
        assert list(members(archive.file.read())) == ["Dockerfile", "data/map.tif"]
