"""Opening a pack: what a sound one gives, and that anything else is refused with one clear sentence."""

from __future__ import annotations

import json
import os
import tempfile
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reid_edge.errors import PackError
from reid_edge.pack import open_pack, write_manifest
from reid_edge.pack.container import FolderContainer


def refusal(path: Path, **options: bool) -> str:
    """The sentence with which a pack is refused."""
    with pytest.raises(PackError) as caught:
        open_pack(path, **options)
    assert caught.value.hint
    assert "\n" not in caught.value.message
    assert str(path) in caught.value.message
    return caught.value.message


def test_a_sound_directory_gives_its_manifest_and_files(parts, tmp_path):
    made = parts()
    pack = open_pack(made.lay(tmp_path / "tiny"))
    assert pack.manifest == made.manifest
    assert pack.recipe["retrieve"]["candidates"] == 20
    assert pack.read_bytes("NOTICE.txt") == b"For tests.\n"
    assert pack.read_json("calibration/e.json") == {"knots": [[0.0, 0.0], [1.0, 1.0]]}


def test_an_unknown_path_names_the_nearest(parts, tmp_path):
    pack = open_pack(parts().lay(tmp_path))
    with pytest.raises(PackError, match=r"nearest known one is 'calibration/e\.json'"):
        pack.read_json("calibration/f.json")


@pytest.mark.parametrize("path", ["tiny.onnx", "calibration/e.json", "pack.toml"])
def test_a_file_changed_after_opening_is_not_handed_out(parts, tmp_path, path):
    pack = open_pack(parts().lay(tmp_path))
    content = bytearray((tmp_path / path).read_bytes())
    content[-2] ^= 1
    (tmp_path / path).write_bytes(content)
    with pytest.raises(PackError, match="changed since"):
        pack.read_bytes(path)


def test_a_file_gone_after_opening_is_an_error(parts, tmp_path):
    pack = open_pack(parts().lay(tmp_path))
    (tmp_path / "NOTICE.txt").unlink()
    with pytest.raises(PackError, match="is missing"):
        pack.read_bytes("NOTICE.txt")


def test_a_missing_pack_is_named(tmp_path):
    assert "nothing is there" in refusal(tmp_path / "absent")


def test_a_directory_without_a_manifest_is_refused(parts, tmp_path):
    (tmp_path / "empty").mkdir()
    assert "has no pack.toml" in refusal(tmp_path / "empty")
    parts().lay(tmp_path / "outer" / "inner")
    assert "must be at its root, but lies in 'inner'" in refusal(tmp_path / "outer")


def test_a_missing_file_is_named(parts, tmp_path):
    parts().lay(tmp_path)
    (tmp_path / "calibration/e.json").unlink()
    assert "'calibration/e.json' is listed in pack.toml but missing" in refusal(tmp_path)


def test_an_extra_file_is_named_with_the_nearest_listed_one(parts, tmp_path):
    parts().lay(tmp_path)
    (tmp_path / "NOTICES.txt").write_text("x")
    message = refusal(tmp_path)
    assert "'NOTICES.txt' is not listed" in message
    assert "'NOTICE.txt'" in message


def test_a_file_of_another_size_is_named_with_both_sizes(parts, tmp_path):
    parts().lay(tmp_path)
    (tmp_path / "NOTICE.txt").write_bytes(b"For tests.\n\n")
    assert "'NOTICE.txt' has 12 bytes, but pack.toml lists 11" in refusal(tmp_path)


def test_a_file_of_another_hash_is_named(parts, tmp_path):
    parts().lay(tmp_path)
    (tmp_path / "NOTICE.txt").write_bytes(b"For tests!\n")
    assert "'NOTICE.txt' has the sha256" in refusal(tmp_path)


def test_any_changed_byte_of_any_file_is_refused(parts, tmp_path):
    made = parts()
    for path, content in made.everything().items():
        for position in range(0, len(content), max(1, len(content) // 12)):
            spoiled = bytearray(content)
            spoiled[position] ^= 1
            made.lay(tmp_path)
            (tmp_path / path).write_bytes(spoiled)
            try:
                opened = open_pack(tmp_path)
            except PackError:
                continue
            assert path == "pack.toml"  # a changed word of the description is another pack, with another identity
            assert opened.manifest != made.manifest


@settings(max_examples=60, deadline=None)
@given(st.sampled_from(["tiny.onnx", "calibration/e.json", "NOTICE.txt", "pack.toml"]), st.binary(max_size=200))
def test_arbitrary_bytes_in_place_of_a_file_are_refused(parts, path, content):
    with tempfile.TemporaryDirectory() as folder:
        parts().lay(Path(folder))
        (Path(folder) / path).write_bytes(content)
        refusal(Path(folder))


@pytest.mark.parametrize("name", ["weights.pkl", "a.py", "LICENSE", "b.ONNX", "model.onnx.data"])
def test_a_kind_of_file_a_pack_has_no_use_for_is_refused(parts, tmp_path, name):
    parts().lay(tmp_path)
    (tmp_path / name).write_bytes(b"x")
    assert repr(name) in refusal(tmp_path)


@pytest.mark.skipif(os.name != "posix", reason="links and pipes as POSIX has them")
def test_links_and_pipes_are_refused(parts, tmp_path):
    (tmp_path / "secret.txt").write_bytes(b"For tests.\n")
    for name in ("file", "folder", "pipe", "dangling"):
        parts().lay(tmp_path / name)
    (tmp_path / "file/NOTICE.txt").unlink()
    (tmp_path / "file/NOTICE.txt").symlink_to(tmp_path / "secret.txt")
    (tmp_path / "folder/more").symlink_to(tmp_path)
    (tmp_path / "dangling/x.txt").symlink_to("nowhere.txt")
    os.mkfifo(tmp_path / "pipe/p.txt")
    for name in ("file", "folder", "pipe", "dangling"):
        assert "is a link or a special file" in refusal(tmp_path / name)


@pytest.mark.skipif(os.name != "posix", reason="links and pipes as POSIX has them")
def test_a_link_or_pipe_put_in_place_between_listing_and_reading_is_not_followed(parts, tmp_path):
    pack_directory = parts().lay(tmp_path / "tiny")
    source = FolderContainer(pack_directory)
    (tmp_path / "copy.txt").write_bytes(b"For tests.\n")
    (pack_directory / "NOTICE.txt").unlink()
    (pack_directory / "NOTICE.txt").symlink_to(tmp_path / "copy.txt")
    with pytest.raises(PackError, match=r"'NOTICE\.txt' cannot be read"):
        source.read("NOTICE.txt")
    (pack_directory / "NOTICE.txt").unlink()
    os.mkfifo(pack_directory / "NOTICE.txt")
    with pytest.raises(PackError, match="link or a special file"):
        source.read("NOTICE.txt")


@pytest.mark.parametrize(
    "text", ["{", "[NaN]", '{"a": 1, "a": 2}', "\xff", "[" * 100_000], ids=["cut", "nan", "twice", "latin", "deep"]
)
def test_json_that_is_not_sound_is_refused(parts, tmp_path, text):
    made = parts()
    made = replace(made, contents={**made.contents, "calibration/e.json": text.encode("latin-1")})
    assert "'calibration/e.json' is not sound JSON" in refusal(made.lay(tmp_path))


def test_an_opset_other_than_the_listed_one_is_refused(parts, network, tmp_path):
    assert "has opset 17, but networks.embedder.opset is 18" in refusal(parts(network(opset=17)).lay(tmp_path))


def test_random_weights_need_permission(parts, network, tmp_path):
    parts(network(stamp="random"), weights="random").lay(tmp_path)
    assert "'embedder' has random weights" in refusal(tmp_path)
    assert open_pack(tmp_path, allow_random=True).manifest.networks["embedder"].weights == "random"


def test_random_weights_called_trained_are_refused_even_with_permission(parts, network, tmp_path):
    parts(network(stamp="random")).lay(tmp_path)
    assert "stamped weights=random" in refusal(tmp_path, allow_random=True)


def test_a_feature_key_survives_recalibration(parts, tmp_path):
    made = parts()
    before = open_pack(made.lay(tmp_path / "a"))
    recalibrated = replace(
        made,
        manifest=replace(made.manifest, version="2", recipe={"retrieve": {"candidates": 5}}),
        contents={**made.contents, "calibration/e.json": b"{}"},
    )
    after = open_pack(recalibrated.lay(tmp_path / "b"))
    assert before.sha256 != after.sha256
    assert before.feature_key(["embedder"], {"margin": 0.1}) == after.feature_key(["embedder"], {"margin": 0.1})


def test_a_feature_key_changes_with_weights_preprocessing_parameters_and_settings(parts, network, tmp_path):
    made = parts()
    embedder = made.manifest.networks["embedder"]
    variants = [
        made,
        parts(network(seed=1)),
        parts(preprocessing=replace(embedder.preprocessing, multiple=8)),
        parts(preprocessing=None),
        parts(parameters={**embedder.parameters, "dimension": 4}),
    ]
    packs = [open_pack(variant.lay(tmp_path / str(i))) for i, variant in enumerate(variants)]
    keys = [pack.feature_key(["embedder"], {"margin": 0.1}) for pack in packs]
    keys += [packs[0].feature_key(["embedder"], {"margin": 0.2}), packs[0].feature_key([], {"margin": 0.1})]
    assert len(set(keys)) == len(keys)


@given(st.dictionaries(st.text(), st.integers() | st.text() | st.lists(st.floats(allow_nan=False, allow_infinity=False))))
@settings(max_examples=30, deadline=None)
def test_a_feature_key_does_not_depend_on_the_order_of_settings(parts, options):
    with tempfile.TemporaryDirectory() as folder:
        pack = open_pack(parts().lay(Path(folder)))
        backwards = dict(reversed(options.items()))
        assert pack.feature_key(["embedder"], options) == pack.feature_key(["embedder"], backwards)
        assert len(pack.feature_key([], json.loads(json.dumps(options)))) == 64


def test_a_feature_key_of_an_unknown_network_names_the_nearest(parts, tmp_path):
    with pytest.raises(PackError, match="nearest known one is 'embedder'"):
        open_pack(parts().lay(tmp_path)).feature_key(["embeder"], {})


def test_more_files_than_a_pack_may_have_are_refused(parts, tmp_path):
    parts().lay(tmp_path)
    for i in range(1001):
        (tmp_path / f"{i}.txt").touch()
    assert "more than 1000 files" in refusal(tmp_path)


def test_a_sparse_file_of_three_gigabytes_is_refused_unread(parts, tmp_path):
    parts().lay(tmp_path)
    with (tmp_path / "tiny.onnx").open("r+b") as file:
        file.truncate(3 << 30)
    assert "a .onnx file may have 2147483648" in refusal(tmp_path)


def test_the_manifest_lists_a_file_twice(parts, tmp_path):
    made = parts()
    doubled = replace(made.manifest, files=(*made.manifest.files, made.manifest.files[0]))
    assert "'NOTICE.txt' is there twice" in refusal(made.lay(tmp_path, toml=write_manifest(doubled)))
