"""bench embedders: any network of one image and one vector, asked as the runtime asks, and shares counted right."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
from click.testing import CliRunner
from onnx import TensorProto, helper

from reid_edge.errors import UsageError
from reid_edge.gallery.enrolment_list import Enrolment, read_source
from reid_edge.identify.identifier import Identifier
from reid_edge.pack import find_pack
from reid_edge.photo import read_photo
from reid_edge_benchmarks.cli import bench
from reid_edge_benchmarks.embedders import measure_embedders
from reid_edge_benchmarks.embedding_networks import Embedder, OpenEmbedder, catalogue_embedders, parse_embedder
from reid_edge_calibration.labels.labelled_set import LabelledSet

Saved = Callable[..., Path]


@pytest.fixture(scope="module")
def shipped(identifier: Identifier) -> Embedder:
    """The embedder of the bundled pack."""
    network = identifier.pack.manifest.networks["efficientnet-lite0"]
    assert network.preprocessing is not None
    return Embedder("shipped", find_pack("field") / network.file, network.preprocessing)


@pytest.fixture
def save(tmp_path: Path) -> Saved:
    """save(shape, dtype, axes, inputs=1): an ONNX file that averages an image over these axes."""

    def saved(shape: list[int | str], dtype: int, axes: list[int], inputs: int = 1) -> Path:
        names = [f"image{number}" for number in range(inputs)]
        nodes = [
            helper.make_node("Cast", [names[0]], ["float"], to=TensorProto.FLOAT),
            helper.make_node("ReduceMean", ["float", "axes"], ["vector"], keepdims=0),
        ]
        graph = helper.make_graph(
            nodes,
            "average",
            [helper.make_tensor_value_info(name, dtype, shape) for name in names],
            [helper.make_tensor_value_info("vector", TensorProto.FLOAT, None)],
            [helper.make_tensor("axes", TensorProto.INT64, [len(axes)], axes)],
        )
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
        path = tmp_path / "average.onnx"
        onnx.save(model, path)
        return path

    return saved


def test_a_network_of_bytes_in_the_last_axis_is_given_bytes(save: Saved) -> None:
    path = save(["batch", "height", "width", 3], TensorProto.UINT8, [1, 2])
    embedder = OpenEmbedder(parse_embedder(f"colour={path}:16:bytes"))
    crop = np.full((40, 60, 3), (200, 100, 50), np.uint8)
    assert embedder.embed(crop) == pytest.approx(np.array([4, 2, 1]) / 21**0.5)
    assert len(embedder.milliseconds) == 1


def test_a_network_of_planes_is_given_normalised_numbers(save: Saved) -> None:
    path = save([1, 3, 16, 16], TensorProto.FLOAT, [2, 3])
    embedder = OpenEmbedder(parse_embedder(f"colour={path}:16:imagenet"))
    vector = embedder.embed(np.full((16, 16, 3), (255, 0, 128), np.uint8))
    expected = (np.array([1, 0, 128 / 255]) - (0.485, 0.456, 0.406)) / (0.229, 0.224, 0.225)
    assert vector == pytest.approx(expected / np.linalg.norm(expected), abs=1e-5)


def test_the_shipped_network_gives_the_runtimes_own_vector(shipped: Embedder, identifier: Identifier, few_samples: Path) -> None:
    query = read_source(few_samples, split="query")[0]
    (described,) = identifier.describe(read_photo(query.path))
    vector = OpenEmbedder(shipped).embed(described.animal.crop)
    assert vector == pytest.approx(described.features.vectors["efficientnet-lite0"], abs=1e-5)


@pytest.mark.parametrize("shape", [["batch", 1, 16, 16], [16, 16, 3]], ids=["one channel", "no batch"])
def test_a_network_that_takes_no_rgb_image_is_refused(save: Saved, shape: list[int | str]) -> None:
    with pytest.raises(UsageError, match="not one RGB image"):
        OpenEmbedder(parse_embedder(f"other={save(shape, TensorProto.FLOAT, [0])}:16:unit"))


def test_a_network_of_two_images_is_refused(save: Saved) -> None:
    with pytest.raises(UsageError, match="not one RGB image"):
        OpenEmbedder(parse_embedder(f"pair={save([1, 3, 16, 16], TensorProto.FLOAT, [2, 3], inputs=2)}:16:unit"))


@pytest.mark.parametrize(
    "text", ["", "file.onnx:224:unit", "a=file.onnx", "a=f.onnx:224", "a=f.onnx:x:unit", "a=f.onnx:0:unit", "a=f.onnx:9:z"]
)
def test_a_network_that_is_not_said_as_asked_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="not of the form"):
        parse_embedder(text)


def test_a_file_that_is_not_there_is_named() -> None:
    with pytest.raises(UsageError, match=r"no file gone\.onnx"):
        parse_embedder("gone=gone.onnx:224:unit")


def test_exported_networks_that_were_kept_are_used_and_both_poolings_measured(tmp_path: Path) -> None:
    levels = [f"efficientnet-lite{level}-{pool}" for level in range(3) for pool in ("mean", "gem")]
    for stem in levels:
        (tmp_path / f"{stem}.onnx").touch()
    said: list[str] = []
    found = {embedder.path.stem: embedder.preprocessing.width for embedder in catalogue_embedders(tmp_path, said.append)}
    assert {stem: found[stem] for stem in levels} == dict(zip(levels, (224, 224, 240, 240, 260, 260), strict=True))
    assert said == []


def test_shares_count_queries_of_known_individuals_and_photos_of_their_side(
    save: Saved, identifier: Identifier, few_samples: Path
) -> None:
    """The place of each query is checked against the vectors themselves, by colour alone, which is often wrong."""
    embedder = parse_embedder(f"colour={save(['batch', 'height', 'width', 3], TensorProto.UINT8, [1, 2])}:16:bytes")
    database, queries = (tuple(read_source(few_samples, split=split)) for split in ("database", "query"))
    (figures,) = measure_embedders([embedder], [LabelledSet("few", "all", database, queries, "")], identifier, watch)
    opened = OpenEmbedder(embedder)

    def vector(row: Enrolment) -> np.ndarray:
        return opened.embed(identifier.describe(read_photo(row.path))[0].animal.crop)

    vectors = np.array([vector(row) for row in database])
    right = [database[int((vectors @ vector(query)).argmax())].identity == query.identity for query in queries[:2]]
    assert [query.identity for query in queries] == ["Imara", "Chipo", "Kito"]
    assert figures.queries == 2  # Kito is not in the database
    assert figures.rank_1 == np.mean(right)
    assert figures.recall == {20: 1, 50: 1, 100: 1}
    assert figures.dimension == 3
    assert figures.file_bytes == embedder.path.stat().st_size
    turned = tuple(Enrolment(row.path, row.identity, viewpoint="right") for row in database)
    (unseen,) = measure_embedders([embedder], [LabelledSet("few", "all", turned, queries[:1], "")], identifier, watch)
    assert (unseen.rank_1, unseen.recall[100]) == (0, 0)


def test_the_command_prints_a_markdown_table(shipped: Embedder, few_samples: Path, tmp_path: Path) -> None:
    report = tmp_path / "figures.json"
    network = f"mobile={shipped.path}:224:symmetric"
    result = CliRunner().invoke(
        bench, ["embedders", str(few_samples), "--no-catalogue", "--onnx", network, "--json", str(report)]
    )
    assert result.exit_code == 0, result.output
    header, rule, row = result.stdout.splitlines()[:3]
    assert [cell.strip() for cell in header.split("|")][1:5] == ["embedder", "photos", "queries", "R-1"]
    assert set(rule) <= set("|-: ")
    assert row.startswith("| mobile ")
    assert json.loads(report.read_text(encoding="utf-8"))["embedders"][0]["dimension"] == 1280


def test_nothing_to_measure_is_an_error(few_samples: Path) -> None:
    result = CliRunner().invoke(bench, ["embedders", str(few_samples), "--no-catalogue"])
    assert isinstance(result.exception, UsageError)


def watch(rows: tuple[Enrolment, ...], what: str) -> tuple[Enrolment, ...]:
    return rows
