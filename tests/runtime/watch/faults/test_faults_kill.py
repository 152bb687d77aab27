"""`kill -9` while photos arrive, and two daemons on one ledger."""

from __future__ import annotations


def test_killed_again_and_again_every_photo_is_answered_once(meets, program):
    figures = meets("kill").figures
    assert figures["kills"] == 8
    assert figures["decided"] == figures["photos"] >= 60
    assert figures["missing"] == figures["answered twice"] == figures["processes left"] == figures["integrity_check not ok"] == 0
    program("cc")
    if "kills while new individuals are enrolled" in figures:  # not where the compiler has no headers
        before, after = figures["individuals and photos enrolled, without and with kills"].split(" and ")
        assert before == after != "(0, 0)"


def test_a_second_daemon_refuses_with_a_clear_sentence_and_the_first_goes_on(meets):
    figures = meets("two-daemons").figures
    assert figures["second daemons refused"] == 2
    assert figures["what it says"].startswith("reid-edge: Another reid-edge watch is at work in OUT")
