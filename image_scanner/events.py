"""What a step tells: one JSON object a line.

{"log": "text\\n"}       a part of the log that people read
{"ended": "fetch", "seconds": 1.2}  a step ended
{"result": {...}}       what was found: database, packages, counts, fixable, total, findings, and
                        sbom (CycloneDX in JSON, packed with gzip, in base64; null = too large)
{"error": {...}}        why there is no result: code, message, details
"""

import json
from typing import Any

from image_scanner.errors import ScanError


def write(text: str) -> None:
    """Tell a line of the log."""
    tell(log=f"scan  {text}\n")


def tell(**event: Any) -> None:
    """Tell one thing."""
    print(json.dumps(event), flush=True)


def failed(error: ScanError) -> None:
    """Tell why there is no result."""
    tell(
        error={"code": error.code, "message": str(error), "details": error.details},
    )
