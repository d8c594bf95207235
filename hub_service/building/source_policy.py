"""BuildKit's source policy for a build (pure): its own files and the offered images, nothing else.

BuildKit asks it for every source, whatever instruction names it: an image of FROM, COPY --from or
a mount, a frontend of # syntax=, an address of ADD, a git repository. The last rule that fits
decides. Format: BuildKit's sourcepolicy/pb, v0.33.
"""

import json
import re
from collections.abc import Mapping
from typing import Any

from oci.reference import Reference

LOCAL = ("local://context", "local://dockerfile")


def source_policy(offered: Mapping[str, str]) -> str:
    """Return the policy as JSON.

    `offered` maps what may be written behind FROM to the image that is meant.
    """
    rules: list[dict[str, Any]] = [_rule("DENY", ".*", "REGEX")]
    rules += [_rule("ALLOW", source, "EXACT") for source in LOCAL]
    for written, meant in offered.items():
        image = canonical(meant)
        # BuildKit asks twice: with the tag, and with the digest that it found for it.
        pattern = f"^docker-image://{re.escape(image)}(@sha256:[0-9a-f]{{64}})?$"
        rules.append(_rule("ALLOW", pattern, "REGEX"))
        source = canonical(written)
        if source != image:
            convert = _rule("CONVERT", f"docker-image://{source}", "EXACT")
            updates = {"identifier": f"docker-image://{image}"}
            rules.append({**convert, "updates": updates})
    return json.dumps({"version": 1, "rules": rules}, indent=2)


def canonical(image: str) -> str:
    """Return an image's name as BuildKit asks for it: with registry, and tag or digest."""
    reference = Reference.parse(image)
    if reference.digest is None and reference.tag is None:
        reference = reference.with_tag("latest")
    return str(reference)


def _rule(action: str, identifier: str, match: str) -> dict[str, Any]:
    return {
        "action": action,
        # Go's field name: another spelling is passed over, and everything is then a wildcard.
        "selector": {"identifier": identifier, "match_type": match},
    }
