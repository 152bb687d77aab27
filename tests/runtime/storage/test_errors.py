"""What the disk refuses is told with its reason and what to do."""

from __future__ import annotations

import errno

import pytest

from reid_edge.errors import StorageError
from reid_edge.storage.errors import file_errors, storage_errors


@pytest.mark.parametrize(
    ("number", "reason"),
    [
        (errno.ENOSPC, "the disk is full"),
        (errno.EDQUOT, "the disk quota is used up"),
        (errno.EROFS, "the disk is read-only"),
        (errno.EACCES, "access is not permitted"),
        (errno.EIO, "Input/output error"),
    ],
)
def test_each_refusal_has_its_reason_and_a_hint(number, reason):
    with pytest.raises(StorageError) as caught, storage_errors("write the thing"):
        raise OSError(number, "Input/output error")
    assert caught.value.message == f"Could not write the thing: {reason}."
    assert caught.value.hint


def test_a_file_is_named(tmp_path):
    with pytest.raises(StorageError, match=r"Could not read or write .*absent: No such file"), file_errors(tmp_path / "absent"):
        (tmp_path / "absent").read_bytes()
