"""python -m image_scanner <step>: the last line that it says is its end."""

import os
import signal
import sys
import time
from collections.abc import Callable

from image_scanner.database import database
from image_scanner.errors import ScanError
from image_scanner.events import failed, tell
from image_scanner.fetch import fetch
from image_scanner.scan import scan
from image_scanner.settings import Settings

STEPS: dict[str, Callable[[Settings], None]] = {
    "fetch": fetch,
    "database": database,
    "scan": scan,
}


def main() -> int:
    """Run a step; what went wrong is the last line that it says."""
    # As the first process of a container it would not heed SIGTERM otherwise.
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(143))
    name, began = sys.argv[1], time.monotonic()
    settings = Settings.read(os.environ)
    try:
        STEPS[name](settings)
    except ScanError as error:
        failed(error)
        return 1
    if name != "scan":
        tell(ended=name, seconds=round(time.monotonic() - began, 2))
    return 0


if __name__ == "__main__":
    sys.exit(main())
