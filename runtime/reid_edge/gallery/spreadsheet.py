"""A gallery as a spreadsheet with thumbnails, one row per sighting (extra `table`)."""

from __future__ import annotations

import io
import re
from collections.abc import Sequence
from typing import IO

from reid_edge.errors import UsageError
from reid_edge.gallery.records import Sighting
from reid_edge.gallery.store import Gallery
from reid_edge.installation import install_command

COLUMNS = (
    *(
        "picture",
        "individual",
        "sex",
        "life_stage",
        "species",
        "taken_at",
        "place",
        "viewpoint",
        "encounter",
        "latitude",
        "longitude",
    ),
    *("photo", "path", "sighting", "confirmed_by", "notes"),
)
_PICTURE_PIXELS, _ROW_POINTS, _PICTURE_WIDTH = 96, 76.0, 15.0
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f]")  # what a cell cannot hold


def write_spreadsheet(gallery: Gallery, sightings: Sequence[Sighting], out: IO[bytes]) -> None:
    """Write an .xlsx file: the columns `COLUMNS`, ordered by individual and time.

    Raises:
        UsageError: openpyxl is not installed.
    """
    try:
        from openpyxl import Workbook
        from openpyxl.drawing.image import Image
    except ImportError as error:
        raise UsageError("A spreadsheet needs the package openpyxl.", f"Run: {install_command('table')}") from error
    book = Workbook()
    sheet = book.active
    sheet.title = "sightings"
    sheet.append(COLUMNS)
    sheet.freeze_panes = "C2"
    sheet.column_dimensions["A"].width = _PICTURE_WIDTH
    people = {each.sighting: each.person for each in gallery.reviews() if each.is_final and each.sighting is not None}
    individuals = {one.name: one for one in gallery.individuals()}
    for number, seen in enumerate(sorted(sightings, key=lambda each: (each.identity, each.taken_at, each.id)), start=2):
        one = individuals[seen.identity]
        values = (
            "",
            seen.identity,
            one.sex,
            one.life_stage,
            seen.species,
            seen.taken_at,
            seen.place,
            seen.viewpoint,
            seen.encounter,
        )
        facts = (seen.latitude, seen.longitude, seen.photo_name, seen.photo_path, seen.id, people.get(seen.id, ""), one.notes)
        for column, value in enumerate((*values, *facts), start=1):
            cell = sheet.cell(number, column)
            if isinstance(value, str):
                cell.value = _CONTROL.sub("\N{REPLACEMENT CHARACTER}", value)
                cell.data_type = "s"  # a name that begins with = is no formula
            else:
                cell.value = value
        if thumbnail := gallery.thumbnail(seen.id):
            picture = Image(io.BytesIO(thumbnail))
            scale = _PICTURE_PIXELS / max(picture.width, picture.height)
            picture.width, picture.height = picture.width * scale, picture.height * scale
            sheet.add_image(picture, f"A{number}")
            sheet.row_dimensions[number].height = _ROW_POINTS
    book.save(out)
