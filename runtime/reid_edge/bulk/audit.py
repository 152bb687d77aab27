"""An audit whose photos are compared by many workers; what they find is kept as if one process had compared them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from reid_edge.audit import Audit, AuditReport
from reid_edge.audit.comparing import Pair, PhotoComparer, pair_of
from reid_edge.bulk.opening import PackRecipe
from reid_edge.bulk.running import Pool, work_through
from reid_edge.bulk.worker import Failed
from reid_edge.errors import GalleryError
from reid_edge.gallery import Gallery
from reid_edge.storage.address import Place
from reid_edge.storage.durable import make_folder, replacing
from reid_edge.storage.errors import file_errors


@dataclass(frozen=True)
class CompareRecipe:
    """How a worker that compares photos of a gallery is made.

    Attributes:
        gallery: where each worker finds it.
        revision: of its content when the audit began.
        pack: that described its photos.
    """

    gallery: Place
    revision: str
    pack: PackRecipe

    def open(self) -> CompareWorker:
        """Open the gallery and the pack.

        Raises:
            GalleryError: it cannot be read, or has changed since the audit began.
            PackError, EngineError: the pack cannot be run there.
        """
        gallery = Gallery.open(self.gallery, writable=False)
        try:
            if gallery.revision() != self.revision:
                raise GalleryError(f"The gallery {self.gallery} was changed during the audit.", "Run the command again.")
            identifier = self.pack.open()
            return CompareWorker(PhotoComparer(gallery, identifier.feature_key, identifier.recipe, identifier.networks))
        except BaseException:
            gallery.close()
            raise


class CompareWorker:
    """Compares photos of the gallery with the others."""

    def __init__(self, comparer: PhotoComparer) -> None:
        self._comparer = comparer
        self._sightings = {each.id: each for each in comparer.sightings}

    def process(self, values: Sequence[int]) -> list[Mapping[int, float]]:
        """For each sighting id the scores of its pairs, by the id of the other; a pair of two of the batch is scored once."""
        done: set[Pair] = set()
        results: list[Mapping[int, float]] = []
        for value in values:
            scores = self._comparer.compare(self._sightings[value], done)
            done.update(pair_of(value, other) for other in scores)
            results.append(scores)
        return results


def compare_in_bulk(auditor: Audit, recipe: CompareRecipe, pool: Pool, batch: int) -> Iterator[None]:
    """Compare the remaining photos of an audit; gives None for each that is done.

    Where the pool gives results in order, the scores are those of one process: of two photos that choose each other, the first one's.

    Raises:
        GalleryError: the gallery was changed meanwhile, or a photo cannot be compared.
        PackError, EngineError: a worker cannot go on.
    """
    remaining = auditor.remaining
    for results in work_through(pool, recipe, [each.id for each in remaining], batch):
        for number, scores in results:
            if isinstance(scores, Failed):
                raise GalleryError(f"Sighting {remaining[number].id} cannot be compared. {scores.message}", scores.hint)
            auditor.keep(remaining[number], scores)
            yield None


def write_audit(folder: Path, auditor: Audit, report: AuditReport) -> None:
    """Write pairs.parquet and findings.parquet, each as a whole.

    Raises:
        StorageError: the folder cannot be written.
    """
    names = {each.id: each.identity for each in auditor.sightings}
    pairs = [(one, other, score) for (one, other), score in sorted(auditor.pairs.items()) if one in names and other in names]
    of_pairs = pa.table(
        {
            "first_sighting": pa.array([one for one, _, _ in pairs], pa.int64()),
            "second_sighting": pa.array([other for _, other, _ in pairs], pa.int64()),
            "first_individual": pa.array([names[one] for one, _, _ in pairs], pa.string()),
            "second_individual": pa.array([names[other] for _, other, _ in pairs], pa.string()),
            report.score: pa.array([score for _, _, score in pairs], pa.float64()),
        }
    )
    texts = pa.list_(pa.string())
    of_findings = pa.table(
        {
            "kind": pa.array([each.kind for each in report.findings], pa.string()),
            "individuals": pa.array([list(each.individuals) for each in report.findings], texts),
            "probability": pa.array([each.probability for each in report.findings], pa.float64()),
            "groups": pa.array(
                [[list(group) for group in each.groups] for each in report.findings], pa.list_(pa.list_(pa.int64()))
            ),
            "commands": pa.array([list(each.commands) for each in report.findings], texts),
        }
    )
    with file_errors(folder):
        make_folder(folder)
        for name, table in (("pairs", of_pairs), ("findings", of_findings)):
            with replacing(folder / f"{name}.parquet") as file:
                pq.write_table(table, file, compression="zstd")
