"""The work of ``reid-edge bench latency``: make the galleries, measure all sides on each, and return the figures."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import click
import numpy as np

from reid_edge.gallery import Gallery
from reid_edge.gallery.enrolment_list import Enrolment, read_source
from reid_edge.identify.identifier import Identifier
from reid_edge.identify.session import Session
from reid_edge_benchmarks.energy import energy_meter
from reid_edge_benchmarks.latency.galleries import enrol_photos, gallery_of, whole_individuals
from reid_edge_benchmarks.latency.measuring import Plan, evenly, measure_gallery
from reid_edge_benchmarks.latency.plain import is_calibrated
from reid_edge_benchmarks.rendered_photos import render_photos
from reid_edge_calibration.progress import Progress

# Photos are enrolled up to this many; larger galleries are filled with made-up animals.
MOST_ENROLLED = 1000
_RENDERED_ASKED = 10  # of so many rendered photos one is asked about, the others are enrolled


@dataclass(frozen=True)
class Photos:
    """The photos that are enrolled, the queries, and a description of both for the reader."""

    database: tuple[Enrolment, ...]
    queries: tuple[Enrolment, ...]
    what: str


def choose_photos(
    metadata: Sequence[Path], fold: str | None, enrolled: int, asked: int, folder: Path, progress: Progress
) -> Photos:
    """Photos of labelled sets, of all sets in equal parts, or rendered ones where no set is named.

    Raises:
        UsageError, StorageError: see `read_source` and `render_photos`.
    """
    if not metadata:
        count = -(-enrolled * _RENDERED_ASKED // (_RENDERED_ASKED - 1))
        rendered = render_photos(folder / "rendered", max(count, asked * _RENDERED_ASKED), progress)
        rows = [Enrolment(path, path.parent.name, species="sample animal") for path in rendered]
        queries = rows[_RENDERED_ASKED - 1 :: _RENDERED_ASKED]
        database = [row for row in rows if row not in set(queries)]
        return Photos(tuple(database[:enrolled]), evenly(queries, asked), "rendered sample animals, 640 x 480 pixels")
    names = [(path if path.is_dir() else path.parent).resolve().name for path in metadata]
    database = [row for path in metadata for row in read_source(path, split="database", fold=fold)]
    queries = [
        row for path in metadata for row in evenly(read_source(path, split="query", fold=fold), -(-asked // len(metadata)))
    ]
    # The gallery holds several species and the queries name none, so every animal of the gallery is a candidate.
    plain = [replace(row, species="", viewpoint="") for row in queries]
    return Photos(
        tuple(whole_individuals(database, enrolled)),
        evenly(plain, asked),
        f"{', '.join(names)}; {f'fold {fold}' if fold else 'all folds'}",
    )


def measure_latency(
    plan: Plan, sizes: Sequence[int], photos: Photos, identifier: Identifier, folder: Path, progress: Progress, prepare: bool
) -> dict[str, Any] | None:
    """Measure over galleries of these sizes; None where they are to be prepared only.

    Raises:
        UsageError, EngineError, GalleryError, StorageError: see `enrol_photos`, `gallery_of` and `measure_gallery`.
    """
    enrolled = enrol_photos(folder, photos.database, identifier, progress)
    galleries = [gallery_of(size, enrolled, identifier, folder, progress) for size in sizes]
    for gallery in galleries:
        _open_once(gallery.path, identifier)
    if prepare:
        return None
    on_gpu = identifier.networks.device.name not in ("cpu", "openvino")
    counting = [match.name for match in identifier.recipe.match]
    meter = energy_meter(on_gpu)
    try:
        measured = []
        for gallery in galleries:
            measured.append(measure_gallery(plan, gallery, counting, meter, progress))
            click.echo(f"Measured over {gallery.size:,}.", err=True)
    finally:
        if meter:
            meter.close()
    return {
        "photos": photos.what,
        "queries": len(photos.queries),
        "rounds": plan.rounds,
        "calibrated": is_calibrated(identifier),
        "recipe": {
            "candidates": identifier.recipe.retrieve.candidates,
            "matchers": {match.name: match.best or identifier.recipe.retrieve.candidates for match in identifier.recipe.match},
        },
        "galleries": measured,
        "energy": _energy(measured, meter.name if meter else None),
    }


def _open_once(path: Path, identifier: Identifier) -> None:
    """Create the caches beside the gallery before the first timed start."""
    with Session(Gallery.open(path), identifier) as session:
        name = identifier.recipe.retrieve.embedding
        (first, *_) = session.gallery.sightings()
        (vector,) = session.candidates.vectors(name, np.array([first.id]))
        session.candidates.nearest(name, vector, 1, None)


def _energy(measured: Sequence[dict[str, Any]], meter: str | None) -> str:
    if meter is None:
        return "Energy was not measured: this machine has no readable energy counter (tegrastats, NVML, RAPL)."
    found = ", ".join(
        f"{side} {figures['joules_per_photo']:.2f} J at {gallery['size']:,}"
        for gallery in measured
        for side, figures in gallery["sides"].items()
        if figures["joules_per_photo"] is not None
    )
    return f"Energy per photo ({meter}; everything the machine does, including idle power): {found}."
