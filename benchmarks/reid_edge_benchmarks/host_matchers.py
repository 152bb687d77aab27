"""``reid-edge bench matchers``: the matchers that run on the host, AdaLAM and fginn, on one core.

SIFT keypoints of the sample photos stand in for those of a network: they have frames, need no weights, and are real.
"""

from __future__ import annotations

import itertools
import statistics
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from threadpoolctl import threadpool_limits

import reid_edge
from reid_edge.compare.matching.adalam import match_adalam
from reid_edge.compare.matching.affine_points import AffinePoints, detection_size
from reid_edge.compare.matching.geometry_aware import match_fginn
from reid_edge.compare.matching.matches import Matches
from reid_edge.describe.orientation import Chip
from reid_edge.describe.sift import extract_sift
from reid_edge.photo import read_photo
from reid_edge.recipe import Extract

Matcher = Callable[[AffinePoints, Sequence[AffinePoints], float], list[Matches]]
MATCHERS: dict[str, Matcher] = {"adalam": match_adalam, "fginn": match_fginn}


def sample_points(keypoints: int, size: int) -> list[AffinePoints]:
    """The keypoints of every sample photo, at this many pixels of its long side."""
    settings = Extract("sift", False, 0.0, detector="sift", keypoints=keypoints, size=size)
    found = []
    for path in sorted((Path(reid_edge.__file__).parent / "samples" / "gallery").rglob("*.jpg")):
        rgb = read_photo(path).rgb
        chip = Chip(rgb, np.ones(rgb.shape[:2], bool), (0, 0, rgb.shape[1], rgb.shape[0]), 0)
        points = extract_sift(chip, settings)
        found.append(AffinePoints.of(points, detection_size(points, None)))
    return found


def measure_host_matchers(keypoints: Sequence[int], size: int, candidates: int, rounds: int) -> list[dict[str, Any]]:
    """Processor time of one query against its candidates, on one core: the median of the rounds, each of another query.

    Args:
        keypoints: how many points of a photo, one row for each.
        size: pixels of a photo's long side.
        candidates: how many photos a query is compared with.
        rounds: how many queries, fewer than the 24 sample photos.

    Returns:
        By matcher and number of keypoints: ``matcher``, ``keypoints`` (the mean number found), ``candidates``, ``ms`` a query, ``matches``
        in all.
    """
    rows = []
    with threadpool_limits(1):
        for count in keypoints:
            points = sample_points(count, size)
            asked, rest = points[:rounds], points[rounds:]  # no query is among its candidates: a copy is a case of its own
            others = list(itertools.islice(itertools.cycle(rest), candidates))
            for name, match in MATCHERS.items():
                match(asked[0], others[:2], 0.0)
                taken, matches = [], 0
                for query in asked:
                    begin = time.process_time()
                    found = match(query, others, 0.0)
                    taken.append(1000 * (time.process_time() - begin))
                    matches += sum(map(len, found))
                rows.append(
                    {
                        "matcher": name,
                        "keypoints": statistics.mean(map(len, points)),
                        "candidates": candidates,
                        "ms": statistics.median(taken),
                        "matches": matches,
                    }
                )
    return rows
