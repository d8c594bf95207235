"""Links to pictures that need no login, for a while (pure).

The spawn page is JupyterHub's: its browser may have no login at this service yet, and an <img> can
send no token. So whoever may see an image gets a signed link to its picture.
"""

import hashlib
import hmac
from urllib.parse import urlencode

from hub_service.rules.naming import image_path

DAY = 86400


class PictureLinks:
    """Makes and checks links.

    A link is the same for a day, so that a browser asks for a picture once, and good for another.
    """

    def __init__(self, prefix: str, secret: bytes) -> None:
        self._prefix = prefix
        self._secret = hashlib.sha256(b"pictures:" + secret).digest()

    def link(self, owner: str, name: str, number: int, now: float) -> str:
        """Return the link to a version's picture."""
        until = (int(now) // DAY + 2) * DAY
        signature = self._sign(owner, name, number, until)
        query = urlencode({"until": until, "signature": signature})
        path = f"{image_path(owner, name)}/versions/{number}/picture"
        return f"{self._prefix}api/v1/{path}?{query}"

    def valid(
        self,
        owner: str,
        name: str,
        number: int,
        *,
        until: int,
        signature: str,
        now: float,
    ) -> bool:
        """Say whether a link was made here, and still holds."""
        known = self._sign(owner, name, number, until)
        return until > now and hmac.compare_digest(known.encode(), signature.encode())

    def _sign(self, owner: str, name: str, number: int, until: int) -> str:
        text = "\0".join((owner, name, str(number), str(until)))
        return hmac.new(self._secret, text.encode(), hashlib.sha256).hexdigest()
