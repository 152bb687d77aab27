"""Power cuts and full disks."""

from __future__ import annotations


def test_a_power_cut_loses_no_committed_decision_and_no_photo(meets):
    figures = meets("power-cut").figures
    assert figures["cuts"] > 300  # each moment twice, of a run with photos that stay and of one with photos that are moved
    assert figures["committed decisions lost"] == figures["photos lost"] == 0
    assert figures["restarts"] > 0


def test_a_full_disk_at_any_write_is_waited_for(meets):
    figures = meets("disk-full").figures
    # 516 measured for three photos that are moved: a run that wrote far less would not have met the library.
    assert figures.get("write sites", 200) > 100
    assert figures["decided"] == figures["photos"]
    assert figures["source bytes changed"] == 0
