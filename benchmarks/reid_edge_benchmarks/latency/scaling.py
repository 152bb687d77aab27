"""The whole of ``reid-edge bench scaling``: the search by gallery size, a photo by length of the shortlist, pairs a second."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from reid_edge.gallery import Gallery
from reid_edge.identify.identifier import Identifier
from reid_edge.identify.session import Session
from reid_edge.markdown import markdown_table
from reid_edge_benchmarks.latency.candidate_scaling import measure_candidates, measure_pairs
from reid_edge_benchmarks.latency.command import Photos
from reid_edge_benchmarks.latency.galleries import enrol_photos
from reid_edge_benchmarks.latency.search_scaling import measure_search
from reid_edge_benchmarks.latency.tables import ratio_cell
from reid_edge_calibration.progress import Progress

Figures = Mapping[str, Any]

# The search is called free below this share of the photo's time.
FREE = 0.05


def measure_scaling(
    sizes: Sequence[int],
    shortlists: Sequence[int],
    photos: Photos,
    identifier: Identifier,
    folder: Path,
    rounds: int,
    with_torch: bool,
    progress: Progress,
) -> dict[str, Any]:
    """Measure, see `measure_search`, `measure_candidates` and `measure_pairs`.

    Raises:
        UsageError, EngineError, GalleryError, StorageError: one of them cannot run.
    """
    threads = identifier.networks.device.threads
    enrolled = enrol_photos(folder, photos.database, identifier, progress)
    with Session(Gallery.open(enrolled, writable=False), identifier) as session:
        of_individuals = identifier.recipe.retrieve.unit == "individuals"
        most = len(session.gallery.individuals()) if of_individuals else len(session.candidates)
        lengths = [length for length in shortlists if length <= most] or [most]
        candidates = measure_candidates(session, photos.queries, lengths, rounds, progress)
        reference = None
        if with_torch:
            from reid_edge_benchmarks.latency.torch_reference import TorchReference

            reference = TorchReference(session)
        pairs = measure_pairs(session, reference, rounds)
        del reference
    search = measure_search(enrolled, sizes, identifier, folder, threads, max(3, rounds), progress)
    whole = nearest_to_recipe(candidates, identifier.recipe.retrieve.candidates)["whole"]["p50"]
    return {
        "photos": photos.what,
        "threads": threads,
        "search": search,
        "law": search_law(search, whole),
        "candidates": candidates,
        "pairs": pairs,
    }


def prepare_scaling(sizes: Sequence[int], photos: Photos, identifier: Identifier, folder: Path, progress: Progress) -> None:
    """Make what `measure_scaling` keeps in the folder, the indexes of usearch too."""
    enrolled = enrol_photos(folder, photos.database, identifier, progress)
    measure_search(enrolled, sizes, identifier, folder, identifier.networks.device.threads, 1, progress)


def nearest_to_recipe(candidates: Sequence[Figures], length: int) -> Figures:
    """Of the photos that were answered as the recipe prunes them, the row whose shortlist is nearest to the recipe's own `length`."""
    return min((row for row in candidates if not row["all"]), key=lambda row: abs(int(row["candidates"]) - length))


def search_law(search: Sequence[Figures], whole: float) -> dict[str, float]:
    """Milliseconds = ``start`` + ``per_thousand`` · N / 1000, by least squares on relative errors over the measured medians; and
    ``free_until``, the N at which the search takes 5 % of a photo that takes `whole` milliseconds.
    """
    sizes, milliseconds = (
        np.array(each, np.float64) for each in zip(*((r["size"], r["exact"]["p50"]) for r in search), strict=True)
    )
    terms = np.stack((np.ones_like(sizes), sizes / 1000), 1) / milliseconds[:, None]
    if len(sizes) < 2:
        return {
            "start": 0.0,
            "per_thousand": float(milliseconds[0] / sizes[0] * 1000),
            "whole": whole,
            "free_until": float("nan"),
        }
    start, slope = np.linalg.lstsq(terms, np.ones_like(sizes), rcond=None)[0]
    free = (FREE * whole - start) / slope * 1000 if slope > 0 else float("nan")
    return {"start": float(start), "per_thousand": float(slope), "whole": whole, "free_until": float(free)}


def scaling_text(figures: Figures) -> str:
    """All tables."""
    return "\n\n".join(
        (search_table(figures["search"]), law_text(figures), candidate_table(figures["candidates"]), pairs_text(figures))
    )


def search_table(search: Sequence[Figures]) -> str:
    """Exact search and usearch's index by the size of the gallery."""
    rows = []
    for row in search:
        index = row.get("usearch")
        rows.append(
            [
                f"{row['size']:,}",
                *(f"{row['exact'][each]:.2f}" for each in ("p50", "p95")),
                f"{row['bytes'] * row['size'] / 1e6:.0f}",
                *(
                    (
                        f"{index['milliseconds']['p50']:.2f}",
                        f"{index['recall']:.3f}",
                        f"{index['build_seconds']:.1f}",
                        f"{index['file_bytes'] / 1e6:.0f}",
                        ratio_cell(index["ratio"]),
                    )
                    if index
                    else ("–",) * 5
                ),
            ]
        )
    header = ("gallery", "exact p50, ms", "p95", "MB", "usearch p50, ms", "recall", "built in, s", "MB ", "exact / usearch")
    return markdown_table(header, rows)


def candidate_table(candidates: Sequence[Figures]) -> str:
    """A photo by the length of its shortlist."""
    stages = list(dict.fromkeys(stage for row in candidates for stage in row["stages"]))
    growing = [s for s in stages if s not in ("decode", "segment", "embed", "extract")]
    rows = [
        [
            str(row["candidates"]),
            "all of them" if row["all"] else "as the recipe says",
            f"{row['whole']['p50']:.0f}",
            *(f"{row['stages'][stage]['p50']:.1f}" if stage in row["stages"] else "–" for stage in growing),
        ]
        for row in candidates
    ]
    return markdown_table(("candidates", "matched", "whole p50, ms", *growing), rows)


def law_text(figures: Figures) -> str:
    """The law of the search, in a sentence."""
    law, last = figures["law"], figures["search"][-1]
    per = (
        f"Exact search takes {law['start']:.2f} ms and {law['per_thousand']:.3f} ms for every thousand photos; at {last['size']:,} "
        f"{last['exact']['p50']:.1f} ms."
    )
    if law["free_until"] != law["free_until"] or law["free_until"] <= 0:
        return per
    free = f"{_rounded(law['free_until']):,}"
    return f"{per} At about {free} photos it is {FREE:.0%} of the {law['whole']:.0f} ms of a photo in the table below."


def pairs_text(figures: Figures) -> str:
    """Pairs a second of every LightGlue."""
    rows = []
    for name, pairs in figures["pairs"].items():
        torch = f"{pairs['torch']:.1f}" if "torch" in pairs else "–"
        rows.append([name, f"{pairs['pairs_per_second']:.1f}", torch, ratio_cell(pairs.get("ratio"))])
    return markdown_table(("LightGlue", "pairs a second", "PyTorch", "PyTorch's time / reid-edge's"), rows) if rows else ""


def _rounded(number: float) -> int:
    """To two digits."""
    return int(float(f"{number:.2g}"))
