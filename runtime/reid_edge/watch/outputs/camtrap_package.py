"""`datapackage.json` of a Camtrap DP package: the user's values, and those that follow from the deployments."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from reid_edge import __version__
from reid_edge.errors import UsageError
from reid_edge.storage.clock import now
from reid_edge.storage.errors import file_errors
from reid_edge.watch.outputs import deployments
from reid_edge.watch.outputs.camtrap_rows import MEDIA, OBSERVATIONS

VERSION = "1.0"
TABLES = {"deployments": deployments.COLUMNS, "media": MEDIA, "observations": OBSERVATIONS}
_BASE = f"https://raw.githubusercontent.com/tdwg/camtrap-dp/{VERSION}"
# The keys that a user's datapackage.json may have; the others follow from the photos.
_GIVEN = (
    *("name", "id", "title", "contributors", "description", "version", "keywords", "image", "homepage", "sources", "licenses"),
    *("bibliographicCitation", "project", "coordinatePrecision", "taxonomic", "relatedIdentifiers", "references"),
)


def read_package(path: Path) -> dict[str, Any]:
    """The user's `datapackage.json`; empty where there is none.

    Raises:
        UsageError: it is not a JSON object, or has a key that a user cannot set. StorageError: it cannot be read.
    """
    if not path.exists():
        return {}
    try:
        with file_errors(path):
            given = json.loads(path.read_bytes())
    except ValueError as error:
        raise UsageError(f"{path} is not JSON: {error}.", "Correct it, or delete it.") from error
    if not isinstance(given, dict):
        raise UsageError(f"{path} is JSON, but not an object.", "Write the package's properties: title, contributors, project.")
    for key in given:
        if key not in _GIVEN:
            raise UsageError(
                f"{path} has the key {key!r}, which is unknown or follows from the photos.", f"Use {', '.join(_GIVEN)}."
            )
    return given


def package_facts(folder: Path, given: Mapping[str, Any], rows: Sequence[Mapping[str, str]], species: str) -> dict[str, Any]:
    """The content of `datapackage.json`.

    Args:
        folder: of the package.
        given: the user's values, which take precedence.
        rows: of `deployments.csv`.
        species: the scientific name of all animals; empty where it is not known.
    """
    place = folder.resolve().parent.name
    resources = [
        {
            "name": name,
            "path": f"{name}.csv",
            "profile": "tabular-data-resource",
            "format": "csv",
            "mediatype": "text/csv",
            "encoding": "utf-8",
            "schema": f"{_BASE}/{name}-table-schema.json",
        }
        for name in TABLES
    ]
    days = [row[column][:10] for row in rows for column in ("deploymentStart", "deploymentEnd")] or [now()[:10]]
    project = {
        "title": place,
        "samplingDesign": "opportunistic",
        "captureMethod": ["activityDetection"],
        "individualAnimals": True,
        "observationLevel": ["media", "event"],
    }
    defaults = {
        "name": re.sub(r"[^a-z0-9._-]+", "-", place.lower()).strip("-") or "camera-traps",
        "title": place,
        "contributors": [{"title": "not given"}],
        "description": ""
        if given
        else "Written by reid-edge watch. Nobody gave contributors, licenses or the project: they are assumed.",
        "taxonomic": [{"scientificName": species}] if species else [],
        "sources": [{"title": "reid-edge", "version": __version__}],
    }
    return {
        "resources": resources,
        "profile": f"{_BASE}/camtrap-dp-profile.json",
        "created": now(),
        **{key: value for key, value in {**defaults, **given}.items() if value != ""},
        "project": {**project, **given.get("project", {})},
        "spatial": _spatial(rows),
        "temporal": {"start": min(days), "end": max(days)},
    }


def _spatial(rows: Sequence[Mapping[str, str]]) -> dict[str, Any]:
    """The cameras' places as GeoJSON (RFC 7946): longitude, latitude."""
    places = [[float(row["longitude"]), float(row["latitude"])] for row in rows if row.get("longitude") and row.get("latitude")]
    return {"type": "MultiPoint", "coordinates": places}
