"""An audit of a gallery: compare photo by photo, keep what is done, then read the findings. Nothing of the gallery is changed."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass

from reid_edge.audit.comparing import Pair, PhotoComparer, pair_of
from reid_edge.audit.findings import Finding, Findings
from reid_edge.audit.margins import Margins
from reid_edge.audit.pairs import PairTable, scores_by_pair
from reid_edge.audit.probability import calibrated
from reid_edge.audit.results_file import ResultsFile
from reid_edge.compare.selection import agrees
from reid_edge.gallery import Gallery, Sighting
from reid_edge.identify.identifier import CALIBRATION, Identifier

_VERSION = 1  # of what a photo is compared with, and how


@dataclass(frozen=True)
class AuditReport:
    """What an audit found.

    Attributes:
        findings: strongest first.
        score: the name of the score that they go by.
        absolute: whether that score says by itself how far two photos agree; the findings are weaker where it does not.
        calibrated: whether pairs have a probability by the pack's calibration, which bounds that of a finding; without it findings go by
            what is usual in the catalogue alone.
        photos, individuals, pairs: how many were compared.
        left_out: sightings that the pack has not described.
    """

    findings: tuple[Finding, ...]
    score: str
    absolute: bool
    calibrated: bool
    photos: int
    individuals: int
    pairs: int
    left_out: int


class Audit:
    """Compares a gallery with itself. What was compared is kept in the gallery's cache until the gallery or the pack changes."""

    def __init__(self, gallery: Gallery, identifier: Identifier, species: str = "") -> None:
        """Read the gallery, and what an earlier run has compared.

        Args:
            gallery: open for reading.
            identifier: the pack that described its photos.
            species: only individuals of this species; all where empty.

        Raises:
            GalleryError: the gallery cannot be read.
            PackError: the pack's calibration is broken.
        """
        self._gallery = gallery
        self._identifier = identifier
        self._species = species
        files = {file.path for file in identifier.pack.manifest.files}
        self._model = identifier.calibration if CALIBRATION in files else None
        self._comparer = PhotoComparer(gallery, identifier.feature_key, identifier.recipe, identifier.networks)
        self._results = ResultsFile(gallery.cache, self._key())
        self._done = set(scores_by_pair(self._results.scores))

    @property
    def remaining(self) -> list[Sighting]:
        """The photos that are not compared yet."""
        return [each for each in self.sightings if each.id not in self._results.scores]

    @property
    def compared(self) -> int:
        """How many photos are compared already."""
        return len(self.sightings) - len(self.remaining)

    @property
    def kept(self) -> bool:
        """Whether what is compared reaches the disk, so that it survives the end of this process."""
        return self._results.kept

    def compare(self, sighting: Sighting) -> None:
        """Compare one photo of `remaining`, and keep the result.

        Raises:
            EngineError: a network failed.
            GalleryError: a feature cannot be read.
        """
        self.keep(sighting, self._comparer.compare(sighting, self._done))

    def keep(self, sighting: Sighting, scores: Mapping[int, float]) -> None:
        """Keep what another process found for a photo of `remaining`; pairs that have a score are left out.

        Args:
            sighting: the photo.
            scores: by sighting id of the other photo, as of `PhotoComparer.compare`.
        """
        new = {other: score for other, score in scores.items() if pair_of(sighting.id, other) not in self._done}
        self._results.add(sighting.id, new)
        self._done.update(pair_of(sighting.id, other) for other in new)

    def report(self, min_probability: float = 0.2) -> AuditReport:
        """The findings of what is compared so far, of this probability or more."""
        sightings, evidence = self.sightings, self._comparer.score
        table = PairTable.of(sightings, scores_by_pair(self._results.scores), calibrated(self._model, evidence.name))
        findings = Findings(table, Margins(table, evidence.strength), self._gallery.path)
        return AuditReport(
            tuple(findings.all(min_probability)),
            evidence.name,
            evidence.absolute,
            self._model is not None,
            self.compared,
            len(table.photos),
            sum(map(len, table.of_photo.values())) // 2,
            len(self._gallery.sightings_without(self._identifier.feature_key)),
        )

    @property
    def pairs(self) -> dict[Pair, float]:
        """The score of each pair that is compared, by the two sighting ids."""
        return scores_by_pair(self._results.scores)

    @property
    def sightings(self) -> list[Sighting]:
        """The photos that take part."""
        return [each for each in self._comparer.sightings if not self._species or agrees(each.species, self._species)]

    def _key(self) -> str:
        """Of the gallery's content, and of all of the pack that scores depend on."""
        recipe = self._identifier.recipe
        content = [
            _VERSION,
            self._gallery.revision(),
            [(each.id, each.identity) for each in self._comparer.sightings],  # the revision leaves out who is who
            self._identifier.pack.feature_key(recipe.networks, recipe.feature_settings()),
            asdict(self._comparer.score),
        ]
        return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()
