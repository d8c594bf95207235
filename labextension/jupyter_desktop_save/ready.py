"""Whether the desktop can be shown, and how far its start is."""

import asyncio
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_GREETING = b"RFB "
# A desktop whose session is this late is shown as it is: better a half-built one than none.
_PATIENCE = 30.0


@dataclass(frozen=True)
class Desktop:
    """The VNC server of this container and the notes of the script that started it."""

    socket: Path

    async def state(self) -> dict[str, Any]:
        """Where the start is: display, session or ready, and a notice about the home.

        - `ready` is true only when the VNC server has greeted us just now.
        - Without notes (another program started the server) the greeting alone decides.
        """
        step = self._note("step") or "ready"
        answers = await self._greets()
        if not answers:
            step = "display"
        elif step == "session" and self._age("step") > _PATIENCE:
            step = "ready"
        ready = answers and step == "ready"
        return {"ready": ready, "step": step, "notice": self._note("notice")}

    async def _greets(self) -> bool:
        try:
            async with asyncio.timeout(2):
                reader, writer = await asyncio.open_unix_connection(self.socket)
                try:
                    return await reader.readexactly(len(_GREETING)) == _GREETING
                finally:
                    writer.close()
        except (OSError, TimeoutError, asyncio.IncompleteReadError):
            return False

    def _note(self, name: str) -> str | None:
        try:
            return (self.socket.parent / name).read_text().strip() or None
        except OSError:
            return None

    def _age(self, name: str) -> float:
        try:
            return time.time() - (self.socket.parent / name).stat().st_mtime
        except OSError:
            return 0.0
