"""Pieces of the page: numbers as people read them, tables, and a diagram with its table."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Sequence

from reid_edge.report.markup import text

# XML 1.0, and so SVG, has no way to write these.
_NOT_IN_XML = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def plain(value: object) -> str:
    """Any text, safe inside an element or a quoted attribute of HTML and of SVG."""
    return text(_NOT_IN_XML.sub("\ufffd", str(value)))


def percent(share: float) -> str:
    """A share in percent with one decimal, or a dash where it is not known."""
    return "–" if math.isnan(share) else f"{share * 100:.1f}\u00a0%"


def number(value: float, decimals: int = 3) -> str:
    """A number, or a dash where it is not known."""
    return "–" if math.isnan(value) else f"{value:.{decimals}f}"


def table(titles: Sequence[str], rows: Iterable[Sequence[str]], caption: str = "") -> str:
    """A table whose first column names the rows.

    Args:
        titles: of the columns, plain text.
        rows: of plain text, as many cells as titles.
        caption: plain text.
    """
    head = "".join(f'<th scope="col">{plain(title)}</th>' for title in titles)
    body = "".join(
        f'<tr><th scope="row"><bdi>{plain(row[0])}</bdi></th>{"".join(f"<td>{plain(cell)}</td>" for cell in row[1:])}</tr>'
        for row in rows
    )
    named = f"<caption>{plain(caption)}</caption>" if caption else ""
    return f'<div class="scroll"><table>{named}<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>'


def figure(drawing: str, beside: str, caption: str) -> str:
    """A drawing, the table that says the same, and what they show (plain text)."""
    return f'<figure class="diagram">{drawing}{beside}<figcaption><p>{plain(caption)}</p></figcaption></figure>'
