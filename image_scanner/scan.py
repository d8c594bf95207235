"""Step 3: looks into the image, offline, and tells what was found. It holds nothing of anybody."""

from pathlib import Path
from typing import Any

from image_scanner.database import built_at, variables
from image_scanner.errors import ScanError
from image_scanner.events import tell, write
from image_scanner.report import REPORT_LIMIT, packed, read_json, summary
from image_scanner.running import run
from image_scanner.settings import Settings

SYFT = {
    "SYFT_CHECK_FOR_APP_UPDATE": "false",
    # Packages, not each of the 100,000 files that belong to them.
    "SYFT_FILE_METADATA_SELECTION": "none",
    "SYFT_PARALLELISM": "1",
}


def scan(settings: Settings) -> None:
    """Make the SBOM, look its packages up, tell the result."""
    built = built_at(settings)
    packages, sbom = inventory(settings)
    write(f"packages: {packages}")
    found = lookup(settings)
    for name, count in found["counts"].items():
        if count:
            write(f"{name}: {count}")
    write(f"that can be mended: {found['fixable']}")
    content = packed(sbom)
    if content is None:
        write("the SBOM is too large to be kept")
    tell(
        result={
            "database": built.isoformat(),
            "packages": packages,
            **found,
            "sbom": content,
        }
    )


def inventory(settings: Settings) -> tuple[int, bytes]:
    """Return how many packages syft found, and its SBOM (CycloneDX)."""
    full, plain = _files(settings)
    outputs = ["-o", f"syft-json={full}", "-o", f"cyclonedx-json={plain}"]
    catalogers = ["--select-catalogers", "-file"]
    source = f"oci-dir:{settings.image}"
    run(settings, ["syft", "scan", source, *catalogers, *outputs], SYFT)
    count = len(read_json(full).get("artifacts") or ())
    if plain.stat().st_size > REPORT_LIMIT:
        raise ScanError("too_much", "The image has more in it than can be told.")
    return count, plain.read_bytes()


def lookup(settings: Settings) -> dict[str, Any]:
    """Return what grype's database knows of the packages."""
    full, _ = _files(settings)
    file = settings.work / "vulnerabilities.json"
    run(
        settings,
        ["grype", f"sbom:{full}", "-o", "json", "--file", str(file)],
        variables(settings),
    )
    return summary(read_json(file))


def _files(settings: Settings) -> tuple[Path, Path]:
    return settings.work / "syft.json", settings.work / "cyclonedx.json"
