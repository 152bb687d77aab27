"""Clocks that jump, and long runs."""

from __future__ import annotations


def test_a_clock_that_jumps_changes_neither_the_ledger_nor_its_order(meets):
    figures = meets("clock").figures
    assert figures["runs with a jump"] == 4
    assert figures["ledgers that differ"] == 0


def test_memory_and_open_files_stay_as_they_were_when_warm(meets):
    figures = meets("steady-memory").figures
    assert figures["decided"] == figures["photos"] == 200
    assert figures["readings"] >= 5
