"""Fixtures shared by all tests: where the real photos lie, if they are here."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import settings

# Tests do not time: a busy machine is no reason to fail.
settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")

REPOSITORY = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder with real photos beside the checkout; skips where it is absent."""
    folder = REPOSITORY.parent / "shared"
    if not (folder / "data").is_dir():
        pytest.skip("the real photos (../shared/data) are not beside this checkout")
    return folder
