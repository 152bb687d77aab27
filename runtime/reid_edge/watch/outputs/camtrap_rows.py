"""Rows of a Camtrap DP package: `media.csv`, and `observations.csv` by photo and by event."""

from __future__ import annotations

import mimetypes
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote_from_bytes

from reid_edge import __version__
from reid_edge.decide.facts import ReviewFacts
from reid_edge.decide.wording import wording_of_json
from reid_edge.watch.ledger.answers import is_no_animal
from reid_edge.watch.ledger.ledger import LedgerPhoto, shown
from reid_edge.watch.outputs.deployments import timestamp

MEDIA = (
    *("mediaID", "deploymentID", "captureMethod", "timestamp", "filePath", "filePublic", "fileName", "fileMediatype"),
    *("exifData", "favorite", "mediaComments"),
)
OBSERVATIONS = (
    *("observationID", "deploymentID", "mediaID", "eventID", "eventStart", "eventEnd", "observationLevel", "observationType"),
    *("cameraSetupType", "scientificName", "count", "lifeStage", "sex", "behavior", "individualID", "individualPositionRadius"),
    *("individualPositionAngle", "individualSpeed", "bboxX", "bboxY", "bboxWidth", "bboxHeight", "classificationMethod"),
    *("classifiedBy", "classificationTimestamp", "classificationProbability", "observationTags", "observationComments"),
)
_IMAGE = "image/jpeg"


@dataclass
class Event:
    """An event: its deployment, and the times of its first and last photo."""

    deployment: str
    start: str
    end: str


def media_row(photo: LedgerPhoto, deployment: str, when: str) -> dict[str, object]:
    """The row of `media.csv` for a photo of a deployment."""
    path = photo.paths[0] if photo.paths else b"/"
    name = os.fsencode(Path(os.fsdecode(path)).name)
    kind = mimetypes.guess_type(name.decode("latin-1"))[0] or _IMAGE
    return {
        "mediaID": photo.sha256,
        "deploymentID": deployment,
        "timestamp": when,
        # Camtrap DP takes a URL or a relative path, and two dots in neither.
        "filePath": "file://" + quote_from_bytes(path).replace("..", "%2E%2E"),
        "filePublic": "false",
        "fileName": shown(name),
        "fileMediatype": kind if kind.startswith(("image/", "video/")) else _IMAGE,
        "mediaComments": "" if photo.taken_at else "The camera noted no time; this is when the photo was answered.",
    }


def photo_rows(photo: LedgerPhoto, event: Event, species: str) -> list[dict[str, object]]:
    """The rows of `observations.csv` for the animals in a photo."""
    common = {
        "deploymentID": event.deployment,
        "mediaID": photo.sha256,
        "eventID": photo.event_id,
        "eventStart": event.start,
        "eventEnd": event.end,
        "observationLevel": "media",
        **_classified(photo.pack, photo.answered_at),
    }
    animals = [animal for animal in photo.animals if not is_no_animal(animal)]
    if not animals:
        said = next(iter(photo.animals), {})  # a person said that it is not an animal
        return [{**common, "observationID": f"{photo.sha256}-blank", "observationType": "blank", **_classified_by_person(said)}]
    return [
        {
            **common,
            "observationID": f"{photo.sha256}-{animal['animal']['index']}",
            **_animal(animal, species, animal["animal"]["found"]),
            **_box(animal["animal"]["box"], photo),
            **_classified_by_person(animal),
        }
        for animal in animals
    ]


def event_rows(number: int, event: Event, animals: Sequence[Mapping[str, Any]], species: str) -> list[dict[str, object]]:
    """The rows of `observations.csv` for the animals of an event."""
    common = {
        "deploymentID": event.deployment,
        "eventID": number,
        "eventStart": event.start,
        "eventEnd": event.end,
        "observationLevel": "event",
        **_classified("", ""),
    }
    if not animals:
        return [{**common, "observationID": f"event-{number}-blank", "observationType": "blank"}]
    return [
        {
            **common,
            "observationID": f"event-{number}-{animal['index']}",
            **_animal(animal, species, True),
            **_classified_by_person(animal),
        }
        for animal in animals
    ]


def _classified(pack: str, answered_at: str) -> dict[str, str]:
    return {
        "classificationMethod": "machine",
        "classifiedBy": f"reid-edge {__version__}" + (f", pack {pack}" if pack else ""),
        "classificationTimestamp": timestamp(None, answered_at, None) if answered_at else "",
    }


def _classified_by_person(answer: Mapping[str, Any]) -> dict[str, str]:
    """Who classified an animal and when, where a person did; Camtrap DP wants no probability then."""
    review = answer.get("review")
    if not review or not (facts := ReviewFacts(**review)).is_final:
        return {}
    return {
        "classificationMethod": "human",
        "classifiedBy": facts.person,
        "classificationTimestamp": timestamp(None, facts.decided_at, None),
        "classificationProbability": "",
        "observationComments": "",
    }


def _animal(answer: Mapping[str, Any], species: str, found: bool) -> dict[str, object]:
    """An individual is named only where the verdict is `known`; the headline of `ask` is in the comments."""
    verdict, identity, probability = answer["verdict"], answer["identity"], answer["probability"]
    cells: dict[str, object] = {
        "observationType": "animal" if found else "unknown",
        "scientificName": species if found else "",
        "count": 1 if found else "",
        "observationTags": f"verdict:{verdict}",
    }
    if verdict == "ask":
        headline = wording_of_json(answer).headline()
        return {**cells, "observationComments": f"{headline[0].upper()}{headline[1:]}. A person should look."}
    return {
        **cells,
        "individualID": identity if verdict == "known" else "",
        "classificationProbability": f"{min(max(probability, 0.0), 1.0):.6f}",
        "observationComments": "" if verdict == "known" else "None of the known individuals.",
    }


def _box(box: Sequence[float], photo: LedgerPhoto) -> dict[str, str]:
    """The box in shares of the photo's width and height, limited so that rounding keeps it inside the photo."""
    x0, x1 = (min(max(side / photo.width, 0.0), 1.0) for side in (box[0], box[2]))
    y0, y1 = (min(max(side / photo.height, 0.0), 1.0) for side in (box[1], box[3]))
    values = {"bboxX": round(x0, 6), "bboxY": round(y0, 6)}
    values |= {
        "bboxWidth": min(round(x1 - x0, 6), 1 - values["bboxX"]),
        "bboxHeight": min(round(y1 - y0, 6), 1 - values["bboxY"]),
    }
    return {name: f"{value:.6f}" for name, value in values.items()} if x1 > x0 and y1 > y0 else {}
