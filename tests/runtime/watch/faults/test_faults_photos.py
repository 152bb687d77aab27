"""Broken photos, and real ones."""

from __future__ import annotations


def test_broken_photos_go_to_quarantine_and_take_nothing_down(meets):
    figures = meets("broken-photos").figures
    assert figures["decoder crashes and hangs"] == 0
    assert 0 < figures["of them in quarantine"] < figures["mutated photos"] == 60
    assert figures["decoders killed"] >= 2


def test_real_photos_get_the_answers_of_identify_whatever_happens_to_the_daemon(meets):
    figures = meets("real-photos").figures
    assert figures["answers compared with identify"] == figures["decided"] == 3
    assert figures["of them another"] == 0
    assert figures["answered known"] >= 1
