"""One photo, one answer for each of its animals: the whole forward path from pixels to decisions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import cv2

from reid_edge.compare.candidates import GalleryCandidates, Selection
from reid_edge.compare.comparison import compare
from reid_edge.decide.calibration import CalibrationModel, Entry, read_calibration
from reid_edge.decide.decision import Decision
from reid_edge.decide.early_exit import Settled
from reid_edge.decide.ranking import Ranking, rank
from reid_edge.decide.verdict import Verdict, judge
from reid_edge.describe.description import DescribedAnimal, describe
from reid_edge.describe.segmentation import Box
from reid_edge.engines.networks import Networks
from reid_edge.errors import PackError
from reid_edge.pack import Pack
from reid_edge.photo import Photo
from reid_edge.recipe import Recipe, parse_recipe
from reid_edge.timings import Timings

CALIBRATION = "calibration/scores.json"


@dataclass(frozen=True)
class Question:
    """What the caller knows or wants beside the photo.

    Attributes:
        species: of the animal, as the gallery spells it; empty where unknown.
        viewpoint: which side is seen, such as ``left``; empty where unknown.
        top: identities in the ranking at most.
        with_evidence: return the animal's outline, and matched points for the ranking.
    """

    species: str = ""
    viewpoint: str = ""
    top: int = 5
    with_evidence: bool = False


class Identifier:
    """A pack ready to answer: its recipe, its networks on one device, its calibration."""

    def __init__(self, pack: Pack, device: str = "auto", threads: int | None = None) -> None:
        """Read the recipe and choose the device; networks load when the first photo needs them.

        Raises:
            PackError: the recipe is broken.
            UsageError, EngineError: see `reid_edge.engines.select_device`.
        """
        self.pack = pack
        self.recipe: Recipe = parse_recipe(pack.recipe, pack.manifest)
        self.networks = Networks(pack, self.recipe, device, threads)
        cv2.setNumThreads(self.networks.device.threads)

    @cached_property
    def calibration(self) -> CalibrationModel:
        """The pack's calibrators, weights and thresholds.

        Raises:
            PackError: the pack has none, or it is broken or made for other scores.
        """
        if CALIBRATION not in {file.path for file in self.pack.manifest.files}:
            raise PackError(
                f"The pack {self.pack.manifest.name} is not calibrated.", "Run: reid-edge calibrate METADATA.csv --pack ..."
            )
        model = read_calibration(self.pack.read_bytes(CALIBRATION), CALIBRATION)
        if model.scores != self.recipe.score_names:
            raise PackError(
                f"{CALIBRATION} is made for the scores {', '.join(model.scores)}, the recipe has {', '.join(self.recipe.score_names)}.",
                "Calibrate the pack again.",
            )
        return model

    @property
    def feature_key(self) -> str:
        """What a gallery's features are tied to: the networks and parameters that make them, not the calibration."""
        return self.pack.feature_key(self.recipe.feature_networks, self.recipe.feature_settings())

    def describe(
        self,
        photo: Photo,
        largest_only: bool = False,
        timings: Timings | None = None,
        viewpoint: str = "",
        species: str = "",
        skip_empty: bool = False,
        boxes: Sequence[Box] | None = None,
    ) -> list[DescribedAnimal]:
        """The animals of a photo with their features, see `reid_edge.describe.description.describe`."""
        return describe(
            photo, self.recipe, self.networks, timings or Timings(), largest_only, viewpoint, species, skip_empty, boxes
        )

    def identify(
        self,
        photo: Photo,
        candidates: GalleryCandidates,
        question: Question | None = None,
        timings: Timings | None = None,
        boxes: Sequence[Box] | None = None,
    ) -> list[Decision]:
        """Answer for each animal of a photo, largest first.

        Args:
            photo: upright.
            candidates: the gallery, seen through this pack.
            question: what is known beside the photo.
            timings: may already hold stages (``decode``); gets all others.
            boxes: of the animals, where a detector found them, as `describe` takes them.

        Raises:
            EngineError: a network failed.
            GalleryError: the gallery cannot be read.
        """
        question, timings = question or Question(), timings or Timings()
        # Of a gallery of one species it is that one, whether the question says so or not, and the animal is turned as the others are.
        selection = candidates.select(question.species, question.viewpoint)
        species = selection.species or question.species
        animals = self.describe(photo, timings=timings, viewpoint=question.viewpoint, species=species, boxes=boxes)
        return self.answer(photo, animals, candidates, question, selection, timings)

    def answer(
        self,
        photo: Photo,
        animals: Sequence[DescribedAnimal],
        candidates: GalleryCandidates,
        question: Question,
        selection: Selection,
        timings: Timings,
    ) -> list[Decision]:
        """The second half of `identify`, for animals that `describe` returned; `selection` is what `candidates.select` chose."""
        species = selection.species or question.species
        answers = [self._answer(photo, animal, candidates, question, selection, species, timings) for animal in animals]
        # Timings belong to the whole photo, so every answer gets them once all are known.
        return [replace(answer, timings_ms=dict(timings.milliseconds)) for answer in answers]

    def _answer(
        self,
        photo: Photo,
        described: DescribedAnimal,
        candidates: GalleryCandidates,
        question: Question,
        selection: Selection,
        species: str,
        timings: Timings,
    ) -> Decision:
        entry, used = self.calibration.entry(species)
        quality = None if self.recipe.fuse else described.quality
        early = self.recipe.early_exit
        comparison = compare(
            described.features,
            candidates,
            self.recipe,
            self.networks,
            timings,
            selection.ids,
            species,
            question.viewpoint,
            Settled(candidates, entry, quality, early) if early else None,
        )
        with timings.stage("decide"):
            ranking = rank(comparison, candidates, entry, quality, self.recipe, species)
            doubt = selection.doubt_about(described.animal.found)
            verdict = judge(ranking, entry, selection.nothing_to_compare, selection.may_be_known, doubt)
            return self._decision(photo, described, candidates, question, ranking, verdict, entry, used, selection.warnings)

    def _decision(
        self,
        photo: Photo,
        described: DescribedAnimal,
        candidates: GalleryCandidates,
        question: Question,
        ranking: Ranking,
        verdict: Verdict,
        entry: Entry,
        calibration: str,
        warnings: tuple[str, ...],
    ) -> Decision:
        animal = described.animal
        engine = self.networks[self.recipe.networks[0]].engine.provenance
        duplicate = candidates.holds_photo(photo.sha256)
        return Decision(
            verdict=verdict.verdict,
            identity=verdict.identity,
            probability=verdict.probability,
            unknown=ranking.unknown,
            reason=verdict.reason,
            ranking=ranking.ranked(
                question.top, described.features, candidates if question.with_evidence else None, self.recipe.match
            ),
            thresholds={"known_from": entry.threshold, "ask_from": entry.ask_low, "ask_to": entry.ask_high},
            calibration=calibration,
            photo={
                "path": str(photo.path) if photo.path else None,
                "name": photo.name,
                "sha256": photo.sha256,
                "width": photo.width,
                "height": photo.height,
                "taken_at": photo.taken_at,
            },
            animal={
                "index": animal.index,
                "box": list(animal.box),
                "area": round(animal.area, 4),
                "found": animal.found,
                **({"outline": animal.outline()} if question.with_evidence else {}),
            },
            recipe=self.pack.manifest.name,
            pack={"name": self.pack.manifest.name, "version": self.pack.manifest.version, "sha256": self.pack.sha256},
            engine=vars(engine),
            timings_ms={},
            warnings=(
                *photo.warnings,
                *described.warnings,
                *warnings,
                *((f"This very photo is in the gallery, as {duplicate}.",) if duplicate else ()),
            ),
        )
