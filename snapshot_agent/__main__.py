"""python -m snapshot_agent api | capture: the two halves of the agent, each its own process."""

from __future__ import annotations

import sys


def main() -> None:
    """Run the half that the first argument names."""
    half, rest = (sys.argv[1:2] or [""])[0], sys.argv[2:]
    # Imported one by one: neither half has the other's libraries in it.
    if half == "api":
        from snapshot_agent.api.app import Api

        Api.launch_instance(rest)
    elif half == "capture":
        from snapshot_agent.capture.app import CaptureProgram

        CaptureProgram.launch_instance(rest)
    else:
        sys.exit(__doc__)


if __name__ == "__main__":
    main()
