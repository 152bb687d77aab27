"""Two sample photos through both sides: masks, vectors, keypoints and match counts are the same but for rounding."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from reid_edge.compare.matching import match_lightglue, match_mutual_nearest
from reid_edge.recipe.stages import Match

pytest.importorskip("kornia")

import torch

from reid_edge_benchmarks.parity.describing import Described, Points
from reid_edge_benchmarks.parity.differences import description_differences
from reid_edge_benchmarks.parity.matching import PairMatchers
from reid_edge_benchmarks.parity.runtime_system import RuntimeAnswer, with_one_fusion
from reid_edge_benchmarks.parity.torch_networks import TorchNetworks


def test_both_sides_find_the_same_animal_and_describe_it_alike(imara, identifier) -> None:
    runtime = [RuntimeAnswer("Imara", True, 1.0, {}, each.runtime) for each in imara]
    found = description_differences(identifier.recipe, ("one", "two"), [each.reference for each in imara], runtime)
    largest = {difference.stage: difference.largest for difference in found}
    # The pack holds weights in half precision, the reference in single.
    assert largest["mask"] < 0.002  # measured 1e-4
    assert largest["chip"] <= 1  # pixel; measured 0
    assert largest["embedding efficientnet-lite0"] < 5e-5  # measured 2e-6
    assert largest["keypoints xfeat"] < 0.02  # measured 0
    assert largest["descriptors xfeat"] < 1e-5  # measured 8e-9


def on_the_runtimes_keypoints(described) -> Described:
    """The runtime's keypoints of a photo as the reference has them."""
    keypoints = described.features.keypoints["xfeat"]
    width, height = (int(side) for side in keypoints.chip_size)
    points = Points(
        torch.from_numpy(keypoints.chip_xy), torch.from_numpy(keypoints.descriptors), None, (width, height), (width, height)
    )
    return Described(described.animal.box, described.animal.mask, 0, {}, {"xfeat": points}, {})


def test_matchers_count_the_same_on_the_same_keypoints(imara, identifier) -> None:
    pack = identifier.pack
    query, candidate = (each.runtime.features.keypoints["xfeat"] for each in imara)
    mine = [on_the_runtimes_keypoints(each.runtime) for each in imara]
    by_name = {match.name: match for match in identifier.recipe.match}
    nearest, lightglue = by_name["xfeat-distinctive"], replace(by_name["xfeat-lighterglue"], points=0)
    matchers = PairMatchers(pack, TorchNetworks(pack))
    expected = len(match_mutual_nearest(query, [candidate], nearest.min_score)[0])
    assert expected > 20
    assert abs(len(matchers.match(nearest, *mine).rows) - expected) <= 1  # at the limit the last bit decides; measured 0
    engine = identifier.networks["lighterglue"].engine
    expected = len(match_lightglue(query, [candidate], engine, lightglue.min_score)[0])
    assert expected > 20
    assert abs(len(matchers.match(lightglue, *mine).rows) - expected) <= max(2, 0.02 * expected)  # measured 0


@pytest.mark.parametrize("matcher", ["adalam", "fginn"])
def test_the_geometric_matchers_count_as_kornia_does(matcher: str, imara) -> None:
    from reid_edge.compare.matching.adalam import match_adalam
    from reid_edge.compare.matching.affine_points import AffinePoints
    from reid_edge.compare.matching.geometry_aware import match_fginn

    run = {"adalam": match_adalam, "fginn": match_fginn}[matcher]
    one, other = (
        AffinePoints.of(
            each.runtime.features.keypoints["xfeat"], tuple(map(int, each.runtime.features.keypoints["xfeat"].chip_size))
        )
        for each in imara
    )
    found = len(run(one, [other], 0.0)[0])
    match = Match("count", "xfeat", matcher, 0.0)
    mine = [on_the_runtimes_keypoints(each.runtime) for each in imara]
    expected = len(PairMatchers.match(PairMatchers.__new__(PairMatchers), match, *mine).rows)
    assert expected > 10
    assert abs(found - expected) <= max(2, 0.02 * expected)  # places of whole pixels lie exactly at fginn's limit of 10


@pytest.mark.parametrize(("quarters", "corner"), [(0, (12, 21)), (1, (31, 21)), (2, (31, 58)), (-1, (12, 58))])
def test_the_upper_left_corner_of_a_turned_chip_is_found_in_the_photo(quarters: int, corner: tuple[int, int]) -> None:
    """A crop of 20 x 38 pixels at (12, 21): turned counter-clockwise once, its upper left corner was the upper right one."""
    size = (20, 38) if quarters % 2 == 0 else (38, 20)
    points = Points(torch.zeros(1, 2), torch.zeros(1, 4), None, size, size)
    described = Described((12, 21, 32, 59), np.ones((38, 20), bool), quarters, {}, {"points": points}, {})
    assert described.photo_xy("points").tolist() == [list(corner)]


def test_a_matcher_that_runs_in_doubt_always_runs_where_one_fusion_takes_the_place_of_the_calibration(identifier):
    assert identifier.recipe.costly_score
    one = with_one_fusion(identifier.recipe)
    assert (one.costly_score, len(one.fuse)) == ("", 1)
    assert with_one_fusion(one) == one
