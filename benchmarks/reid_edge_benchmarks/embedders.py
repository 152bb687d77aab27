"""Which embedder finds the right individual? The table by which the default pack's embedder was chosen."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from reid_edge.describe.segmentation import find_animals
from reid_edge.gallery.enrolment_list import Enrolment
from reid_edge.identify.identifier import Identifier
from reid_edge.markdown import markdown_table
from reid_edge.photo import read_photo
from reid_edge_benchmarks.embedding_networks import Embedder, OpenEmbedder
from reid_edge_calibration.labels.labelled_set import LabelledSet
from reid_edge_calibration.progress import Progress

SHORTLISTS = (20, 50, 100)


@dataclass(frozen=True)
class EmbedderFigures:
    """How good one embedder is on one labelled set.

    Attributes:
        embedder, labelled: which.
        queries: those whose individual is in the database; the others have no right answer here.
        rank_1: share of them whose nearest database photo, by cosine, shows the right individual.
        recall: by length of the shortlist, share of them with the right individual among so many nearest photos.
        dimension: of the vector.
        file_bytes: of the network.
        milliseconds: of the network alone for one crop on one thread, median over all photos of the set.
    """

    embedder: str
    labelled: str
    queries: int
    rank_1: float
    recall: dict[int, float]
    dimension: int
    file_bytes: int
    milliseconds: float


def measure_embedders(
    embedders: Sequence[Embedder], sets: Sequence[LabelledSet], identifier: Identifier, progress: Progress
) -> list[EmbedderFigures]:
    """Measure all embedders on the crops that the runtime would embed, the largest animal of each photo.

    A query is compared with the database photos that show the same side, where both say which, as the runtime does.

    Args:
        embedders: which.
        sets: labelled photos.
        identifier: finds the animals; its own embedder plays no part.

    Raises:
        UsageError: an ONNX file is no embedder of one image.
        PhotoError, EngineError: a photo cannot be read, or a network failed.
    """
    figures = []
    opened = [OpenEmbedder(embedder) for embedder in embedders]
    for labelled in sets:
        vectors: list[list[NDArray[np.float32]]] = [[] for _ in opened]
        for each in opened:
            each.milliseconds.clear()
        # All embedders see a crop while it is there: crops of a whole set would not fit into a small memory.
        for row in progress((*labelled.database, *labelled.queries), f"Embedding {labelled.name}"):
            crop = _crop(row, identifier)
            for each, column in zip(opened, vectors, strict=True):
                column.append(each.embed(crop))
        figures += [_figures(each, np.array(column), labelled) for each, column in zip(opened, vectors, strict=True)]
    return figures


def embedder_table(figures: Sequence[EmbedderFigures]) -> str:
    """Markdown, one line per embedder and set."""
    header = ("embedder", "photos", "queries", "R-1", *(f"in {count}" for count in SHORTLISTS), "dimension", "MB", "ms")
    rows = [
        [
            each.embedder,
            each.labelled,
            str(each.queries),
            f"{each.rank_1:.3f}",
            *(f"{each.recall[count]:.3f}" for count in SHORTLISTS),
            str(each.dimension),
            f"{each.file_bytes / 1e6:.1f}",
            f"{each.milliseconds:.1f}",
        ]
        for each in sorted(figures, key=lambda each: each.labelled)
    ]
    return markdown_table(header, rows)


def _crop(row: Enrolment, identifier: Identifier) -> NDArray[np.uint8]:
    segment = identifier.recipe.segment
    network = identifier.networks[segment.network]
    return find_animals(read_photo(row.path), network.engine, network.preprocessing, segment)[0].crop


def _figures(opened: OpenEmbedder, vectors: NDArray[np.float32], labelled: LabelledSet) -> EmbedderFigures:
    database, queries = labelled.database, labelled.queries
    known = {row.identity for row in database}
    places = []
    for query, vector in zip(queries, vectors[len(database) :], strict=True):
        if query.identity in known:
            places.append(_place(query, vectors[: len(database)] @ vector, database))
    return EmbedderFigures(
        embedder=opened.embedder.name,
        labelled=labelled.name,
        queries=len(places),
        rank_1=float(np.mean(np.array(places) < 1)),
        recall={count: float(np.mean(np.array(places) < count)) for count in SHORTLISTS},
        dimension=vectors.shape[1],
        file_bytes=opened.embedder.path.stat().st_size,
        milliseconds=float(np.median(opened.milliseconds)),
    )


def _place(query: Enrolment, cosines: NDArray[np.float32], database: Sequence[Enrolment]) -> float:
    """How many photos are nearer than the nearest of the right individual; infinite where no photo of it shows this side."""
    comparable = [not query.viewpoint or row.viewpoint in ("", query.viewpoint) for row in database]
    order = [int(photo) for photo in np.argsort(-cosines, kind="stable") if comparable[photo]]
    return next((float(place) for place, photo in enumerate(order) if database[photo].identity == query.identity), np.inf)
