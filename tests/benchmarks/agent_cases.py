"""The cases of `make bench-agent`: what is changed, what is measured, what the bar is."""

from __future__ import annotations

import json
import re
import shutil
import statistics
import subprocess
import sys
import time
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from snapshot_agent.capture.joining import MOST_SAVES
from tests.conformance.agents import Agent
from tests.conformance.nodes import Node, real_node, run
from tests.conformance.programs import running_programs
from tests.conformance.registries import find_registry, real_registry
from tests.images import Image

from . import references
from .clock import Clock
from .material import Material, base_image, write

MEGA = 10**6
_BIG_LAYERS = 8


@dataclass
class Desk:
    """A node with a running desktop, and the registry it is saved to."""

    node: Node
    registry: str
    image: Image
    folder: Path
    rounds: int = 0

    @property
    def upper(self) -> Path:
        """The container's upper directory, as the kernel tells it."""
        for line in Path("/proc/mounts").read_text().splitlines():
            fields = line.split()
            if fields[1] == str(self.node.merged):
                options = dict(
                    one.split("=", 1) for one in fields[3].split(",") if "=" in one
                )
                return Path(options["upperdir"])
        raise RuntimeError("the container's filesystem is not mounted")

    def round(self) -> Path:
        """A folder for one round; the one before is removed."""
        shutil.rmtree(self.folder / f"round-{self.rounds}", ignore_errors=True)
        self.rounds += 1
        made = self.folder / f"round-{self.rounds}"
        made.mkdir()
        return made


class Bench:
    """Runs cases and keeps their lines."""

    def __init__(self, folder: Path, rounds: int) -> None:
        self.folder = folder
        self.rounds = rounds
        self.material = Material()
        self.rows: list[tuple[str, str, str, str, str]] = []
        self.memory = 0
        self.log = ""

    @contextmanager
    def desk(
        self, name: str, entries: int = 2000, size: int = 40 * MEGA, saves: int = 0
    ) -> Iterator[Desk]:
        """A desktop on an image of so many entries and bytes, or that these saves made."""
        folder = self.folder / name
        folder.mkdir()
        binary = find_registry()
        busybox = shutil.which("busybox")
        assert binary is not None and busybox is not None
        layers = saves or (_BIG_LAYERS if entries > 10_000 else 2)
        trees = [
            self.material.tree(1000 + one, entries // layers, size // layers)
            for one in range(layers)
        ]
        image = base_image(trees, Path(busybox), saved=bool(saves))
        with real_registry(folder, binary) as registry:
            with real_node(folder, image, {}) as node:
                (folder / "image.tar").unlink()
                yield Desk(node, registry.url, image, folder)
        shutil.rmtree(folder)

    @asynccontextmanager
    async def agent(self, desk: Desk, **traits: Any) -> AsyncIterator[Agent]:
        """A fresh agent: nothing is known of earlier saves."""
        folder = desk.round()
        async with running_programs(
            desk.node, desk.registry, folder, **traits
        ) as programs:
            # A program that has been running for days has loaded everything that it needs.
            await programs.agent.http.post(
                "/v1/preview",
                json={"pod_uid": programs.agent.pod.uid, "container": "notebook"}
                | {"owner": "alice"},
            )
            yield programs.agent
            halves = (programs.capture, programs.api)
            self._note_memory([half.pid for half in halves])
            self.log = programs.capture.log.read_text()

    async def save(self, agent: Agent, image: str = "") -> dict[str, Any]:
        """One save into a repository of its own, by the caller's clock."""
        name = image or "bench-" + uuid.uuid4().hex[:20]
        start = time.monotonic()
        started = await agent.start(image=name)
        status = await agent.wait(started["id"], 900)
        assert status["state"] == "succeeded", status
        result: dict[str, Any] = status["result"]
        result["clock"] = time.monotonic() - start
        shown = {key: round(value, 3) for key, value in result["seconds"].items()}
        print(f"    save {result['clock']:.3f} s  {shown}", file=sys.stderr)
        return result

    def row(self, case: str, ours: str, reference: str, ratio: str, bar: str) -> None:
        self.rows.append((case, ours, reference, ratio, bar))
        print(f"| {case} | {ours} | {reference} | {ratio} | {bar} |", flush=True)

    def print_table(self) -> None:
        print("\n| case | agent | reference | ratio | bar |\n|---|---|---|---|---|")
        for row in self.rows:
            print("| " + " | ".join(row) + " |")
        print(f"\npeak memory of the agent: {self.memory / 1024:.0f} MiB (bar 256)")

    def _note_memory(self, pids: list[int]) -> None:
        """Of both halves: what each had at most, as if at the same moment."""
        found = [_most_memory(pid) for pid in pids]
        print(f"    peak memory {[one // 1024 for one in found]} MiB", file=sys.stderr)
        self.memory = max(self.memory, sum(found))


def _most_memory(pid: int) -> int:
    status = Path(f"/proc/{pid}/status").read_text()
    return int(re.search(r"VmHWM:\s+([0-9]+)", status).group(1))  # type: ignore[union-attr]


async def _against_diff(
    bench: Bench, desk: Desk, case: str, least: float, most: float | None
) -> None:
    ours, theirs = [], []
    async with bench.agent(desk) as agent:
        # The base's layers come into the mirror once in the life of a registry.
        await bench.save(agent)
    for _ in range(bench.rounds):
        diff = references.containerd_diff(desk.node, desk.registry)
        theirs.append(diff.seconds)
        print(f"    containerd Diff {diff.seconds:.2f} s", file=sys.stderr)
        references.forget(desk.node, diff.digest)
        async with bench.agent(desk) as agent:
            ours.append((await bench.save(agent))["clock"])
    mine, other = statistics.median(ours), statistics.median(theirs)
    bar = f"≥ {least:g} × faster" + (f", ≤ {most:g} s" if most else "")
    bench.row(
        f"{case}, against containerd's Diff (gzip) and push of its blob",
        f"{mine:.2f} s",
        f"{other:.2f} s",
        f"{other / mine:.1f} × faster",
        bar,
    )


async def big_image(bench: Bench) -> None:
    """5 MB changed on an image of 5 GB and 130,000 entries."""
    with bench.desk("big", 130_000, 5000 * MEGA) as desk:
        write(desk.node.merged, bench.material.tree(7, 60, 5 * MEGA))
        await _against_diff(bench, desk, "5 MB changed on 5 GB, 130k entries", 10, 1)


async def small(bench: Bench) -> None:
    """700 MB in 7,000 entries: against containerd's Diff, and against tar."""
    with bench.desk("small") as desk:
        write(desk.node.merged, bench.material.tree(8, 7000, 700 * MEGA))
        await _against_diff(bench, desk, "700 MB, 7k entries", 3, None)
        await _against_tar(bench, desk, "700 MB, 7k entries")


async def many(bench: Bench) -> None:
    """1.2 GB in 44,000 entries, against tar."""
    with bench.desk("many") as desk:
        write(desk.node.merged, bench.material.tree(9, 44_000, 1200 * MEGA))
        await _against_tar(bench, desk, "1.2 GB, 44k entries")


async def _against_tar(bench: Bench, desk: Desk, case: str) -> None:
    ours, theirs = [], []
    for _ in range(bench.rounds):
        folder = desk.folder / "tar"
        tar = references.tar_and_zstd(desk.upper, desk.registry, folder)
        shutil.rmtree(folder)
        theirs.append(tar.seconds)
        print(f"    tar and zstd {tar.seconds:.2f} s", file=sys.stderr)
        async with bench.agent(desk) as agent:
            ours.append((await bench.save(agent))["clock"])
    mine, other = statistics.median(ours), statistics.median(theirs)
    bench.row(
        f"{case}, against `tar --xattrs \\| zstd -3 -T0`, both SHA-256, curl",
        f"{mine:.2f} s",
        f"{other:.2f} s",
        f"{mine / other:.2f} × its time",
        "≤ 1.3 × its time",
    )


async def million(bench: Bench) -> None:
    """A million empty files, once: what it takes of time, memory and disk; nothing beside it."""
    with bench.desk("million") as desk:
        for folder in range(1000):
            place = desk.node.merged / f"opt/million/{folder}"
            place.mkdir(parents=True)
            for name in range(1000):
                (place / str(name)).touch()
        async with bench.agent(desk) as agent:
            result = await bench.save(agent)
    size = sum(result["new_layers"].values())
    bench.row(
        "a million empty files in a thousand folders",
        f"{result['clock']:.0f} s, {size / MEGA:.0f} MB, froze {result['seconds']['freeze']:.3f} s",
        "",
        "",
        "",
    )


async def freeze(bench: Bench) -> None:
    """50,000 changed entries and a program that writes all the time."""
    with bench.desk("freeze") as desk:
        write(desk.node.merged, bench.material.tree(10, 50_000, 400 * MEGA))
        gaps, told, named = [], [], set()
        with Clock(desk.node) as clock:
            for _ in range(bench.rounds):
                start = time.time()
                async with bench.agent(desk) as agent:
                    result = await bench.save(agent)
                end, seconds = _freeze_of(bench.log)
                gaps.append(clock.longest(end - seconds, end))
                others = clock.longest(start, end - 1)
                told.append(result["seconds"]["freeze"])
                named |= set(result["changed_while_saved"])
                print(
                    f"    gap {gaps[-1] * 1000:.0f} ms, while it is read {others * 1000:.0f} ms",
                    file=sys.stderr,
                )
    bench.row(
        "freeze, 50k changed entries, a program writing all the time",
        f"{statistics.median(gaps) * 1000:.0f} ms (longest {max(gaps) * 1000:.0f})",
        f"agent's own clock: {statistics.median(told) * 1000:.0f} ms",
        f"named: {len(named)}",
        "≤ 100 ms",
    )


def _freeze_of(log: str) -> tuple[float, float]:
    """When the agent let go, and how long it had held, of the last line that says so."""
    line = next(line for line in log.splitlines()[::-1] if "thawed" in line)
    print(f"    {line}", file=sys.stderr)
    entry = json.loads(line)
    when = datetime.fromisoformat(entry["time"]).timestamp()
    return when, float(re.search(r"thaw=([0-9.]+)", line).group(1))  # type: ignore[union-attr]


async def second(bench: Bench) -> None:
    """5 MB more, after a save of 700 MB or more, and nothing more after that."""
    await _second(bench, "700 MB", 7000, 700 * MEGA)
    await _second(bench, "1.2 GB, 44k entries", 44_000, 1200 * MEGA)


async def _second(bench: Bench, case: str, entries: int, size: int) -> None:
    with bench.desk("second") as desk:
        write(desk.node.merged, bench.material.tree(11, entries, size))
        firsts, seconds, nothing = [], [], []
        for number in range(bench.rounds):
            async with bench.agent(desk) as agent:
                name = "bench-" + uuid.uuid4().hex[:20]
                firsts.append((await bench.save(agent, name))["clock"])
                tree = bench.material.tree(100 + number, 60, 5 * MEGA)
                write(desk.node.merged / f"opt/more-{number}", tree)
                seconds.append((await bench.save(agent, name))["clock"])
                nothing.append((await bench.save(agent, name))["clock"])
    mine, other = statistics.median(seconds), statistics.median(firsts)
    bench.row(
        f"second save after 5 MB more, first save {case}",
        f"{mine:.2f} s (nothing more: {statistics.median(nothing):.2f} s)",
        f"first save: {other:.2f} s",
        f"{other / mine:.1f} × faster",
        "≤ 1 s",
    )


async def joined(bench: Bench) -> None:
    """5 MB changed on nine saves, which become one, beside the same with these left alone."""
    count = MOST_SAVES + 1
    with bench.desk("joined", 7000, 700 * MEGA, saves=count) as desk:
        write(desk.node.merged, bench.material.tree(13, 60, 5 * MEGA))
        times: dict[bool, list[float]] = {False: [], True: []}
        async with bench.agent(desk, join_saves=False) as agent:
            # The base's layers come into the mirror once in the life of a registry.
            await bench.save(agent)
        for _ in range(bench.rounds):
            for join, found in times.items():
                async with bench.agent(desk, join_saves=join) as agent:
                    result = await bench.save(agent)
                assert len(result["joined_layers"]) == (count if join else 0)
                found.append(result["clock"])
    mine, other = statistics.median(times[True]), statistics.median(times[False])
    bench.row(
        f"5 MB changed on {count} saves of 700 MB in all, 7k entries, which become one",
        f"{mine:.2f} s",
        f"{other:.2f} s (left alone)",
        "",
        "",
    )


async def pull(bench: Bench) -> None:
    """containerd pulls and unpacks our layers, and one gzip layer of the same content."""
    with bench.desk("pull") as desk:
        write(desk.node.merged, bench.material.tree(12, 44_000, 1200 * MEGA))
        diff = references.containerd_diff(desk.node, desk.registry)
        theirs = references.gzip_image(desk.node, desk.registry, desk.image, diff)
        references.forget(desk.node, diff.digest)
        async with bench.agent(desk) as agent:
            result = await bench.save(agent)
        ours = result["reference"].split("/", 1)[1].split("@")[0]
        times: dict[str, list[float]] = {ours: [], theirs: []}
        for _ in range(bench.rounds):
            for reference, found in times.items():
                found.append(_pull(desk, reference))
    mine, other = statistics.median(times[ours]), statistics.median(times[theirs])
    bench.row(
        "pull and unpack, 1.2 GB, 44k entries, against one gzip layer",
        f"{mine:.2f} s ({len(result['new_layers'])} layers)",
        f"{other:.2f} s",
        f"{other / mine:.1f} × faster",
        "≥ 2 × faster",
    )


def _pull(desk: Desk, name: str) -> float:
    """Seconds for what is above the base, which the node has."""
    reference = f"{desk.registry.removeprefix('http://')}/{name}"
    subprocess.run(["sync"], check=True)
    start = time.monotonic()
    run([*desk.node.ctr, "images", "pull", "--plain-http", reference])
    seconds = time.monotonic() - start
    print(f"    pull {name[:12]} {seconds:.2f} s", file=sys.stderr)
    run([*desk.node.ctr, "images", "rm", "--sync", reference])
    return seconds


CASES: dict[str, Callable[[Bench], Awaitable[None]]] = {
    "small": small,
    "many": many,
    "freeze": freeze,
    "second": second,
    "joined": joined,
    "million": million,
    "pull": pull,
    "big": big_image,
}
