"""The labels of a head are read strictly: what they cannot mean is refused, with the key's name."""

from __future__ import annotations

import pytest

from reid_edge.compare.heads import Labels, parse_labels
from reid_edge.errors import PackError
from reid_edge.pack.head_labels import ViewpointLabels, parse_viewpoint_labels

CLASSIFIER = {"format_version": 1, "identities": ["Asha", "Baraka"], "embedding_dimension": 8}
BOOSTING = {**CLASSIFIER, "neighbours": 10, "viewpoints": ["Left", "right"], "species": ["lynx"]}


def test_labels_say_whom_a_head_names_and_the_layout_of_its_features():
    assert parse_labels(CLASSIFIER, "classifier", "heads/who.json") == Labels(("Asha", "Baraka"), 8)
    boosting = parse_labels({**BOOSTING, "viewpoints": []}, "boosting", "heads/who.json")
    assert boosting == Labels(("Asha", "Baraka"), 8, 10, (), ("lynx",))
    assert parse_labels(BOOSTING, "boosting", "heads/who.json").viewpoints == ("left", "right")


def without(key):
    return {name: value for name, value in BOOSTING.items() if name != key}


REFUSED = {
    "no table": ([BOOSTING], r"heads/who.json: must be a table"),
    "an unknown key": ({**BOOSTING, "specie": []}, r"specie is an unknown key; .*'species'"),
    "no neighbours": (without("neighbours"), r"neighbours is missing"),
    "a later format": ({**BOOSTING, "format_version": 2}, r"format_version is 2, this program reads 1"),
    "a format of true": ({**BOOSTING, "format_version": True}, r"format_version must be an integer, not True"),
    "nobody": ({**BOOSTING, "identities": []}, r"identities must name one individual or more"),
    "a name twice": ({**BOOSTING, "identities": ["Asha", "Asha"]}, r"identities has a name twice"),
    "a species in two cases": ({**BOOSTING, "species": ["Lynx", "lynx"]}, r"species has a name twice"),
    "a name that is none": ({**BOOSTING, "identities": ["Asha", 3]}, r"identities\[1\] must be a name, not 3"),
    "names as text": ({**BOOSTING, "viewpoints": "left"}, r"viewpoints must be a list, not 'left'"),
    "a dimension of nothing": ({**BOOSTING, "embedding_dimension": 0}, r"embedding_dimension must be an integer from 1"),
    "half a neighbour": ({**BOOSTING, "neighbours": 0.5}, r"neighbours must be an integer from 1"),
}


@pytest.mark.parametrize(("data", "error"), REFUSED.values(), ids=REFUSED)
def test_what_labels_cannot_mean_is_refused_with_its_name(data, error):
    with pytest.raises(PackError, match=error) as refused:
        parse_labels(data, "boosting", "heads/who.json")
    assert "heads/who.json" in refused.value.message
    assert refused.value.hint


def test_a_classifier_has_no_neighbours():
    with pytest.raises(PackError, match="neighbours is an unknown key"):
        parse_labels({**CLASSIFIER, "neighbours": 10}, "classifier", "heads/who.json")


VIEWPOINT = {"format_version": 1, "viewpoints": ["Left", "right"], "input_dimension": 8}


def test_the_labels_of_a_viewpoint_head_name_viewpoints_in_lower_case():
    assert parse_viewpoint_labels(VIEWPOINT, "heads/viewpoint.json") == ViewpointLabels(("left", "right"), 8)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ({**VIEWPOINT, "viewpoints": ["left"]}, "viewpoints must have 2 names or more"),
        ({**VIEWPOINT, "viewpoints": ["left", "LEFT"]}, "viewpoints has a name twice"),
        ({**VIEWPOINT, "identities": ["Asha"]}, "identities is an unknown key"),
        ({**VIEWPOINT, "format_version": 2}, "format_version is 2, this program reads 1"),
    ],
)
def test_what_the_labels_of_a_viewpoint_head_cannot_mean_is_refused(data, message):
    with pytest.raises(PackError, match=f"heads/viewpoint.json: {message}"):
        parse_viewpoint_labels(data, "heads/viewpoint.json")
