"""A mistyped name is answered with the names that resemble it."""

from __future__ import annotations

from reid_edge.suggestions import did_you_mean, similar


def test_the_most_similar_name_comes_first_and_unlike_ones_not_at_all():
    assert similar("xfaet", ["xfeat", "sift", "xfeats"]) == ["xfeat", "xfeats"]
    assert similar("xfaet", ["xfeat", "xfeats"], 1) == ["xfeat"]
    assert similar("zebra", ["xfeat", "sift"]) == []


def test_the_hint_names_them_or_says_something_else():
    assert did_you_mean("xfaet", ["xfeat", "xfeats"], "See the list.") == "Did you mean xfeat or xfeats?"
    assert did_you_mean("zebra", ["xfeat"], "See the list.") == "See the list."
