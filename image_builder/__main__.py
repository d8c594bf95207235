"""python -m image_builder <step>."""

import signal
import sys
import time

from image_builder.errors import BuildError
from image_builder.events import failed, tell
from image_builder.steps import step


def main() -> int:
    """Run a step; what went wrong is the last line that it says."""
    # As the first process of a container it would not heed SIGTERM otherwise; what it started ends
    # with it.
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(143))
    name, began = sys.argv[1], time.monotonic()
    try:
        step(name)()
    except BuildError as error:
        failed(error)
        return 1
    tell(ended=name, seconds=round(time.monotonic() - began, 2))
    return 0


if __name__ == "__main__":
    sys.exit(main())
