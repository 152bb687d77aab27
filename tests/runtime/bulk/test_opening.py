"""A worker opens the pack that the command was given, and no other."""

from __future__ import annotations

import pickle
from dataclasses import replace

import pytest

from reid_edge.bulk.opening import BulkPack
from reid_edge.errors import PackError


def test_the_features_of_a_worker_are_tied_to_the_key_of_the_command(pack, identifier):
    worker = pickle.loads(pickle.dumps(pack.workers)).open()
    assert worker.feature_key == pack.feature_key == identifier.feature_key


def test_another_pack_of_the_same_name_is_refused(pack):
    with pytest.raises(PackError, match="is another one than where the command was given"):
        replace(pack.workers, sha256="0" * 64).open()


def test_a_name_stays_a_name_and_a_path_becomes_absolute(pack, field_pack, monkeypatch):
    assert pack.workers.name == "field"
    monkeypatch.chdir(field_pack.source.parent)
    assert BulkPack("./field").workers.name == str(field_pack.source)
