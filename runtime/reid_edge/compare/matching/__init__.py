"""Match the keypoints or pictures of a query with those of candidates: one module per matcher, one result type."""

from reid_edge.compare.matching.adalam import match_adalam
from reid_edge.compare.matching.affine_points import AffinePoints
from reid_edge.compare.matching.geometry_aware import match_fginn
from reid_edge.compare.matching.inliers import count_inliers
from reid_edge.compare.matching.lightglue import match_lightglue
from reid_edge.compare.matching.loftr import match_loftr
from reid_edge.compare.matching.matches import Matches
from reid_edge.compare.matching.mutual_nearest import match_mutual_nearest

__all__ = [
    "AffinePoints",
    "Matches",
    "count_inliers",
    "match_adalam",
    "match_fginn",
    "match_lightglue",
    "match_loftr",
    "match_mutual_nearest",
]
