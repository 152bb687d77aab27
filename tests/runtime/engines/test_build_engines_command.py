"""`reid-edge pack build-engines` as a person uses it."""

from __future__ import annotations

import json

import pytest
from click.testing import CliRunner

from reid_edge.cli.pack import pack
from reid_edge.engines.gpu import find_gpus
from reid_edge.errors import EngineError, PackError, UsageError


def run(*arguments: object):
    return CliRunner().invoke(pack, ["build-engines", *map(str, arguments)])


def test_every_network_of_the_pack_is_built_for_every_target_or_was_there(engines, engine_folder):
    # The three large ones were built before, and their keys follow the same recipe.
    done = run("field", "--for", "SM86", "--out", engine_folder)
    assert done.exit_code == 0, done.output
    lines = [line.split("  ") for line in done.stdout.splitlines()]
    assert [line[:2] for line in lines] == [[name, "SM86"] for name in ("efficientnet-lite0", "lighterglue", "u2netp", "xfeat")]
    assert [line[3] == "exists already" for line in lines] == [False, True, True, True]
    for network, _, _, _, path in lines:
        record = json.loads((engine_folder / path).with_suffix(".json").read_text())
        assert record["network"] == network
        assert record["key"]["library"].startswith("tensorrt_rtx ")
    assert "for `--device tensorrt-rtx`" in done.stderr


def test_without_a_gpu_it_says_what_is_missing_and_how_to_build_nevertheless():
    try:
        find_gpus()
    except EngineError:
        refused = run().exception
        assert isinstance(refused, EngineError)
        assert "NVIDIA driver" in refused.message
        assert "--for SM86" in refused.hint
    else:
        pytest.skip("this machine has a GPU")


@pytest.mark.parametrize("arguments", [("--device", "cpu"), ("--device", "cuda:x"), ("--device", "cuda:0", "--for", "SM86")])
def test_a_device_that_no_engine_is_built_for_is_a_mistake_of_the_caller(arguments):
    assert isinstance(run(*arguments).exception, UsageError)


def test_an_unknown_generation_is_refused_before_anything_is_built(library, tmp_path):
    assert isinstance(run("--for", "SM86,SM61", "--out", tmp_path / "engines").exception, UsageError)
    assert not (tmp_path / "engines").exists()


def test_an_unknown_pack_is_a_pack_error():
    assert isinstance(run("feild", "--for", "SM86").exception, PackError)
