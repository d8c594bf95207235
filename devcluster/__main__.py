"""The command line: `python3 -m devcluster up|down|reset|status|load|kubeconfig|env`."""

from __future__ import annotations

import argparse
import json
import os
import shlex
import sys
from pathlib import Path

from devcluster.binaries import BUILDS, TOOLS, ensure_binaries, ensure_tool
from devcluster.cluster import Cluster
from devcluster.errors import DevclusterError
from devcluster.image import Images
from devcluster.settings import Settings


def parser() -> argparse.ArgumentParser:
    """The arguments."""
    top = argparse.ArgumentParser(prog="devcluster", description=__doc__)
    commands = top.add_subparsers(dest="command", required=True)
    commands.add_parser(
        "up", help="bring the cluster up; nothing happens when it is up"
    )
    commands.add_parser("build", help="build the programs only")
    for name, text in (
        ("down", "end the cluster, keep its data"),
        ("reset", "end the cluster, empty its state folder"),
    ):
        command = commands.add_parser(name, help=text)
        command.add_argument(
            "--take-over",
            action="store_true",
            help="also when another checkout started it",
        )
    status = commands.add_parser(
        "status", help="what runs; code 1 when not all of it does"
    )
    status.add_argument("--json", action="store_true", help="one JSON object")
    load = commands.add_parser("load", help="put an OCI archive into the cluster")
    load.add_argument("archive", type=Path)
    load.add_argument("--name", help="name and tag; default: the one in the archive")
    tool = commands.add_parser("tool", help="build one program, print its folder")
    tool.add_argument("name", choices=[build.name for build in [*TOOLS, *BUILDS]])
    commands.add_parser("kubeconfig", help="print the path of the kubeconfig")
    commands.add_parser("env", help="print what a shell needs: eval it")
    return top


def main(arguments: list[str] | None = None) -> int:
    """Run one command; a failure is a sentence on stderr and code 1."""
    options = parser().parse_args(arguments)
    settings = Settings.from_environment(os.environ)
    cluster = Cluster(settings, say)
    try:
        return run_command(options, settings, cluster)
    except DevclusterError as error:
        print(f"devcluster: {error}", file=sys.stderr)
        return 1


def run_command(
    options: argparse.Namespace, settings: Settings, cluster: Cluster
) -> int:
    """One branch a command."""
    match options.command:
        case "up":
            cluster.up()
        case "build":
            ensure_binaries(settings.cache, settings.bin, say)
        case "tool":
            print(ensure_tool(settings.cache, options.name, say))
        case "down":
            cluster.down(take_over=options.take_over)
        case "reset":
            cluster.reset(take_over=options.take_over)
        case "status":
            return print_status(cluster, as_json=options.json)
        case "load":
            print(Images(settings).load(options.archive, options.name))
        case "kubeconfig":
            print(settings.kubeconfig)
        case "env":
            for name, value in settings.environment().items():
                print(f"{name}={shlex.quote(value)}")
    return 0


def print_status(cluster: Cluster, *, as_json: bool) -> int:
    """Show what runs; the exit code says whether everything does."""
    status = cluster.status()
    if as_json:
        print(json.dumps(status, indent=2))
    else:
        components = status["components"]
        assert isinstance(components, dict)
        for name, pid in components.items():
            print(f"{name:26} {pid or 'not running'}")
        memory = status["memory_bytes"]
        used = f"{memory / 2**20:.0f} MiB" if isinstance(memory, int) else "unknown"
        print(f"{'node ready':26} {status['node_ready']}")
        print(f"{'memory, pods included':26} {used}")
        print(f"{'started by':26} {status['checkout']} (state {status['state']})")
    return 0 if status["running"] and status["node_ready"] else 1


def say(line: str) -> None:
    """Progress goes to stderr: what a command answers is alone on stdout."""
    print(f"devcluster: {line}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
