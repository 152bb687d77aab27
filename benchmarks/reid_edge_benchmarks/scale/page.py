"""The section *Figures* of docs/scale.md, out of the results of ``bench catalogue`` and ``bench growth``."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from reid_edge.errors import UsageError
from reid_edge_benchmarks.report.sections import provenance
from reid_edge_benchmarks.scale.growth import growth_text
from reid_edge_benchmarks.scale.searching import SHORTLIST
from reid_edge_benchmarks.scale.tables import catalogue_text

BEGIN, END = "<!-- figures: made by `reid-edge bench scale-page`, not by hand -->", "<!-- end of figures -->"
_PART = re.compile(f"{re.escape(BEGIN)}\n.*?{re.escape(END)}", re.DOTALL)
_GROWTH = "### Wrong answers as the catalogue grows"


def page_with_figures(page: str, results: Mapping[str, Any]) -> str:
    """The page with the part between its marks made anew.

    Args:
        page: Markdown.
        results: ``catalogue`` and ``growth``, by the names of their files; what is missing is left out.

    Raises:
        UsageError: the page has no marks, or there are no results.
    """
    if not _PART.search(page):
        raise UsageError("The page has no place for the figures.", f"Put these two lines into it: {BEGIN} and {END}")
    parts = []
    if "catalogue" in results:
        parts += [provenance(results["catalogue"]), _vectors_text(results["catalogue"]), catalogue_text(results["catalogue"])]
    if "growth" in results:
        parts += [_GROWTH, provenance(results["growth"], timed=False), growth_text(results["growth"])]
    if not parts:
        raise UsageError("There are no results of bench catalogue or bench growth.", "Measure with --json.")
    return _PART.sub(lambda _: "\n\n".join([BEGIN, *parts, END]), page)


def _vectors_text(figures: Mapping[str, Any]) -> str:
    settings = figures["server"]
    server = (
        "a server that was there"
        if isinstance(settings, str)
        else ", ".join(f"{name} {value}" for name, value in settings.items())
    )
    kept = f"; {figures['kept']:.1%} of the squared length of the photos' vectors is left in them" if figures["kept"] < 1 else ""
    return (
        f"Vectors of {figures['dimension']} values: {figures['vectors']}{kept}. The cosine of two photos of one individual is "
        f"{figures['likeness']:.2f}. {figures['queries']} queries, the nearest {SHORTLIST} photos, {figures['threads']} threads. "
        f"{figures['added']} photos were added through the product, each in a transaction of its own. PostgreSQL: {server}."
    )
