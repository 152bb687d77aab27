"""A recipe is read strictly: what it cannot mean is refused, with the key's name and the nearest that exists."""

from __future__ import annotations

from copy import deepcopy
from dataclasses import replace

import pytest

from reid_edge.errors import PackError
from reid_edge.pack import Network, parse_manifest, write_manifest
from reid_edge.recipe import EarlyExit, Recipe, parse_recipe


@pytest.fixture
def recipe(field_pack) -> dict:
    """The bundled recipe, to change."""
    return deepcopy(dict(field_pack.recipe))


def test_the_bundled_recipe_says_which_scores_there_are_and_which_networks_make_features(recipe, field_pack):
    parsed = parse_recipe(recipe, field_pack.manifest)
    assert isinstance(parsed, Recipe)
    assert parsed.score_names == tuple(item["name"] for item in (*recipe["embed"], *recipe["match"]))
    made = {parsed.segment.network, *(item["network"] for item in (*recipe["embed"], *recipe["extract"]))}
    assert set(parsed.feature_networks) == made
    assert not made & {match.network for match in parsed.match}


def change(*path_and_value):
    *path, key, value = path_and_value

    def do(recipe):
        for step in path:
            recipe = recipe[step]
        recipe[key] = value

    return do


def drop(*path):
    def do(recipe):
        *way, key = path
        for step in way:
            recipe = recipe[step]
        del recipe[key]

    return do


def exit_early(recipe, **more):
    """With an early exit of the last matcher, in the order of counts of inliers, in place of running it in doubt only."""
    recipe["match"][-1].pop("in_doubt")
    if recipe["match"][-1].get("order") == "xfeat-distinctive":
        recipe["match"][-1]["order"] = "xfeat-verified"
    recipe["early_exit"] = {"tolerance": 0.01, **more}


REFUSED = {
    "an unknown stage": (change("watch", {}), r"recipe\.watch is an unknown key"),
    "an unknown key": (change("segment", "treshold", 0.5), r"recipe\.segment\.treshold is an unknown key; .*threshold"),
    "a missing key": (drop("segment", "threshold"), r"recipe\.segment\.threshold is missing"),
    "a missing stage": (drop("retrieve"), r"recipe\.retrieve is missing"),
    "a share above one": (change("segment", "margin", 1.5), r"recipe\.segment\.margin must be a finite number from 0 to 1"),
    "a number as text": (change("retrieve", "candidates", "100"), r"recipe\.retrieve\.candidates must be an integer"),
    "no candidates": (change("retrieve", "candidates", 0), r"recipe\.retrieve\.candidates must be an integer from 1"),
    "a truth as number": (change("extract", 0, "mask", 1), r"recipe\.extract\[0\]\.mask must be true or false"),
    "no embedding": (change("embed", []), r"recipe\.retrieve\.embedding is 'efficientnet-lite0', which the pack does not have"),
    "a network of another task": (change("embed", 0, "network", "xfeat"), r"The recipe's embedding network is 'xfeat'"),
    "a network that is not there": (change("segment", "network", "u2net"), r"The recipe's segmentation network is 'u2net'"),
    "lightglue without a network": (drop("match", 3, "network"), r"recipe\.match\[3\]: the matcher lightglue needs a network"),
    "mutual-nearest with a network": (
        change("match", 0, "network", "lighterglue"),
        r"recipe\.match\[0\]: the matcher mutual-nearest takes no network",
    ),
    "an unknown matcher": (change("match", 0, "matcher", "sift"), r"recipe\.match\[0\]\.matcher must be one of"),
    "best without order": (drop("match", 3, "order"), r"best and order go together"),
    "order without best": (drop("match", 3, "best"), r"best and order go together"),
    "order by a later score": (change("match", 1, "order", "xfeat-lighterglue"), r"The matcher xfeat-distinctive's order is"),
    "keypoints that nobody extracts": (
        change("match", 0, "keypoints", "sift"),
        r"The matcher xfeat-coarse's keypoints is 'sift'",
    ),
    "an estimate by halves": (change("early_exit", {"tolerance": 0.01, "spare": 5}), r"per_match and spare go together"),
    "an early exit without a tolerance": (change("early_exit", {}), r"recipe\.early_exit\.tolerance is missing"),
    "an early exit in no order": (
        lambda recipe: ([recipe["match"][3].pop(key) for key in ("best", "order", "photos")], exit_early(recipe)),
        r"An early exit needs a last matcher of keypoints, given its candidates in the order",
    ),
    "an estimate from a cosine": (
        lambda recipe: (change("match", 3, "order", "efficientnet-lite0")(recipe), exit_early(recipe)),
        r"An early exit needs a last matcher of keypoints, given its candidates in the order",
    ),
    "an estimate of a share": (
        lambda recipe: (change("match", 3, "count", "share")(recipe), exit_early(recipe, per_match=1, spare=5)),
        r"per_match of an early exit compares counts",
    ),
    "an early exit before another score": (
        lambda recipe: (
            change("rerank", [{"name": "near", "embedding": "efficientnet-lite0", "k1": 5, "k2": 2}])(recipe),
            exit_early(recipe),
        ),
        r"An early exit is for recipes whose last score is a matcher's",
    ),
    "an early exit of a matcher that runs in doubt only": (
        lambda recipe: (exit_early(recipe), change("match", 3, "in_doubt", True)(recipe)),
        r"A matcher that runs in doubt only has no early exit",
    ),
    "an earlier matcher in doubt": (change("match", 2, "in_doubt", True), r"in_doubt is for the last of several matchers"),
    "a first matcher in doubt": (
        lambda recipe: (recipe.update(match=recipe["match"][:1]), change("match", 0, "in_doubt", True)(recipe)),
        r"in_doubt is for the last of several matchers",
    ),
    "another score after the matcher in doubt": (
        change("rerank", [{"name": "near", "embedding": "efficientnet-lite0", "k1": 5, "k2": 2}]),
        r"in_doubt is for the last of several matchers, of a recipe that leaves the decision to the calibration",
    ),
    "a doubt as a number": (change("match", 3, "in_doubt", 1), r"recipe\.match\[3\]\.in_doubt must be true or false"),
    "two scores of one name": (change("match", 3, "name", "efficientnet-lite0"), r"two scores the same name"),
    "a name that no gallery stores": (
        change("embed", 0, "name", "a b/../c"),
        r"recipe\.embed\[0\]\.name must be text of the form",
    ),
    "two keypoint sets of one name": (
        lambda recipe: recipe["extract"].append(dict(recipe["extract"][0])),
        r"two sets of keypoints the same name",
    ),
}


@pytest.mark.parametrize("what", REFUSED)
def test_what_a_recipe_cannot_mean_is_refused(recipe, field_pack, what):
    spoil, message = REFUSED[what]
    spoil(recipe)
    with pytest.raises(PackError, match=message) as refused:
        parse_recipe(recipe, field_pack.manifest)
    assert refused.value.hint


def test_the_costly_score_is_that_of_the_matcher_in_doubt_and_counts_alone_are_absolute(recipe, field_pack):
    parsed = parse_recipe(recipe, field_pack.manifest)
    assert parsed.costly_score == parsed.score_names[-1] == "xfeat-lighterglue"
    assert parsed.absolute_scores == ("xfeat-verified", "xfeat-lighterglue")
    settings = parsed.feature_settings()
    recipe["match"][-1]["in_doubt"] = False
    always = parse_recipe(recipe, field_pack.manifest)
    assert (always.costly_score, always.absolute_scores, always.feature_settings()) == ("", parsed.absolute_scores, settings)


def test_an_early_exit_is_read_and_changes_no_feature(recipe, field_pack):
    without = parse_recipe(recipe, field_pack.manifest)
    assert without.early_exit is None
    exit_early(recipe)
    for table in ({"tolerance": 0.01}, {"tolerance": 0.02, "per_match": 0.7, "spare": 10.0}):
        recipe["early_exit"] = table
        parsed = parse_recipe(recipe, field_pack.manifest)
        assert parsed.early_exit == EarlyExit(**table)
        assert parsed.feature_settings() == without.feature_settings()


def test_a_network_for_pictures_without_preprocessing_is_refused(recipe, field_pack):
    networks = dict(field_pack.manifest.networks)
    networks["xfeat"] = replace(networks["xfeat"], preprocessing=None)
    with pytest.raises(PackError, match="xfeat states no preprocessing"):
        parse_recipe(recipe, replace(field_pack.manifest, networks=networks))


def test_keypoints_on_the_bars_of_a_letterbox_are_refused(recipe, field_pack):
    networks = dict(field_pack.manifest.networks)
    preprocessing = replace(networks["xfeat"].preprocessing, resize="letterbox", multiple=1)
    networks["xfeat"] = replace(networks["xfeat"], preprocessing=preprocessing)
    with pytest.raises(PackError, match="xfeat states a letterbox"):
        parse_recipe(recipe, replace(field_pack.manifest, networks=networks))


@pytest.mark.parametrize(
    ("size", "changes", "message"),
    [
        (96, {}, "loftr takes pictures of 192 pixels, but small is of 96"),
        (192, {"count": "share"}, "recipe.match\\[4\\]: the matcher loftr counts matches or sum, not share"),
        (192, {"network": "lighterglue"}, "lighterglue states no preprocessing"),
    ],
)
def test_pictures_that_the_matcher_cannot_take_are_refused(recipe, field_pack, size, changes, message):
    manifest = field_pack.manifest
    grey = replace(manifest.networks["xfeat"].preprocessing, resize="stretch", width=192, height=192, multiple=1, colour="grey")
    network = replace(manifest.networks["lighterglue"], preprocessing=grey)
    recipe["extract"].append({"name": "small", "detector": "picture", "size": size, "mask": False, "mask_margin": 0.0})
    match = {"name": "pixels", "keypoints": "small", "matcher": "loftr", "network": "loftr", "min_score": 0.2}
    recipe["match"][-1]["in_doubt"] = False
    recipe["match"].append({**match, **changes})
    with pytest.raises(PackError, match=message):
        parse_recipe(recipe, replace(manifest, networks={**manifest.networks, "loftr": network}))


def with_projection(recipe, field_pack, **parameters):
    """The recipe with a projection, and the manifest with its network, which states these parameters."""
    recipe["embed"][0]["projection"] = "narrow"
    network = Network("narrow.onnx", "projection", 18, "fp32", "fp32", "trained", parameters=parameters)
    return replace(field_pack.manifest, networks={**field_pack.manifest.networks, "narrow": network})


def test_a_projection_makes_features_too(recipe, field_pack):
    without = parse_recipe(recipe, field_pack.manifest)
    parsed = parse_recipe(recipe, with_projection(recipe, field_pack, input_dimension=1280))
    assert parsed.embed[0].projection == "narrow"
    assert set(parsed.feature_networks) == {*without.feature_networks, "narrow"}
    assert parsed.feature_settings()["embed"][0]["projection"] == "narrow"


def test_a_pack_without_a_projection_keeps_the_settings_that_galleries_are_tied_to(recipe, field_pack):
    settings = parse_recipe(recipe, field_pack.manifest).feature_settings()
    assert settings["embed"] == [{"name": "efficientnet-lite0", "network": "efficientnet-lite0"}]


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"input_dimension": 768}, r"The projection narrow takes vectors of 768 values, but efficientnet-lite0 gives 1280"),
        ({}, r"The projection narrow does not say how wide"),
    ],
)
def test_a_projection_of_vectors_of_another_width_is_refused(recipe, field_pack, parameters, message):
    with pytest.raises(PackError, match=message):
        parse_recipe(recipe, with_projection(recipe, field_pack, **parameters))


@pytest.mark.parametrize("name", ["efficientnet-lite0", "xfeat", "wide"])
def test_a_projection_that_is_none_of_the_packs_is_refused(recipe, field_pack, name):
    manifest = with_projection(recipe, field_pack, input_dimension=1280)
    recipe["embed"][0]["projection"] = name
    with pytest.raises(PackError, match=f"The recipe's projection network is '{name}'.* does not have"):
        parse_recipe(recipe, manifest)


def test_a_recipe_survives_the_pack(recipe, field_pack):
    written = parse_manifest(write_manifest(replace(field_pack.manifest, recipe=recipe)))
    assert parse_recipe(written.recipe, written) == parse_recipe(recipe, field_pack.manifest)


def test_settings_of_features_and_only_those_change_what_a_gallery_is_tied_to(recipe, field_pack):
    def key(changed):
        parsed = parse_recipe(changed, field_pack.manifest)
        return field_pack.feature_key(parsed.feature_networks, parsed.feature_settings())

    before = key(recipe)
    for spoil in (change("retrieve", "candidates", 7), change("match", 0, "min_score", 0.1), change("match", 1, "best", 3)):
        spoil(recipe)
    assert key(recipe) == before
    keys = {before}
    for spoil in (change("extract", 0, "mask_margin", 0.2), change("segment", "margin", 0.2), change("segment", "min_area", 0.2)):
        spoil(recipe)
        keys.add(key(recipe))
    assert len(keys) == 4


@pytest.mark.parametrize(
    ("position", "frames", "refusal"),
    [
        (4, True, "scale and orientation of SIFT"),
        (6, False, "affine frames"),
        (6, True, ""),
        (2, False, ""),
        (3, False, "takes 3"),
    ],
)
def test_a_lightglue_that_is_told_frames_is_refused_keypoints_without_them(recipe, field_pack, position, frames, refusal):
    networks = dict(field_pack.manifest.networks)
    networks["lighterglue"] = replace(networks["lighterglue"], parameters={"position": position})
    networks["xfeat"] = replace(
        networks["xfeat"], parameters={**networks["xfeat"].parameters, **({"frames": True} if frames else {})}
    )
    manifest = replace(field_pack.manifest, networks=networks)
    if refusal:
        with pytest.raises(PackError, match=refusal):
            parse_recipe(recipe, manifest)
    else:
        parse_recipe(recipe, manifest)


@pytest.mark.parametrize("position", [4, 6])
def test_sift_has_what_a_lightglue_can_be_told(recipe, field_pack, position):
    networks = dict(field_pack.manifest.networks)
    networks["lighterglue"] = replace(networks["lighterglue"], parameters={"position": position})
    recipe["extract"][0] = {"name": "xfeat", "detector": "sift", "keypoints": 64, "size": 320, "mask": True, "mask_margin": 0.0}
    parse_recipe(recipe, replace(field_pack.manifest, networks=networks))


VIEWPOINT = {"head": "sides", "embedding": "efficientnet-lite0", "min_probability": 0.8}


def with_viewpoint_head(field_pack, width=2 * 1280):
    network = Network("sides.onnx", "head", 18, "fp32", "fp32", "trained", parameters={"input_dimension": width})
    return replace(field_pack.manifest, networks={**field_pack.manifest.networks, "sides": network}, files=())


def test_a_viewpoint_head_is_no_score_and_changes_no_features_unless_animals_are_turned_by_it(recipe, field_pack):
    manifest = with_viewpoint_head(field_pack)
    plain, parsed = parse_recipe(recipe, manifest), parse_recipe({**recipe, "viewpoint": VIEWPOINT}, manifest)
    assert parsed.score_names == plain.score_names
    assert parsed.networks == (*plain.networks, "sides")
    assert parsed.feature_networks == plain.feature_networks
    assert parsed.feature_settings() == plain.feature_settings()
    turning = parse_recipe({**recipe, "viewpoint": VIEWPOINT, "orient": {"turn": {"left": 90}}}, manifest)
    assert turning.feature_networks == (*plain.feature_networks, "sides")
    assert turning.feature_settings()["viewpoint"]["min_probability"] == 0.8


@pytest.mark.parametrize(
    ("stage", "width", "message"),
    [
        ({"min_probability": 1.1}, 2560, r"recipe\.viewpoint\.min_probability must be a finite number from 0 to 1"),
        ({"embedding": "miewid"}, 2560, r"The embedding of recipe\.viewpoint is 'miewid', which the pack does not have"),
        ({"head": "xfeat"}, 2560, r"head network is 'xfeat', which the pack does not have"),
        ({"network": "sides"}, 2560, r"recipe\.viewpoint\.network is an unknown key"),
        ({}, 1280, r"takes vectors of 1280 values, but two halves of efficientnet-lite0 gives 2560"),
    ],
)
def test_a_viewpoint_stage_that_the_pack_cannot_run_is_refused(recipe, field_pack, stage, width, message):
    with pytest.raises(PackError, match=message):
        parse_recipe({**recipe, "viewpoint": {**VIEWPOINT, **stage}}, with_viewpoint_head(field_pack, width))


def test_a_viewpoint_head_without_its_labels_is_refused(recipe, field_pack):
    manifest = replace(with_viewpoint_head(field_pack), files=field_pack.manifest.files)
    with pytest.raises(PackError, match=r"has no heads/sides\.json"):
        parse_recipe({**recipe, "viewpoint": VIEWPOINT}, manifest)


def a_system(recipe, **species):
    """The recipe with a fusion of its own; by stage, the species of its first one."""
    recipe["match"] = [{key: value for key, value in match.items() if key != "in_doubt"} for match in recipe["match"]]
    scores = [item["name"] for item in (*recipe["embed"], *recipe["match"])]
    recipe |= {"fuse": [{"name": "all", "groups": [{"scores": scores, "weight": 1.0}]}], "decide": {}}
    for stage, names in species.items():
        (recipe[stage][0] if isinstance(recipe[stage], list) else recipe[stage])["species"] = names
    return recipe


def test_a_stage_may_be_for_some_species_and_galleries_are_tied_to_it(recipe, field_pack):
    plain = parse_recipe(a_system(deepcopy(recipe)), field_pack.manifest)
    lynx = parse_recipe(a_system(recipe, segment=["Lynx"]), field_pack.manifest)
    assert lynx.segment.species == ("lynx",)
    assert lynx.feature_settings()["segment"]["species"] == ("lynx",)
    assert lynx.species_of("xfeat-coarse") == ()
    assert "species" not in plain.feature_settings()["segment"]
    assert "species" not in repr((plain.segment, plain.embed, plain.extract, plain.match))


def test_a_score_of_one_species_is_one_and_what_is_laid_together_is_of_the_species_of_all_parts(recipe, field_pack):
    embed = recipe["embed"][0]
    recipe["embed"] += [{**embed, "name": "cats", "species": ["lynx", "tiger"]}, {**embed, "name": "spots", "species": ["lynx"]}]
    recipe["concatenate"] = [{"name": "both", "of": ["cats", "spots"]}]
    recipe["retrieve"] = [recipe["retrieve"], {**recipe["retrieve"], "embedding": "both", "candidates": 7}]
    parsed = parse_recipe(a_system(recipe), field_pack.manifest)
    assert parsed.species_of("cats") == ("lynx", "tiger")
    assert parsed.species_of("both") == ("lynx",)
    assert [each.embedding for each in parsed.retrieve_also] == ["both"]


def ordered_by(recipe, **group):
    """The second matcher in the order of a fusion of its own."""
    a_system(recipe)["fuse"].append({"name": "early", "groups": [{"weight": 1.0, "calibrated": False, **group}]})
    recipe["match"][1]["order"] = "early"
    return recipe


def test_a_fusion_may_order_the_candidates_of_a_matcher(recipe, field_pack):
    parsed = parse_recipe(ordered_by(recipe, scores=["efficientnet-lite0", "xfeat-coarse"]), field_pack.manifest)
    assert [fuse.name for fuse in parsed.ordering_fusions] == ["early"]
    assert parse_recipe(field_pack.recipe, field_pack.manifest).ordering_fusions == ()


CONTRADICTORY = {
    "an order by a fusion that is calibrated": (
        lambda recipe: ordered_by(recipe, scores=["efficientnet-lite0"], calibrated=True),
        r"recipe\.match\[1\]\.order is 'early', a fusion that has to be calibrated or fitted first",
    ),
    "an order by a fusion of later scores": (
        lambda recipe: ordered_by(recipe, scores=["xfeat-verified"]),
        r"recipe\.match\[1\]\.order is 'early', a fusion that has to be calibrated or fitted first, or has later scores",
    ),
    "an order by a fusion of other species": (
        lambda recipe: (
            recipe["embed"].append({**recipe["embed"][0], "name": "cats", "species": ["lynx"]}),
            ordered_by(recipe, scores=["cats"]),
        ),
        r"recipe\.match\[1\]\.species is for all species, but cats is computed of lynx only",
    ),
    "keypoints of other species": (
        lambda recipe: a_system(recipe, extract=["lynx"]),
        r"recipe\.match\[0\]\.species is for all species, but xfeat is computed of lynx only",
    ),
    "a shortlist that some have not": (
        lambda recipe: a_system(recipe, embed=["lynx"]),
        r"recipe\.retrieve\.embedding is for all species, but efficientnet-lite0 is computed of lynx only",
    ),
    "an order of other species": (
        lambda recipe: a_system(recipe, match=["lynx"]),
        r"recipe\.match\[1\]\.species is for all species, but xfeat-coarse is computed of lynx only",
    ),
    "a score of one species without a fusion": (
        lambda recipe: recipe["embed"].append({**recipe["embed"][0], "name": "more", "species": ["lynx"]}),
        r"The score more has species, but the recipe leaves the fusion to calibration",
    ),
    "retrievals that count differently": (
        lambda recipe: (
            recipe["embed"].append({**recipe["embed"][0], "name": "more"}),
            recipe.update(retrieve=[recipe["retrieve"], {"embedding": "more", "candidates": 5}]),
        ),
        r"recipe\.retrieve\[1\]\.unit is 'photos', but the first one counts individuals",
    ),
    "an unknown key of a further retrieval": (
        lambda recipe: recipe.update(retrieve=[recipe["retrieve"], {"embedding": "x", "candidate": 5}]),
        r"pack\.toml recipe\.retrieve\[1\]\.candidate is an unknown key",
    ),
    "the other spelling of several retrievals": (change("retrieve_also", []), r"write \[\[recipe\.retrieve\]\] several times"),
    "a grid without a fit": (
        lambda recipe: a_system(recipe).update(
            step=[{"do": "gate", "source": "all", "then": "new", "limit": 0.5, "grid": [0.4, 0.5]}]
        ),
        r"recipe\.step\[0\]: fit = \"geomean\" and grid, the values that are tried, go together",
    ),
    "a weight between three groups": (
        lambda recipe: a_system(recipe)["fuse"][0].update(fit="geomean", grid=[0.5]),
        r"divides the weight between two groups, not 1",
    ),
}


@pytest.mark.parametrize("what", CONTRADICTORY)
def test_what_contradicts_itself_is_refused(recipe, field_pack, what):
    spoil, message = CONTRADICTORY[what]
    spoil(recipe)
    with pytest.raises(PackError, match=message):
        parse_recipe(recipe, field_pack.manifest)
