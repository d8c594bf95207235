"""What a Dockerfile may say: each refusal with its line and rule, before anything runs."""

import json

import pytest

from hub_service.building.form import Form, dockerfile
from hub_service.building.rules import prepared, problems
from hub_service.building.source_policy import canonical, source_policy
from hub_service.errors import BadRequest

OFFERED = {
    "remote-desktop": "example.org/base:1",
    "example.org/base:1": "example.org/base:1",
}


def found(text: str) -> list[tuple[int, str]]:
    return [(one.line, one.rule) for one in problems(text, OFFERED)]


@pytest.mark.parametrize(
    "text",
    [
        "FROM remote-desktop\n",
        "# escape=`\nFROM example.org/base:1 AS a\nRUN x `\n  y\nFROM a\nCOPY --from=0 /a /b\n",
        "# syntax=docker/dockerfile:1\nFROM remote-desktop\n",
        "ARG X=1\nfrom remote-desktop as one\nRUN <<END\nFROM alpine\nEND\n"
        "FROM one\nCOPY --from=ONE a b\n",
        "FROM remote-desktop\nRUN --mount=type=cache,target=/x --network=none true\n",
        "FROM remote-desktop\nADD a.tar.gz /x\nCOPY . .\n",
    ],
)
def test_what_is_allowed(text: str) -> None:
    assert found(text) == []


@pytest.mark.parametrize(
    ("text", "line", "rule"),
    [
        ("FROM ubuntu:latest\n", 1, "base_forbidden"),
        ("FROM remote-desktop:2\n", 1, "base_forbidden"),
        ("FROM remote-desktop AS a\nFROM alpine\n", 2, "base_forbidden"),
        ("ARG X=alpine\nFROM ${X}\n", 2, "base_variable"),
        ("FROM remote-desktop\nCOPY --from=alpine / /\n", 2, "base_forbidden"),
        (
            "FROM remote-desktop\nCOPY --from=1 / /\nFROM remote-desktop\n",
            2,
            "base_forbidden",
        ),
        (
            "FROM remote-desktop\n\nRUN --mount=type=bind,from=alpine,target=/x ls\n",
            3,
            "base_forbidden",
        ),
        (
            'FROM remote-desktop\nRUN --mount=type=bind,"FROM=alpine",target=/x ls\n',
            2,
            "base_forbidden",
        ),
        ("# syntax=evil.org/frontend\nFROM remote-desktop\n", 1, "syntax_image"),
        ("FROM remote-desktop\nADD https://example.org/x /x\n", 2, "add_url"),
        ("FROM remote-desktop\nADD git@example.org:x.git /x\n", 2, "add_url"),
        ("FROM remote-desktop\nONBUILD COPY --from=alpine / /\n", 2, "base_forbidden"),
        ("FROM remote-desktop\nRUN --security=insecure id\n", 2, "host_access"),
        ("FROM remote-desktop\nRUN --network=host id\n", 2, "host_access"),
        ("RUN true\n", 1, "no_base"),
        ("", 1, "no_base"),
        ("FROM remote-desktop\nFOO bar\n", 2, "syntax"),
        ("FROM remote-desktop\nRUN\n", 2, "syntax"),
        ("FROM remote-desktop\nRUN <<END\nx\n", 2, "syntax"),
        ("FROM a b c d\n", 1, "syntax"),
        ("#" * 300_000, 1, "too_long"),
    ],
)
def test_what_is_refused(text: str, line: int, rule: str) -> None:
    assert found(text) == [(line, rule)]


def test_every_problem_is_named() -> None:
    assert found("FROM alpine\nADD http://x/y /z\n") == [
        (1, "base_forbidden"),
        (2, "add_url"),
    ]


def test_short_names_are_proposed() -> None:
    [problem] = problems("FROM alpine\n", OFFERED)
    assert problem.values == {"image": "alpine", "offered": "remote-desktop"}


def test_the_reader_that_a_file_asks_for_is_left_out_and_lines_stay() -> None:
    text = (
        "# syntax=docker/dockerfile:1\n# escape=`\nFROM remote-desktop\nRUN a `\n b\n"
    )
    result = prepared(text)
    assert "syntax" not in result
    assert result.splitlines()[2:] == text.splitlines()[2:]
    assert result.startswith("# escape=`\n")


def test_the_policy_denies_all_but_what_is_offered() -> None:
    rules = json.loads(source_policy(OFFERED))["rules"]
    everything = {"identifier": ".*", "match_type": "REGEX"}
    assert rules[0] == {"action": "DENY", "selector": everything}
    converted = [one for one in rules if one["action"] == "CONVERT"]
    assert [one["selector"]["identifier"] for one in converted] == [
        "docker-image://docker.io/library/remote-desktop:latest"
    ]
    assert converted[0]["updates"]["identifier"] == "docker-image://example.org/base:1"


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("alpine", "docker.io/library/alpine:latest"),
        ("a/b:1", "docker.io/a/b:1"),
        ("localhost:5000/a", "localhost:5000/a:latest"),
    ],
)
def test_names_are_those_that_buildkit_asks_for(written: str, meant: str) -> None:
    assert canonical(written) == meant


@pytest.mark.parametrize(
    "form",
    [
        Form("remote-desktop", apt=["sl; rm -rf /"]),
        Form("remote-desktop", apt=["-o=x"]),
        Form("remote-desktop", pip=["git+https://example.org/x"]),
        Form("remote-desktop", pip=["--index-url=x"]),
        Form("remote-desktop", pip=['x"; id; "']),
        Form("remote-desktop", r=["sf$(id)"]),
        Form("remote-desktop", apt=["a"] * 201),
        Form("remote-desktop", note="x" * 2001),
    ],
)
def test_a_list_holds_names_only(form: Form) -> None:
    with pytest.raises(BadRequest):
        dockerfile(form)


def test_a_note_is_a_text_whatever_it_says() -> None:
    note = "hello\nEND_OF_NOTE\nRUN id\n$HOME `x`"
    text = dockerfile(Form("remote-desktop", note=note))
    assert found(text) == []
    assert text.count("<<'END_OF_NOTE_'") == 2
