"""python -m start_tester: runs the test once; its end is the last line that it says."""

import asyncio
import os
import signal
import sys

from start_tester.desktop import look
from start_tester.errors import StartError
from start_tester.events import Log, failed, tell
from start_tester.hub import serve
from start_tester.settings import Settings


async def test(settings: Settings) -> int:
    """Play the hub, look at the desktop, tell what was seen."""
    hub = serve(settings)
    try:
        tell(result=await look(settings, Log()))
    except StartError as error:
        failed(error)
        return 1
    finally:
        hub.stop()
    return 0


def main() -> int:
    """Run the test."""
    # As the first process of a container it would not heed SIGTERM otherwise.
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(143))
    return asyncio.run(test(Settings.read(os.environ)))


if __name__ == "__main__":
    sys.exit(main())
