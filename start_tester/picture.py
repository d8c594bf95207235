"""Is a screen painted, and what does it look like (pure)."""

import base64
import io

from PIL import Image

from start_tester.rfb import MODE, Screen

ENOUGH = 20
"""Colours of a painted desktop, at least: an X server without a session shows one or two."""
SIZE = (480, 300)
"""A card of the spawn page is 240 wide; twice that is sharp on dense screens."""
MEDIA_TYPE = "image/webp"


def image_of(screen: Screen) -> Image.Image:
    """Return the screen as an image."""
    size = (screen.width, screen.height)
    return Image.frombytes("RGB", size, screen.data, "raw", MODE)


def colours(image: Image.Image) -> int:
    """Return how many colours an image has."""
    width, height = image.size
    return len(image.getcolors(width * height) or ())


def thumbnail(image: Image.Image) -> dict[str, str]:
    """Return the small picture: its media type, and its bytes in base64."""
    small = image.copy()
    small.thumbnail(SIZE, Image.Resampling.LANCZOS)
    buffer = io.BytesIO()
    small.save(buffer, "WEBP", quality=80)
    data = base64.b64encode(buffer.getvalue()).decode("ascii")
    return {"media_type": MEDIA_TYPE, "data": data}
