"""pack.toml: read back as written, and every unknown, missing or wrong key refused by name."""

from __future__ import annotations

import string
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reid_edge.errors import PackError
from reid_edge.pack import Manifest, Network, PackedFile, Preprocessing, parse_manifest, write_manifest

finite = st.floats(-1e290, 1e290, allow_nan=False)
words = st.text(st.characters(categories=["L", "N", "P", "S", "Zs"]).filter(str.isprintable), min_size=1, max_size=20)
scalars = st.booleans() | st.integers(-(2**62), 2**62) | finite | words
plain = st.recursive(scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(words, inner, max_size=3), max_leaves=8)
names = st.from_regex(r"[a-z0-9][a-z0-9-]{0,10}", fullmatch=True)
part = st.text(string.ascii_lowercase, min_size=1, max_size=8)


@st.composite
def preprocessings(draw):
    colour = draw(st.sampled_from(["rgb", "grey"]))
    channels = 1 if colour == "grey" else draw(st.sampled_from([1, 3]))
    resize = draw(st.sampled_from(["stretch", "long-side", "letterbox"]))
    width = draw(st.integers(1, 4096))
    return Preprocessing(
        resize=resize,
        width=width,
        height=width if resize == "long-side" else draw(st.integers(1, 4096)),
        colour=colour,
        scale=draw(st.floats(1e-6, 10)),
        mean=tuple(draw(st.lists(st.floats(-2, 2), min_size=channels, max_size=channels))),
        std=tuple(draw(st.lists(st.floats(0.01, 2), min_size=channels, max_size=channels))),
        interpolation=draw(st.sampled_from(["linear", "area", "cubic"])),
        multiple=draw(st.integers(1, 64)) if resize == "long-side" else 1,
    )


@st.composite
def manifests(draw):
    stems = draw(st.lists(part, min_size=1, max_size=3, unique=True))
    networks = {
        name: Network(
            file=f"{name}.onnx",
            task=draw(st.sampled_from(["segmentation", "embedding", "projection", "keypoints", "matching"])),
            opset=draw(st.integers(1, 30)),
            precision=draw(st.sampled_from(["fp32", "fp16", "int8"])),
            storage=draw(st.sampled_from(["fp32", "fp16", "int8"])),
            weights=draw(st.sampled_from(["trained", "random"])),
            preprocessing=draw(st.none() | preprocessings()),
            parameters=draw(st.dictionaries(words, scalars, max_size=3)),
        )
        for name in stems
    }
    paths = sorted({network.file for network in networks.values()} | {f"calibration/{draw(part)}.json"})
    sha = st.text("0123456789abcdef", min_size=64, max_size=64)
    return Manifest(
        name=draw(names),
        version="1.0",
        description=draw(words),
        licence="Apache-2.0 AND BSD-3-Clause",
        networks=networks,
        files=tuple(PackedFile(path, draw(sha), draw(st.integers(0, 1 << 20)), "MIT", draw(words)) for path in paths),
        provenance=draw(st.dictionaries(words, words, max_size=2)),
        parity={name: draw(st.dictionaries(words, scalars, max_size=2)) for name in stems[:1]},
        recipe=draw(st.dictionaries(words, plain, max_size=3)),
    )


@settings(max_examples=80, deadline=None)
@given(manifests())
def test_a_manifest_written_and_read_is_the_same_manifest(manifest):
    text = write_manifest(manifest)
    assert parse_manifest(text) == manifest
    assert write_manifest(parse_manifest(text)) == text


@settings(max_examples=30, deadline=None)
@given(manifests())
def test_the_order_in_which_a_manifest_was_built_does_not_show_in_its_text(manifest):
    def backwards(value):
        return {key: backwards(item) for key, item in reversed(value.items())} if isinstance(value, dict) else value

    other = replace(
        manifest,
        networks=backwards(manifest.networks),
        files=manifest.files[::-1],
        recipe=backwards(manifest.recipe),
        provenance=backwards(manifest.provenance),
    )
    assert write_manifest(other) == write_manifest(manifest)


@settings(max_examples=100, deadline=None)
@given(st.text(max_size=200))
def test_text_that_is_no_manifest_is_refused_without_a_traceback(text):
    with pytest.raises(PackError):
        parse_manifest(text)


def test_the_text_reads_well(parts):
    assert parts().toml.startswith('format_version = 1\nname = "tiny"\nversion = "1"\ndescription = "A pack for tests."\n')
    assert '\nlicence = "Apache-2.0"\n\n[provenance]\nexporter = ' in parts().toml
    assert "\n[networks.embedder.preprocessing]\nresize = " in parts().toml
    assert '\n[[recipe.embed]]\nname = "e"\n' in parts().toml


SPOILED = [
    ('name = "tiny"', 'nmae = "tiny"', "pack.toml nmae is an unknown key; the nearest known one is 'name'"),
    ('task = "embedding"', 'tsak = "embedding"', "networks.embedder.tsak is an unknown key; the nearest known one is 'task'"),
    ('resize = "long-side"', 'resise = "long-side"', "preprocessing.resise is an unknown key; the nearest known one is 'resize'"),
    ('origin = "the tests"', 'orgin = "the tests"', "orgin is an unknown key; the nearest known one is 'origin'"),
    ('description = "A pack for tests."\n', "", "pack.toml description is missing"),
    ("opset = 18\n", "", "pack.toml networks.embedder.opset is missing"),
    ("opset = 18", 'opset = "18"', "networks.embedder.opset must be an integer from 1 to 100, not '18'"),
    ("opset = 18", "opset = true", "networks.embedder.opset must be an integer"),
    ("opset = 18", "opset = 18.0", "networks.embedder.opset must be an integer"),
    (
        'task = "embedding"',
        'task = "guessing"',
        "task must be one of 'segmentation', 'embedding', 'projection', 'keypoints', 'matching', 'head', not 'guessing'",
    ),
    ('task = "embedding"', "task = [1]", "task must be one of"),
    ('name = "tiny"', "name = 5", "pack.toml name must be text"),
    ('name = "tiny"', 'name = "../tiny"', "pack.toml name must be text of the form"),
    ('description = "A pack for tests."', 'description = "\\u001b[31mred"', "pack.toml description holds a character"),
    ('licence = "Apache-2.0"', 'licence = "free?"', "pack.toml licence must be"),
    ("format_version = 1", "format_version = 2", "has format_version 2; this reid-edge reads 1"),
    ("format_version = 1", "format_version = true", "has format_version True"),
    ("format_version = 1", 'format_version = "1"', "has format_version '1'"),
    ("format_version = 1\n", "", "has format_version None"),
    ('exporter = "reid-edge tests"', "exporter = 1", "provenance.exporter must be text, not 1"),
    ("dimension = 3", "dimension = [3]", "networks.embedder.parameters.dimension must be a finite number, true, false or text"),
    ("dimension = 3", "dimension = nan", "parameters.dimension must be a finite number"),
    ("dimension = 3", "dimension = 2020-01-01", "parameters.dimension must be a finite number"),
    ("candidates = 20", "candidates = inf", "recipe.retrieve.candidates must be a finite number"),
    (
        "max_difference = 1e-06",
        "max_difference = {}",
        "parity.embedder.max_difference must be a finite number, true",
    ),
    ("[parity.embedder]", "[parity.embeder]", "parity.embeder is an unknown key; the nearest known one is 'embedder'"),
    ("[networks.embedder]", '[networks."../x"]', "pack.toml networks has a key that must be text of the form"),
    (
        'file = "tiny.onnx"',
        'file = "tinny.onnx"',
        "'tinny.onnx', which is not an ONNX file listed in files; the nearest known one is 'tiny.onnx'",
    ),
    ('file = "tiny.onnx"', 'file = "NOTICE.txt"', "'NOTICE.txt', which is not an ONNX file"),
    ("width = 64", "width = 65", "width and height must be equal, not 65 and 64"),
    ("width = 64", "width = 0", "width must be an integer from 1 to 16384"),
    ('resize = "long-side"', 'resize = "stretch"', "has no use for multiple"),
    ('resize = "long-side"', 'resize = "letterbox"', "has no use for multiple"),
    ("mean = [0.5, 0.4, 0.3]", "mean = [0.5, 0.4]", "has 2 values of mean and 3 of std"),
    ('colour = "rgb"', 'colour = "grey"', "has 3 values of mean"),
    ("std = [0.2, 0.2, 0.25]", "std = [0.2, 0.0, 0.25]", "must have a scale and a std above 0"),
    ("std = [0.2, 0.2, 0.25]", 'std = [0.2, "x", 0.25]', "preprocessing.std[1] must be a finite number, not 'x'"),
    ("size = 11", "size = -11", "size must be an integer from 0"),
    ('path = "NOTICE.txt"', 'path = "../NOTICE.txt"', "'../NOTICE.txt' leads out of the pack"),
    ('path = "NOTICE.txt"', 'path = "pack.toml"', "'pack.toml' is there twice"),
    ('path = "NOTICE.txt"', 'path = "TINY.onnx"', "differ only in case"),
    ('path = "NOTICE.txt"', 'path = "other.onnx"', "'other.onnx' is an ONNX file that no network"),
    ("[[files]]", "[files]", "pack.toml is not TOML"),
]


@pytest.mark.parametrize(("old", "new", "message"), SPOILED, ids=range(len(SPOILED)))
def test_a_spoiled_key_is_named(parts, old, new, message):
    assert old in parts().toml
    with pytest.raises(PackError) as caught:
        parse_manifest(parts().toml.replace(old, new, 1))
    assert message in caught.value.message
    assert caught.value.hint


def test_a_wrong_sha256_form_is_refused(parts):
    manifest = parts().manifest
    spoiled = replace(manifest, files=(*manifest.files[:-1], replace(manifest.files[-1], sha256="ABC")))
    with pytest.raises(PackError, match="sha256 must be text of the form"):
        parse_manifest(write_manifest(spoiled))


def test_files_that_add_up_beyond_a_pack_are_refused(parts):
    manifest = parts().manifest
    files = [replace(manifest.files[0], path=f"{i}.onnx", size=2 << 30) for i in range(3)]
    networks = {f"n{i}": replace(manifest.networks["embedder"], file=f"{i}.onnx") for i in range(3)}
    with pytest.raises(PackError, match="a pack may have 4294967296"):
        parse_manifest(write_manifest(replace(manifest, files=tuple(files), networks=networks, parity={})))


def test_an_unknown_network_or_file_names_the_nearest(parts):
    with pytest.raises(PackError, match="nearest known one is 'embedder'"):
        parts().manifest.network("embeder")
    with pytest.raises(PackError, match=r"nearest known one is 'tiny\.onnx'"):
        parts().manifest.file("tiny.onx")
