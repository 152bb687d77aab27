"""A set of hashes in eight bytes each."""

from __future__ import annotations

import hashlib
import pickle

from reid_edge.bulk.hashes import PhotoHashes


def test_hashes_of_the_set_are_in_it_and_others_are_not():
    every = [hashlib.sha256(str(number).encode()).hexdigest() for number in range(200)]
    held = pickle.loads(pickle.dumps(PhotoHashes.of(every[:100] + every[:10])))
    assert [each in held for each in every] == [True] * 100 + [False] * 100
    assert held.starts.nbytes == 800


def test_an_empty_set_holds_nothing():
    assert "ab" * 32 not in PhotoHashes.of([])
