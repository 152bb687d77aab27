"""The scores of an audit on the disk: whatever a kill leaves of the file, whole lines are read and the rest is forgotten."""

from __future__ import annotations

import pytest

from reid_edge.audit.results_file import ResultsFile

SCORES = {3: {1: 20.0, 2: 0.0}, 1: {2: 7.5}, 2: {}}


@pytest.fixture
def written(tmp_path):
    """A file of three photos, its path and bytes."""
    results = ResultsFile(tmp_path / "g.sqlite.cache", "ab" * 32)
    for photo, scores in SCORES.items():
        results.add(photo, scores)
    (path,) = (tmp_path / "g.sqlite.cache").glob("audit-*.jsonl")
    return path, path.read_bytes()


def test_what_was_added_is_read_again(written, tmp_path):
    assert ResultsFile(tmp_path / "g.sqlite.cache", "ab" * 32).scores == SCORES


def test_a_file_cut_anywhere_loses_the_photo_in_hand_only_and_goes_on(written, tmp_path):
    path, content = written
    for cut in range(len(content)):
        path.write_bytes(content[:cut])
        results = ResultsFile(tmp_path / "g.sqlite.cache", "ab" * 32)
        whole = content[:cut].count(b"\n")
        assert results.scores == dict(list(SCORES.items())[:whole]), cut
        results.add(9, {1: 1.0})
        assert set(ResultsFile(tmp_path / "g.sqlite.cache", "ab" * 32).scores) == {*list(SCORES)[:whole], 9}


@pytest.mark.parametrize("damage", [b"\x00\x00\n", b"[]\n", b'{"photo": 1}\n', b'{"photo": "x", "scores": {}}\n'])
def test_from_a_damaged_line_on_nothing_is_believed(written, tmp_path, damage):
    path, content = written
    first = content.index(b"\n") + 1
    path.write_bytes(content[:first] + damage + content[first:])
    assert ResultsFile(tmp_path / "g.sqlite.cache", "ab" * 32).scores == {3: SCORES[3]}
    assert path.read_bytes() == content[:first]


def test_scores_of_another_gallery_content_or_pack_are_deleted(written, tmp_path):
    path, _ = written
    assert ResultsFile(tmp_path / "g.sqlite.cache", "cd" * 32).scores == {}
    assert not path.exists()
