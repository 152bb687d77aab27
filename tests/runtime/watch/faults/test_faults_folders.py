"""Cards that are pulled, disks that are unmounted, and files that arrive in every way there is."""

from __future__ import annotations


def test_a_pulled_card_and_an_unmounted_disk_are_absent_and_cost_no_photo_and_no_answer(meets):
    figures = meets("unmounted").figures
    assert figures["lost"] == figures["false new individuals"] == 0
    assert figures["absences reported"] == figures.get("unmounted", 0) + figures.get("pulled in the middle of a read", 0) > 0


def test_files_are_read_when_they_are_whole_and_none_is_skipped(meets):
    figures = meets("arrivals").figures
    assert figures["early reads"] == figures["skipped"] == 0
    assert figures["decided"] == figures["photos"]
