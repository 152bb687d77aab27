"""From a gallery and a pack to a pack with a head."""

from __future__ import annotations

import json
import re

import pytest

pytest.importorskip("torch")

from click.testing import CliRunner

from reid_edge.compare.heads import parse_labels
from reid_edge.errors import UsageError
from reid_edge.pack import open_pack
from reid_edge.recipe import parse_recipe
from reid_edge_export.heads.cli import train_head
from reid_edge_export.heads.command import HeadRequest, train_into_pack


def test_the_new_pack_has_the_head_its_labels_and_its_stage_but_not_the_old_calibration(gallery, tmp_path):
    out, report, kept = tmp_path / "out", tmp_path / "report.json", tmp_path / "kept"
    asked = ["classifier", "--gallery", gallery, "--pack", "field", "--out", out, "--species", "Zebra", "--epochs", "2"]
    result = CliRunner().invoke(train_head, [*map(str, asked), "--report", str(report), "--keep-trained", str(kept)])
    assert result.exit_code == 0, result.output
    pack = open_pack(out)
    recipe = parse_recipe(pack.recipe, pack.manifest)
    (head,) = recipe.head
    assert (head.network, head.kind, head.species) == ("classifier-zebra", "classifier", ("zebra",))
    labels = parse_labels(pack.read_json("heads/classifier-zebra.json"), "classifier", "labels")
    assert labels.identities == tuple(f"animal {number}" for number in range(6))
    assert labels.dimension == pack.manifest.networks["classifier-zebra"].parameters["input_dimension"] == 1280
    assert not [file.path for file in pack.manifest.files if file.path.startswith("calibration/")]
    assert pack.manifest.parity["classifier-zebra"]["top1_agreement"] == 1.0
    assert json.loads(report.read_text())["individuals"] == 6
    assert (kept / "classifier-zebra.safetensors").is_file()
    assert "Calibrate again" in result.output


def test_a_projection_becomes_the_embeddings_and_changes_what_galleries_are_tied_to(gallery, field_pack, tmp_path):
    pack = train_into_pack(gallery, "field", tmp_path / "out", HeadRequest("projection", epochs=2), None, None, lambda line: None)
    recipe = parse_recipe(pack.recipe, pack.manifest)
    assert recipe.embed[0].projection == "projection"
    former = parse_recipe(field_pack.recipe, field_pack.manifest)
    keys = [p.feature_key(r.feature_networks, r.feature_settings()) for p, r in ((pack, recipe), (field_pack, former))]
    assert keys[0] != keys[1]


@pytest.mark.parametrize(
    ("request_", "told"),
    [
        (HeadRequest("classifier", species=("okapi",)), "holds no okapi"),
        (HeadRequest("classifier", embedding="miewid"), "'miewid', which the recipe does not have"),
        (HeadRequest("classifier", name="xfeat"), "already has a network .xfeat., which is not a head"),
        (HeadRequest("classifier", name="Über"), "cannot be called"),
    ],
)
def test_what_is_not_there_is_refused_before_the_training(gallery, tmp_path, request_, told):
    with pytest.raises(UsageError, match=told):
        train_into_pack(gallery, "field", tmp_path / "out", request_, None, None, lambda line: None)
    assert not (tmp_path / "out").exists()


def test_a_gallery_without_second_encounters_is_refused_with_how_many_there_are(photos):
    from reid_edge_export.heads.training import TrainingOptions
    from reid_edge_export.heads.training import train_head as train

    with pytest.raises(UsageError, match="0 of 6 individuals have one"):
        train(photos(encounters=1), TrainingOptions("classifier", "mlp", "Apache-2.0"))


def test_a_recipe_file_says_the_rest_and_its_stages_come_in_as_far_as_their_heads_are_trained(gallery, tmp_path):
    from reid_edge_export.recipe_file import read_recipe_text

    file = tmp_path / "two-heads.toml"
    heads = '[heads.mlp]\nkind = "classifier"\n[heads.mlp.training]\nepochs = 2\n[heads.trees]\nkind = "boosting"\n'
    stage = '[[recipe.head]]\nname = "{0}-score"\nkind = "{1}"\nnetwork = "{0}"\nembedding = "efficientnet-lite0"\nspecies = ["Zebra"]\n'
    stages = stage.format("mlp", "classifier") + stage.format("trees", "boosting")
    without_doubt = re.sub("^in_doubt.*$", "", read_recipe_text("field"), flags=re.MULTILINE)  # heads do not go with it
    file.write_text(without_doubt + heads + stages, encoding="utf-8")
    asked = HeadRequest("classifier", recipe=str(file))
    pack = train_into_pack(gallery, "field", tmp_path / "out", asked, tmp_path / "report.json", None, lambda line: None)
    (head,) = parse_recipe(pack.recipe, pack.manifest).head
    assert (head.name, head.network, head.species) == ("mlp-score", "mlp", ("zebra",))
    assert json.loads((tmp_path / "report.json").read_text())["settings"]["epochs"] == 2
    with pytest.raises(UsageError, match="has 0 heads of the kind projection"):
        train_into_pack(
            gallery, "field", tmp_path / "no", HeadRequest("projection", recipe=str(file)), None, None, lambda line: None
        )
