"""Step 3: runs BuildKit on the Dockerfile; the result is an OCI layout.

No credentials are here: what a Dockerfile runs can read whatever this container can
(--oci-worker-no-process-sandbox is what an unprivileged pod allows). docs/security.md says what
each of the two modes needs and risks.
"""

import json
import os
import subprocess
import tempfile
import time
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from image_builder.errors import BuildError
from image_builder.events import Log, tell
from image_builder.progress import Progress
from image_builder.settings import BASES, CACHE, CONFIG, CONTEXT, IMAGE

READY_SECONDS = 60
DENIED = ("denied by policy", "source not allowed", "not allowed by policy")


def build() -> None:
    """Build; afterwards IMAGE has the layout and BASES the bases with digests."""
    context = CONTEXT if CONTEXT.is_dir() else Path(tempfile.mkdtemp())
    rootless = os.environ.get("BUILD_MODE", "rootless") == "rootless"
    progress = Progress()
    with tempfile.TemporaryDirectory() as runtime, daemon(
        Path(runtime), rootless
    ) as address:
        last = solve(address, context, progress)
    if last is not None:
        raise failure(progress, last)
    BASES.write_text(json.dumps(progress.bases))


@contextmanager
def daemon(runtime: Path, rootless: bool) -> Iterator[str]:
    """Run buildkitd until the end of the block; give its address."""
    address = f"unix://{runtime}/buildkitd.sock"
    command = ["buildkitd", "--addr", address, "--root", str(CACHE / "buildkit")]
    command += ["--config", str(CONFIG / "buildkitd.toml")]
    if rootless:
        command += ["--rootless", "--oci-worker-no-process-sandbox"]
        wrap = ["rootlesskit", "--net=host", "--copy-up=/etc", "--copy-up=/run"]
        command = [*wrap, "--state-dir", str(runtime / "rootlesskit"), *command]
    environment = {**os.environ, "XDG_RUNTIME_DIR": str(runtime)}
    log = runtime / "buildkitd.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            command, stdout=output, stderr=output, env=environment
        )
        try:
            _await_ready(process, address, log)
            yield address
        finally:
            process.terminate()
            try:
                process.wait(3)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def solve(address: str, context: Path, progress: Progress) -> list[str] | None:
    """Carry out the Dockerfile; None, or the last lines that were no progress when it failed."""
    log, last = Log(), deque[str](maxlen=20)
    with subprocess.Popen(
        command(address, context), stderr=subprocess.PIPE, text=True, errors="replace"
    ) as process:
        assert process.stderr is not None
        for line in process.stderr:
            if not line.startswith("{"):
                last.append(line.rstrip())
            for event in progress.read(line):
                if "log" in event:
                    log.write(event["log"])
                else:
                    tell(**event)
    return list(last) if process.returncode else None


def command(address: str, context: Path) -> Sequence[str]:
    """Return the call of buildctl."""
    output = f"type=oci,dest={IMAGE},tar=false,compression=zstd"
    return [
        "buildctl",
        f"--addr={address}",
        "build",
        "--frontend=dockerfile.v0",
        f"--local=context={context}",
        f"--local=dockerfile={CONFIG}",
        f"--source-policy-file={CONFIG / 'policy.json'}",
        f"--output={output}",
        "--progress=rawjson",
    ]


def failure(progress: Progress, last: Sequence[str]) -> BuildError:
    """Return why a build failed, as people can use it."""
    text = "\n".join(last)
    failed = progress.failure
    reason = failed.error if failed else text
    if any(words in f"{reason}\n{text}".lower() for words in DENIED):
        return BuildError("source_denied", reason[-500:], log=text[-2000:])
    if "no space left on device" in f"{reason}\n{text}".lower():
        return BuildError("disk_full", reason[-500:], log=text[-2000:])
    step = failed.name if failed else ""
    return BuildError("build_failed", reason[-500:], step=step, log=text[-2000:])


def _await_ready(process: "subprocess.Popen[bytes]", address: str, log: Path) -> None:
    ask = ["buildctl", f"--addr={address}", "debug", "workers"]
    until = time.monotonic() + READY_SECONDS
    while process.poll() is None and time.monotonic() < until:
        if subprocess.run(ask, capture_output=True, check=False).returncode == 0:
            return
        time.sleep(0.1)
    raise BuildError(
        "builder_broken",
        "BuildKit does not start in this cluster.",
        log=log.read_text(errors="replace")[-3000:],
    )
