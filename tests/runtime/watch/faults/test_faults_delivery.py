"""Receivers that are down for a while."""

from __future__ import annotations


def test_what_a_receiver_missed_while_it_was_down_is_delivered_in_order(meets, program):
    figures = meets("delivery").figures
    assert figures["webhook: messages"] >= 12
    assert figures["webhook: lost"] == figures["webhook: cameras out of order"] == 0
    program("mosquitto")
    assert figures["mqtt: messages"] >= 12
    assert figures["mqtt: lost"] == figures["mqtt: cameras out of order"] == 0
