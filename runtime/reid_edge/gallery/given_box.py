"""The box of an animal as a table gives it: one column or four, in pixels or in shares of the photo."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from reid_edge.errors import UsageError

_NUMBER = re.compile(r"(?<![\w.])-?(?:\d+\.?\d*|\.\d+)(?:e[+-]?\d+)?", re.IGNORECASE)
_EMPTY = frozenset({"", "nan", "none", "null", "na", "n/a", "<na>", "-", "[]"})
_NAMES = ("bbox", "boundingbox", "box", "bboxes", "boundingboxes", "bndbox", "bboxrelative")
_SIZES = ("", "xywh", "xywidthheight", "lefttopwidthheight", "xminyminwidthheight", "coco")
_CORNERS = ("xyxy", "x0y0x1y1", "x1y1x2y2", "xminyminxmaxymax", "lefttoprightbottom", "voc", "pascalvoc")
_ONE = {name + suffix: suffix in _CORNERS for name in _NAMES for suffix in (*_SIZES, *_CORNERS)}
_FOUR = {
    **{
        tuple(prefix + part for part in parts): False
        for prefix in ("", "bbox", "box", "boundingbox")
        for parts in (("x", "y", "w", "h"), ("x", "y", "width", "height"), ("left", "top", "width", "height"))
    },
    **{
        tuple(prefix + part for part in parts): True
        for prefix in ("", "bbox", "box", "boundingbox")
        for parts in (("x0", "y0", "x1", "y1"), ("x1", "y1", "x2", "y2"), ("xmin", "ymin", "xmax", "ymax"),
                      ("left", "top", "right", "bottom"))
    },
}  # fmt: skip


@dataclass(frozen=True)
class GivenBox:
    """Tight around one animal.

    Attributes:
        x0, y0, x1, y1: of the upright photo, x right, y down.
        relative: they are shares of its width and height, 0..1; else pixels.
    """

    x0: float
    y0: float
    x1: float
    y1: float
    relative: bool

    def pixels(self, width: int, height: int) -> tuple[float, float, float, float]:
        """x0, y0, x1, y1 in pixels of a photo of this size."""
        across, down = (width, height) if self.relative else (1, 1)
        return self.x0 * across, self.y0 * down, self.x1 * across, self.y1 * down


@dataclass(frozen=True)
class BoxColumns:
    """Where a table gives boxes: `names` is one column or four; `corners` where they hold x0, y0, x1, y1 and not x, y, width, height."""

    names: tuple[str, ...]
    corners: bool

    @classmethod
    def of(cls, header: Mapping[str, str]) -> BoxColumns | None:
        """The box columns of a table; None where it has none.

        Args:
            header: every column by its plain name (`plain_column`).
        """
        for plain, corners in _ONE.items():
            if plain in header:
                return cls((header[plain],), corners)
        for parts, corners in _FOUR.items():
            if all(part in header for part in parts):
                return cls(tuple(header[part] for part in parts), corners)
        return None

    def read(self, row: Mapping[str, str], where: str) -> GivenBox | None:
        """The box of a row; None where its cells are empty.

        Raises:
            UsageError: it is no box; `where` names the row.
        """
        cells = [row[name] for name in self.names]
        text = ", ".join(cells)
        if all(cell.strip().lower() in _EMPTY for cell in cells) or "nan" in text.lower():
            return None
        numbers = [float(each) for each in _NUMBER.findall(text)]
        if len(numbers) == 4:
            a, b, c, d = numbers
            x0, y0, x1, y1 = numbers if self.corners else (a, b, a + c, b + d)
            if x1 > x0 and y1 > y0:
                return GivenBox(x0, y0, x1, y1, relative=max(map(abs, numbers)) <= 1)
        wanted = "x0, y0, x1 and y1" if self.corners else "x, y, width and height"
        raise UsageError(
            f"{where} has the box {text[:60]!r}.",
            f"Write {wanted}, in pixels such as [12, 30, 200, 150], or in shares of the photo from 0 to 1.",
        )


def plain_column(name: str) -> str:
    """A column's name without case, blanks and punctuation: `Bounding Box (x, y, w, h)` is `boundingboxxywh`."""
    return re.sub(r"[\W_]+", "", name.casefold())
