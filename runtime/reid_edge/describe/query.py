"""What a caller knows beside the photo, and what of the answer it wants."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from reid_edge.describe.segmentation.given_boxes import Box


@dataclass(frozen=True)
class Query:
    """What is known beside the photo. Everything may be left out.

    Attributes:
        species: of the animals, in any case of letters; empty where unknown. Only gallery animals of this species are compared.
        viewpoint: which side of the animals is seen, such as ``left``, in any case of letters; empty where unknown. Only gallery photos of
            this side are compared, and recipes that turn animals go by it.
        boxes: the animals, (x0, y0, x1, y1) pixels of the upright photo each, where a detector found them; the segmentation network looks
            only inside each of them. Empty: there is no animal. None: the network finds the animals in the whole photo.
        individuals: names of the gallery's individuals to compare with; None for all.
        excluded: names of individuals that the animals are not, as a person said.
        top: the most identities that a ranking holds.
        with_evidence: whether a decision holds the animal's outline and the matched points, as a report draws them.
        place: the camera or place of the photo, as the gallery spells it; empty where unknown.
        max_speed: km/h that the animal does not exceed between two cameras, where the caller states it; 0 leaves it out of account, None
            goes by the calibration, see `reid_edge.gallery.time_place`.
        animal: number of the animal that is asked about, from 1, largest first; None for all.
    """

    species: str = ""
    viewpoint: str = ""
    boxes: Sequence[Box] | None = None
    individuals: Sequence[str] | None = None
    excluded: Sequence[str] = ()
    top: int = 5
    with_evidence: bool = False
    animal: int | None = None
    place: str = ""
    max_speed: float | None = None
