"""A pair of a discovery as a drawing: both animals at one scale, with the keypoints that they share."""

from __future__ import annotations

from reid_edge.compare.matching.mutual_nearest import match_mutual_nearest
from reid_edge.decide.decision import MatchedPoints
from reid_edge.describe.keypoints import Keypoints
from reid_edge.discover.constraints import Seen
from reid_edge.discover.report import Pair
from reid_edge.errors import GalleryError
from reid_edge.review.groups.groups import Groups
from reid_edge.review.pair.alignment import align
from reid_edge.review.pair.drawing import Side, draw
from reid_edge.review.pictures import Crop, Pictures, sighting_picture

_LEAST_COSINE = 0.5  # as discovery compares them


class FoundPictures:
    """Pictures of a discovery's animals.

    Args:
        groups: the discovery.
        found: of the working file.
        catalogue: of the catalogue, whose photos take part too.
    """

    def __init__(self, groups: Groups, found: Pictures, catalogue: Pictures) -> None:
        self._groups = groups
        self._found = found
        self._catalogue = catalogue

    def address(self, seen: Seen, small: bool = False) -> str:
        """Of an animal's picture, as large as the photo has it, or of its thumbnail."""
        if self._groups.is_of_catalogue(seen):
            return f"/pictures/thumbnail/{seen.sighting.id}.jpg" if small else sighting_picture(seen.sighting.id)
        return f"/pictures/found{'-thumbnail' if small else ''}/{seen.sighting.id}.jpg"

    def found(self, sighting_id: int) -> Crop:
        """An animal of the working file; errors as `Pictures.of_sighting`, GalleryError where there is none."""
        seen = self._groups.found(sighting_id)
        if seen is None:
            raise GalleryError(f"The discovery has no photo {sighting_id}.", "Open Groups again.")
        return self._found.of_sighting(seen.sighting)

    def drawing(self, pair: Pair, column: bool) -> str:
        """Both animals, SVG.

        Raises:
            GalleryError: pictures or keypoints cannot be read.
        """
        crops = [self._crop(seen) for seen in (pair.first, pair.second)]
        sides = [
            Side(self.address(seen) if crop.jpeg is not None else "", crop.frame, crop.in_photo_pixels)
            for seen, crop in zip((pair.first, pair.second), crops, strict=True)
        ]
        matches = [shared_points(*(self._groups.keypoints(seen.key) for seen in (pair.first, pair.second)))]
        return draw(sides, (), matches, align(matches, crops[0].frame), column)

    def _crop(self, seen: Seen) -> Crop:
        pictures = self._catalogue if self._groups.is_of_catalogue(seen) else self._found
        return pictures.of_sighting(seen.sighting)


def shared_points(first: Keypoints, second: Keypoints) -> MatchedPoints:
    """The keypoints that are mutual nearest neighbours."""
    (found,) = match_mutual_nearest(first, [second], _LEAST_COSINE)
    places = [tuple((float(x), float(y)) for x, y in xy) for xy in (first.xy[found.query], second.xy[found.candidate])]
    return MatchedPoints("shared", places[0], places[1], tuple(float(score) for score in found.scores))
