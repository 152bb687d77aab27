"""Whatever is wrong with a recipe file is refused before anything is exported, with its line and the allowed values."""

from __future__ import annotations

from pathlib import Path

import pytest

from reid_edge.errors import UsageError
from reid_edge_export.recipe_check import check_recipe
from reid_edge_export.recipe_file import read_recipe_text
from reid_edge_export.toml_lines import key_lines, line_of

HEAD = """
[[recipe.head]]
name = "opinion"
kind = "classifier"
network = "mlp"
embedding = "efficientnet-lite0"
[heads.mlp]
kind = "classifier"
"""
FUSE = """
[[recipe.fuse]]
name = "all"
groups = [
    { scores = ["xfeat-coarse"], weight = 1.0 },
]
"""
DOUBT = "in_doubt = true"  # of the last matcher of a recipe that does not decide itself
DECIDE = "[recipe.decide]\n"
GATE = '[[recipe.step]]\ndo = "gate"\nsource = "all"\nthen = "new"\nlimit = 0.5\n'

# What is replaced in field.toml by what, with what is added at its end; the line's beginning that the error names; what it says.
WRONG = {
    "no TOML": ("threshold = 0.5", "threshold = ", "", "threshold =", "is not TOML"),
    "an unknown part": ('version = "2"', 'version = "2"\nauthor = "me"', "", "author", "'author' is an unknown key"),
    "a name that no pack has": ('name = "field"', 'name = "Field!"', "", 'name = "Field!"', "name must be text of the form"),
    "networks that are no tables": ("[networks.u2netp]\nstorage", "[networks]\nu2netp", "", "[networks]", "must be a table"),
    "an unknown network": ("[networks.xfeat]", "[networks.xfaet]", "", "[networks.xfaet]", "Did you mean xfeat"),
    "an unknown network under a name": (
        "[networks.xfeat]",
        '[networks.xfeat]\nnetwork = "xfaet"',
        "",
        'network = "xfaet"',
        "Did you mean xfeat",
    ),
    "an unknown parameter": ("keypoints = 1024", "keypoint = 512", "", "keypoint =", "Its parameters: keypoints, size"),
    "a parameter that is no number": ("keypoints = 1024", 'keypoints = "many"', "", "keypoints =", "positive whole number"),
    "an unknown precision": ("keypoints = 1024", 'keypoints = 1024\nprecision = "fp61"', "", "precision =", "fp61"),
    "an unknown storage": ('"fp32"\nkeypoints', '"int4"\nkeypoints', "", 'storage = "int4"', "Choose one of fp32, fp16"),
    "an unknown stage": ("[recipe.segment]", "[recipe.watch]", "", "[recipe.watch]", "recipe.watch is an unknown key"),
    "an unknown key": ("threshold = 0.5", "treshold = 0.5", "", "treshold", "the nearest known one is 'threshold'"),
    "a missing key": ("mask = true\n", "", "", "[[recipe.extract]]", "recipe.extract[0].mask is missing"),
    "a value out of range": ("margin = 0.06", "margin = 6", "", "margin = 6", "from 0 to 1"),
    "a value of another kind": ("candidates = 100", 'candidates = "all"', "", "candidates =", "an integer from 1 to 100000"),
    "an unknown matcher": ('"lightglue"', '"superglue"', "", 'matcher = "superglue"', "'mutual-nearest', 'lightglue', 'loftr'"),
    "a matcher without its network": ('network = "lighterglue"\n', "", "", "[[recipe.match]]", "needs a network"),
    "a matcher without keypoints": ('keypoints = "xfeat"', 'keypoints = "aliked"', "", 'keypoints = "aliked"', "It has: xfeat"),
    "a network of another task": (
        'name = "efficientnet-lite0"\nnetwork = "efficientnet-lite0"',
        'name = "efficientnet-lite0"\nnetwork = "xfeat"',
        "",
        'network = "xfeat"',
        "embedding network is 'xfeat'",
    ),
    "a network that the recipe does not export": (
        'network = "u2netp"',
        'network = "u2net"',
        "",
        'network = "u2net"',
        "It has: u2netp",
    ),
    "a shortlist by no embedding": ('embedding = "eff', 'embedding = "off', "", 'embedding = "off', "It has: efficientnet-lite0"),
    "an order by no score": ('order = "xfeat-coarse"', 'order = "xfeat"', "", 'order = "xfeat"', "order is 'xfeat'"),
    "two scores of one name": (
        'name = "xfeat-coarse"',
        'name = "xfeat-lighterglue"',
        "",
        'name = "xfeat-lighterglue"',
        "same name",
    ),
    "a network that no stage uses": (
        "[networks.xfeat]",
        "[networks.disk]\n[networks.xfeat]",
        "",
        "[networks.disk]",
        "used by no stage",
    ),
    "a matcher of other keypoints": (
        "[networks.xfeat]\nstorage",
        '[networks.xfeat]\nnetwork = "aliked-t16"\nstorage',
        "",
        'network = "lighterglue"',
        "trained on keypoints of xfeat",
    ),
    "a head that is trained as another": ("", "", HEAD.replace("classifier", "boosting", 1), 'kind = "boosting"', "same kind"),
    "a head that nobody declares": ("", "", HEAD.partition("[heads")[0], 'network = "mlp"', "head network is 'mlp'"),
    "a head of an unknown kind": ("", "", HEAD + 'sort = "x"\n', 'sort = "x"', "kind, input_dimension, dimension, training"),
    "a head trained by an unknown number": (
        "",
        "",
        HEAD + "[heads.mlp.training]\nepoch = 3\n",
        "epoch = 3",
        "epochs, scale, margin",
    ),
    "a head trained for no time": ("", "", HEAD + "[heads.mlp.training]\nepochs = 0\n", "epochs = 0", "whole number above 0"),
    "a head of another width": ("", "", HEAD + "input_dimension = 768\n", "[[recipe.head]]", "takes vectors of 768 values"),
    "a projection of no width": (
        "",
        "",
        '[heads.p]\nkind = "projection"\n',
        "[heads.p]",
        "a projection needs a dimension",
    ),
    "a fusion of no score": ("", "", FUSE.replace("coarse", "furthest") + DECIDE, "groups = [", "It has: efficientnet-lite0"),
    "an order by a fusion that is calibrated": (
        'order = "xfeat-coarse"',
        'order = "all"',
        FUSE + DECIDE,
        'order = "all"',
        "a fusion that has to be calibrated or fitted first",
    ),
    "a fusion without a decision": ("", "", FUSE, "[[recipe.fuse]]", "does not decide"),
    "a decision without a fusion": ("", "", DECIDE, "[recipe.decide]", "a fusion that it does not have"),
    "steps without a fusion": ("", "", GATE, "[[recipe.step]]", "no fusion that they begin with"),
    "a step without a source": ("", "", FUSE + DECIDE + GATE.replace('"all"', '"none"'), 'source = "none"', "It has: all, "),
    "a step of no kind": ("", "", FUSE + DECIDE + GATE.replace('"gate"', '"ask"'), 'do = "ask"', "one of 'gate', 'agree'"),
    "a fusion's calibrator": (
        "",
        "",
        FUSE + DECIDE + GATE + "calibrated = true\n",
        'source = "all"',
        "takes all for a score with a calibrator",
    ),
    "a step that reads a cosine in two ways": (
        "",
        "",
        FUSE + DECIDE + GATE.replace('"all"', '"efficientnet-lite0"') + "cosine = true\ncalibrated = true\n",
        'source = "efficientnet-lite0"',
        "both as a cosine and as calibrated",
    ),
    "a doubt where the recipe decides itself": ("", "", FUSE + DECIDE, DOUBT, "leaves the decision to the calibration"),
    "a cosine that is none": ("", "", FUSE + DECIDE + GATE + "cosine = true\n", 'source = "all"', "takes all for a cosine"),
}


@pytest.mark.parametrize("what", WRONG)
def test_what_is_wrong_is_told_with_its_line_and_the_way_out(what: str, tmp_path: Path) -> None:
    old, new, added, line, said = WRONG[what]
    text = read_recipe_text("field")
    assert old in text
    assert DOUBT in text
    path = tmp_path / "mine.toml"
    if added and DOUBT not in line:
        text = text.replace(DOUBT, "")
    path.write_text(text.replace(old, new, 1) + added)
    with pytest.raises(UsageError) as refused:
        check_recipe(str(path))
    told = f"{refused.value.message} {refused.value.hint}"
    assert said in told
    assert "pack.toml" not in told
    number = int(told.partition("line ")[2].split()[0].rstrip(":,"))
    assert path.read_text().splitlines()[number - 1].startswith(line), told
    assert refused.value.hint


SEVERAL = {
    "values and networks": {
        "keypoints = 1024": "keypoint = 1024",
        "[networks.lighterglue]": "[networks.lighterglu]",
        "threshold = 0.5": "treshold = 0.5",
        "margin = 0.06": "margin = 6",
        "candidates = 100": 'candidates = "all"',
    },
    "parts": {'name = "field"': 'names = "field"', 'licence = "Apache-2.0"': 'author = "me"'},
    "names": {'keypoints = "xfeat"': 'keypoints = "aliked"', 'embedding = "efficientnet-lite0"': 'embedding = "resnet"'},
}
FOUND = {
    "values and networks": ["keypoint", "lighterglu", "treshold", "margin", "candidates"],
    "parts": ["'names'", "'author'", "lacks 'name'", "lacks 'licence'"],
    "names": ["recipe.retrieve.embedding is 'resnet'", "keypoints is 'aliked'"],
}


@pytest.mark.parametrize("what", SEVERAL)
def test_all_that_is_wrong_is_told_at_once_with_its_lines(what: str, tmp_path: Path) -> None:
    text = read_recipe_text("field")
    for old, new in SEVERAL[what].items():
        assert old in text
        text = text.replace(old, new, 1)
    path = tmp_path / "mine.toml"
    path.write_text(text)
    with pytest.raises(UsageError) as refused:
        check_recipe(str(path))
    told = [each.message for each in (refused.value, *refused.value.further)]
    assert len(told) == len(FOUND[what]), told
    for message, part in zip(told, FOUND[what], strict=True):
        assert part in message
    lines = [int(message.partition(" line ")[2].partition(":")[0]) for message in told if " line " in message]
    assert lines[1:] == sorted(lines[1:])
    assert len(lines) >= 2


def test_a_licence_that_the_pack_would_hold_and_not_name_is_told(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(read_recipe_text("station").replace("BSD-3-Clause AND ", ""))
    with pytest.raises(
        UsageError, match=r"line 7: licence is 'Apache-2\.0', but networks\.aliked-n16 is under BSD-3-Clause"
    ) as told:
        check_recipe(str(path))
    assert told.value.hint == "Name all of them: Apache-2.0 AND BSD-3-Clause."


def test_lines_are_those_of_tables_arrays_of_tables_and_keys_over_several_lines() -> None:
    text = '''top = "[not.a.table]"   # nor = this
[a.b]
c = [   # a list
    { d = 1 },
    "]",
]
long = """
[neither.this]
e = 2
"""
"quoted key".f = 3
[[x]]
y = 1
[[x.z]]
w = 1
[[x]]
[[x.z]]
[[x.z]]
w = 2
'''
    lines = key_lines(text)
    assert lines == {
        ("top",): 1,
        ("a", "b"): 2,
        ("a", "b", "c"): 3,
        ("a", "b", "long"): 7,
        ("a", "b", "quoted key", "f"): 11,
        ("x", 0): 12,
        ("x", 0, "y"): 13,
        ("x", 0, "z", 0): 14,
        ("x", 0, "z", 0, "w"): 15,
        ("x", 1): 16,
        ("x", 1, "z", 0): 17,
        ("x", 1, "z", 1): 18,
        ("x", 1, "z", 1, "w"): 19,
    }
    assert line_of(("a", "b", "c", 0, "d"), lines) == 3
    assert line_of(("x", 1, "z", 1, "missing"), lines) == 18
    assert line_of(("elsewhere",), lines) is None
