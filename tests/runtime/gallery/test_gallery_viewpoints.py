"""Viewpoints: common ones and those of the gallery are taken, a mistyped one is refused with what was probably meant."""

from __future__ import annotations

import pytest

from reid_edge.errors import UsageError
from reid_edge.gallery.viewpoints import refuse_mistyped_viewpoint


@pytest.mark.parametrize("viewpoint", ["", "left", "Right", "front-left", "backright", "left side", "dorsal", "frilly"])
def test_common_viewpoints_and_those_of_the_gallery_are_taken(viewpoint):
    refuse_mistyped_viewpoint(viewpoint, {"frilly"})
    refuse_mistyped_viewpoint(viewpoint, {"frilly"}, enrolling=True)


@pytest.mark.parametrize(("typed", "meant"), [("lefft", "left"), ("rigth", "right"), ("frily", "frilly"), ("LEFFT", "left")])
@pytest.mark.parametrize("enrolling", [False, True])
def test_a_mistyped_viewpoint_is_refused_with_the_one_that_was_meant(typed, meant, enrolling):
    with pytest.raises(UsageError, match="is no viewpoint") as refused:
        refuse_mistyped_viewpoint(typed, {"frilly"}, enrolling)
    assert refused.value.hint.startswith(f"Did you mean {meant}")
    assert refused.value.hint.endswith("The gallery has frilly.")


def test_a_viewpoint_of_ones_own_may_be_enrolled_but_not_asked_about_where_nothing_has_it():
    refuse_mistyped_viewpoint("scar", {"left"}, enrolling=True)
    with pytest.raises(UsageError, match="'scar' is no viewpoint"):
        refuse_mistyped_viewpoint("scar", {"left"})
