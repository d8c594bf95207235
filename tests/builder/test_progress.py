"""What people read of BuildKit's progress."""

import base64
import json
from typing import Any

from image_builder.progress import Progress

START = "2026-11-21T03:50:34.461885763Z"


def vertex(digest: str, name: str, **fields: Any) -> str:
    return json.dumps({"vertexes": [{"digest": digest, "name": name, **fields}]})


def wrote(digest: str, text: str, at: str = START) -> str:
    data = base64.b64encode(text.encode()).decode()
    return json.dumps({"logs": [{"vertex": digest, "data": data, "timestamp": at}]})


def told(progress: Progress, *lines: str) -> tuple[str, list[dict[str, Any]]]:
    """Return the log and the last steps."""
    events = [event for line in lines for event in progress.read(line)]
    log = "".join(event.get("log", "") for event in events)
    steps = [event["steps"] for event in events if "steps" in event]
    return log, steps[-1] if steps else []


def test_an_instruction_from_its_start_to_its_end() -> None:
    log, steps = told(
        Progress(),
        # BuildKit announces the last one first.
        vertex("c", "[3/3] RUN later"),
        vertex("b", "[2/3] RUN echo hi"),
        vertex("b", "[2/3] RUN echo hi", started=START),
        wrote("b", "hi\n", "2026-11-21T03:50:35.961885763Z"),
        vertex(
            "b",
            "[2/3] RUN echo hi",
            started=START,
            completed="2026-11-21T03:50:36.961885763Z",
        ),
    )
    assert log == "#1 [2/3] RUN echo hi\n#1 1.5 hi\n#1 done 2.5 s\n"
    assert steps == [
        {"name": "[2/3] RUN echo hi", "state": "done", "seconds": 2.5},
        {"name": "[3/3] RUN later", "state": "waiting", "seconds": 0.0},
    ]


def test_lines_come_whole_and_progress_bars_once() -> None:
    log, _ = told(
        Progress(),
        vertex("b", "[1/1] RUN x", started=START),
        wrote("b", "Reading 5%\rReading 50%\r"),
        wrote("b", "Reading 100%\nhal"),
        wrote("b", "f\r\n"),
        wrote("b", "the end"),
        vertex("b", "[1/1] RUN x", started=START, completed=START),
    )
    assert log.splitlines()[1:] == [
        "#1 0.0 Reading 100%",
        "#1 0.0 half",
        "#1 the end",
        "#1 done 0.0 s",
    ]


def test_a_base_is_known_with_its_digest_and_named_once() -> None:
    progress = Progress()
    name = f"[1/2] FROM example.org/base:1@sha256:{'a' * 64}"
    lines = [vertex("a", name, started=START)]
    lines += [vertex("a", name, started=START, completed=START)] * 2
    log, _ = told(progress, *lines)
    assert log == f"#1 {name}\n"
    assert progress.bases == {"example.org/base:1": f"sha256:{'a' * 64}"}


def test_what_comes_from_the_cache_and_what_fails_says_so() -> None:
    progress = Progress()
    log, steps = told(
        progress,
        vertex("a", "[1/2] RUN a", cached=True, started=START, completed=START),
        vertex("b", "[2/2] RUN b", started=START, error="exit code: 3"),
    )
    assert "#1 from the cache\n" in log and "#2 failed: exit code: 3\n" in log
    assert [step["state"] for step in steps] == ["cached", "failed"]
    assert progress.failure and progress.failure.name == "[2/2] RUN b"


def test_work_of_its_own_is_not_shown_unless_it_fails() -> None:
    progress = Progress()
    internal = "[internal] load metadata for docker.io/library/alpine"
    assert told(progress, vertex("a", internal, started=START)) == ("", [])
    log, _ = told(progress, vertex("a", internal, started=START, error="denied"))
    assert "denied" in log


def test_bytes_are_counted_over_all_layers() -> None:
    progress = Progress()
    moved = [
        json.dumps(
            {
                "statuses": [
                    {"id": f"sha256:{n}", "vertex": "a", "current": c, "total": 100}
                ]
            }
        )
        for n, c in ((1, 0), (2, 50), (1, 100), (2, 100))
    ]
    lines = [vertex("a", "[1/1] FROM x", started=START), *moved]
    events = [event for line in lines for event in progress.read(line)]
    assert [event["bytes"] for event in events if "bytes" in event][-1] == [200, 200]


def test_a_line_that_is_no_json_is_not_progress() -> None:
    assert list(Progress().read("time=now level=warning\n")) == []
