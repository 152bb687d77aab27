"""Every size that the runtime asks of a network lies in its optimisation profile."""

from __future__ import annotations

from dataclasses import replace

import pytest

from reid_edge.engines.network_input import input_size
from reid_edge.engines.profiles import MOST_PAIRS, SizeRange, axis_ranges, fitted, most_pairs, ranges_of_file, ranges_of_network
from reid_edge.recipe import parse_recipe


def test_one_photo_at_a_time_fixes_the_batch_of_the_image_networks(ranges):
    for name in ("u2netp", "efficientnet-lite0", "xfeat"):
        assert ranges[name]["batch"] == SizeRange(1, 1, 1)


@pytest.mark.parametrize(("width", "height"), [(4000, 3000), (3000, 4000), (500, 500), (5000, 20), (20, 5000), (1, 1)])
def test_any_photo_fits_the_sizes_of_a_keypoint_network(field_pack, ranges, width, height):
    made = input_size(width, height, field_pack.manifest.networks["xfeat"].preprocessing)
    for size, axis in zip(made, ("width", "height"), strict=True):
        assert ranges["xfeat"][axis].smallest <= size <= ranges["xfeat"][axis].largest
    usual = tuple(ranges["xfeat"][axis].usual for axis in ("width", "height"))
    assert usual == input_size(4000, 3000, field_pack.manifest.networks["xfeat"].preprocessing)


@pytest.mark.parametrize(("limit", "points"), [(0, 1024), (512, 512), (5000, 1024)])
def test_a_matcher_takes_as_many_points_as_the_recipe_gives_it_and_a_whole_batch(field_pack, limit, points):
    recipe = parse_recipe(field_pack.recipe, field_pack.manifest)
    limited = replace(recipe, match=tuple(replace(match, points=limit) for match in recipe.match))
    assert field_pack.manifest.networks["xfeat"].parameters["keypoints"] == 1024
    ranges = ranges_of_network(field_pack.manifest, limited, "lighterglue")
    assert ranges["points0"] == ranges["points1"] == SizeRange(1, points, points)
    assert ranges["batch"].largest == MOST_PAIRS


@pytest.mark.parametrize(
    ("points", "gigabytes", "pairs"),
    [(512, 8, 32), (512, 80, 64), (1024, 8, 8), (1024, 24, 16), (2048, 8, 2), (2048, 80, 16), (512, 0, 32)],
)
def test_a_matcher_takes_fewer_pairs_where_memory_is_small_and_keypoints_are_many(points, gigabytes, pairs):
    assert most_pairs(points, gigabytes << 30) == pairs
    ranges = fitted(axis_ranges("matching", None, points), gigabytes << 30)
    assert ranges["batch"] == SizeRange(1, pairs, pairs)
    assert fitted(ranges, gigabytes << 30) == ranges


def test_other_networks_have_the_same_sizes_on_every_gpu(ranges):
    assert fitted(ranges["xfeat"], 8 << 30) == ranges["xfeat"]


def test_without_a_recipe_the_file_says_its_task_and_pixels_and_a_matcher_gets_the_most_points(models, ranges):
    assert ranges_of_file(models["xfeat"], "xfeat") == ranges["xfeat"]
    assert ranges_of_file(models["u2netp"], "u2netp") == ranges["u2netp"]
    alone = ranges_of_file(models["lighterglue"], "lighterglue")
    assert alone["points0"] == SizeRange(1, 512, 2048)


def test_a_file_that_says_nothing_has_a_range_for_its_batch_only(tiny):
    assert ranges_of_file(tiny, "tiny") == axis_ranges("", None) == {"batch": SizeRange(1, 1, 1)}


@pytest.mark.parametrize(("crops", "batch"), [((1,), (1, 1, 1)), ((5,), (5, 5, 5)), ((1, 5), (1, 5, 5))])
def test_an_embedder_of_five_crops_takes_them_together(field_pack, crops, batch):
    recipe = parse_recipe(field_pack.recipe, field_pack.manifest)
    several = tuple(
        replace(recipe.embed[0], name=f"of-{each}", crops=each, crop_share=0.8 if each == 5 else 0.0) for each in crops
    )
    ranges = ranges_of_network(field_pack.manifest, replace(recipe, embed=several), recipe.embed[0].network)
    assert ranges["batch"] == SizeRange(*batch)
