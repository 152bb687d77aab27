"""What a gallery holds, as data: individuals, sightings and events, and what a name may be."""

from __future__ import annotations

import math
import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from numbers import Integral, Real
from typing import Any

from reid_edge.errors import UsageError

LONGEST_NAME = 200

SEXES = ("female", "male")
LIFE_STAGES = ("adult", "subadult", "juvenile")

Box = tuple[float, float, float, float]
"""x0, y0, x1, y1 in pixels of the upright photo, x right, y down."""


@dataclass(frozen=True, kw_only=True)
class Observation:
    """One animal in one photo, and whom it shows.

    Attributes:
        photo_sha256: of the photo's bytes, 64 hex digits.
        animal_index: which animal of the photo, from 0, largest first.
        identity: name of the individual.
        photo_name, photo_path: file name, and where the photo lay when it was enrolled.
        species, place, encounter: free text, '' where not known.
        viewpoint: which side of the animal is seen, lower case: `left`, `right`, ...; '' where not known.
        taken_at: when the photo was taken, as its source wrote it; '' where not known.
        latitude, longitude: degrees, WGS 84; None where not known.
        box: x0, y0, x1, y1 of the animal in pixels of the upright photo; None for the full frame.
    """

    photo_sha256: str
    identity: str
    animal_index: int = 0
    photo_name: str = ""
    photo_path: str = ""
    species: str = ""
    viewpoint: str = ""
    taken_at: str = ""
    latitude: float | None = None
    longitude: float | None = None
    place: str = ""
    encounter: str = ""
    box: Box | None = None


@dataclass(frozen=True, kw_only=True)
class NewSighting(Observation):
    """An observation to add, with `thumbnail`: a small JPEG of the animal, or None."""

    thumbnail: bytes | None = None


@dataclass(frozen=True, kw_only=True)
class Sighting(Observation):
    """An observation of the gallery: `id` never changes and is never used again, `added_at` is ISO 8601 in UTC."""

    id: int
    added_at: str


@dataclass(frozen=True)
class Individual:
    """A known animal, described by its live sightings.

    Attributes:
        name: its identity.
        species: of its sightings; several joined by ` / `, '' where none has one.
        sightings: how many there are.
        viewpoints: of its sightings, sorted, without ''.
        first_seen, last_seen: smallest and largest `taken_at`, '' where not known.
        sex, life_stage: one of `SEXES` and of `LIFE_STAGES`, the words of Camtrap DP; '' where not known.
        notes: free text.
    """

    name: str
    species: str
    sightings: int
    viewpoints: tuple[str, ...]
    first_seen: str
    last_seen: str
    sex: str = ""
    life_stage: str = ""
    notes: str = ""


@dataclass(frozen=True)
class Event:
    """One decision: `batch` is the command it belonged to, `at` ISO 8601 in UTC, `payload` what was decided."""

    id: int
    batch: str
    at: str
    kind: str
    payload: Mapping[str, Any]
    undone: bool


def identity_name(text: str) -> str:
    """The name of an individual as it is stored: Unicode NFC, without spaces around.

    Raises:
        UsageError: empty, longer than 200 characters, or with a control character.
    """
    return _name(text, "Give the individual a short readable name.")


def person_name(text: str) -> str:
    """The name of a person as it is stored, as `identity_name`; it may be empty.

    Raises:
        UsageError: longer than 200 characters, or with a control character.
    """
    return _name(text, "Give the person a short readable name.") if text.strip() else ""


def _name(text: str, hint: str) -> str:
    name = unicodedata.normalize("NFC", text).strip()
    problem = ""
    if not name:
        problem = "is empty"
    elif len(name) > LONGEST_NAME:
        problem = f"has {len(name)} characters; {LONGEST_NAME} is the most"
    elif any(unicodedata.category(character) in ("Cc", "Cs", "Zl", "Zp") for character in name):
        problem = "holds a control character"
    if problem:
        raise UsageError(f"The name {name[:40]!r} {problem}.", hint)
    return name


def checked(new: NewSighting) -> NewSighting:
    """The sighting in its stored form, every field checked.

    Raises:
        UsageError: a field has the wrong type, or a value that cannot be.
    """
    texts = {field: _text(field, getattr(new, field)) for field in ("identity", *_TEXTS)}
    texts["identity"] = identity_name(texts["identity"])
    texts["viewpoint"] = texts["viewpoint"].lower()
    checked_sha256(new.photo_sha256)
    if not isinstance(new.animal_index, Integral) or not 0 <= new.animal_index < 1000:
        raise _wrong("animal_index", new.animal_index, "a number from 0")
    if new.thumbnail is not None and not isinstance(new.thumbnail, bytes):
        raise _wrong("thumbnail", type(new.thumbnail).__name__, "JPEG bytes or None")
    latitude = None if new.latitude is None else _number("latitude", new.latitude, 90)
    longitude = None if new.longitude is None else _number("longitude", new.longitude, 180)
    values: dict[str, Any] = {
        **texts,
        "animal_index": int(new.animal_index),
        "box": checked_box(new.box),
        "latitude": latitude,
        "longitude": longitude,
    }
    return replace(new, **values)


def checked_sha256(value: object) -> str:
    """The hash of a photo; UsageError where it is none."""
    if not isinstance(value, str) or not re.fullmatch("[0-9a-f]{64}", value):
        raise _wrong("photo_sha256", value, "64 hex digits")
    return value


def checked_box(box: Sequence[float] | None) -> Box | None:
    """A box as numbers; UsageError where it is none."""
    if box is None:
        return None
    if len(box) != 4:
        raise _wrong("box", box, "x0, y0, x1, y1")
    x0, y0, x1, y1 = (_number("box", value, math.inf) for value in box)
    if x0 > x1 or y0 > y1:
        raise _wrong("box", box, "x0, y0, x1, y1 with x0 <= x1 and y0 <= y1")
    return x0, y0, x1, y1


def checked_notes(sex: str, life_stage: str, notes: str) -> dict[str, str]:
    """What people note of an individual, by column; UsageError where a value is not one of its words, or the notes are too long."""
    for field, value, words in (("sex", sex, SEXES), ("life_stage", life_stage, LIFE_STAGES)):
        if value and value not in words:
            raise UsageError(f"The {field} of an individual is {value[:60]!r}.", f"Give {', '.join(words)}, or nothing.")
    return {"sex": sex, "life_stage": life_stage, "notes": _text("notes", notes)}


_TEXTS = ("photo_name", "photo_path", "species", "viewpoint", "taken_at", "place", "encounter")


def _text(field: str, value: object) -> str:
    if not isinstance(value, str) or len(value) > 10_000:
        raise _wrong(field, value, "text of at most 10,000 characters")
    # A file name that is no UTF-8 reaches Python as lone surrogates, which SQLite cannot hold.
    value = value.replace("\0", "")  # which PostgreSQL cannot hold
    plain = value.encode("utf-8", "surrogateescape" if field in ("photo_name", "photo_path") else "replace").decode(
        "utf-8", "replace"
    )
    return plain if field in ("photo_name", "photo_path") else unicodedata.normalize("NFC", plain).strip()


def _number(field: str, value: object, most: float) -> float:
    if isinstance(value, bool) or not isinstance(value, Real) or not abs(float(value)) <= most or math.isinf(value):
        raise _wrong(field, value, "a finite number" if math.isinf(most) else f"a number from -{most:g} to {most:g}")
    return float(value)


def _wrong(field: str, value: object, wanted: str) -> UsageError:
    return UsageError(f"A sighting's {field} is {str(value)[:60]!r}; it must be {wanted}.", "Correct the value.")
