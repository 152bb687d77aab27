"""XGBoost's trees as a network of ONNX's own operators, which every engine takes and a pack may hold.

The operator set ai.onnx.ml has trees too, but TensorRT runs none of them, and the converter that is kept for them (onnxmltools) takes no
splits by category. Here all nodes of all trees lie in one table; a run goes from the roots as many steps down as the deepest tree has
levels, by gathering the rows of the nodes that it has come to. A leaf leads to itself.

XGBoost's model file is described at https://xgboost.readthedocs.io/en/stable/tutorials/saving_model.html; a node goes

- left where its feature is less than its threshold, or
- right where its feature is among its categories, or
- where XGBoost learnt that a missing value goes: missing are NaN, and a category below 0.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from onnx import NodeProto, helper

from reid_edge.compare.heads import Labels

if TYPE_CHECKING:
    from xgboost import Booster

_CATEGORICAL = 1  # split_type of XGBoost's model file


@dataclass(frozen=True)
class TreeTable:
    """All nodes of all trees, M of them.

    Attributes:
        root: int64 [T], the first node of each tree, round by round and in a round individual by individual.
        feature: int64 [M], which feature a node asks for; 0 of a leaf.
        threshold: float32 [M].
        subset: int64 [M], row of `members`; 0, which is empty, of a node that does not ask for a category.
        missing_left: bool [M].
        left, right: int64 [M]; a leaf itself.
        value: float32 [M], of leaves; 0 of other nodes.
        members: bool [S, C], the categories of each subset.
        depth: of the deepest tree.
    """

    root: NDArray[np.int64]
    feature: NDArray[np.int64]
    threshold: NDArray[np.float32]
    subset: NDArray[np.int64]
    missing_left: NDArray[np.bool_]
    left: NDArray[np.int64]
    right: NDArray[np.int64]
    value: NDArray[np.float32]
    members: NDArray[np.bool_]
    depth: int


def tree_table(booster: Booster, categories: int) -> TreeTable:
    """The trees of a booster; `categories` is how many values a category may have."""
    trees = json.loads(booster.save_raw("json"))["learner"]["gradient_booster"]["model"]["trees"]
    root = np.cumsum([0, *(len(tree["left_children"]) for tree in trees)])[:-1]
    members = [np.zeros(categories, bool)]
    columns: dict[str, list[NDArray[Any]]] = {
        name: [] for name in ("feature", "threshold", "subset", "missing", "left", "right", "value")
    }
    for first, tree in zip(root, trees, strict=True):
        own = np.arange(len(tree["left_children"]))
        left, right = np.array(tree["left_children"]), np.array(tree["right_children"])
        leaf = left < 0
        condition = np.array(tree["split_conditions"], np.float32)
        subset = np.zeros(len(own), np.int64)
        starts, sizes = tree["categories_segments"], tree["categories_sizes"]
        for node, start, size in zip(tree["categories_nodes"], starts, sizes, strict=True):
            assert tree["split_type"][node] == _CATEGORICAL
            subset[node] = len(members)
            members.append(np.isin(np.arange(categories), tree["categories"][start : start + size]))
        columns["feature"].append(np.where(leaf, 0, tree["split_indices"]))
        columns["threshold"].append(np.where(leaf, np.float32(0), condition))
        columns["subset"].append(subset)
        columns["missing"].append(np.array(tree["default_left"], bool))
        columns["left"].append(first + np.where(leaf, own, left))
        columns["right"].append(first + np.where(leaf, own, right))
        columns["value"].append(np.where(leaf, condition, np.float32(0)))
    feature, threshold, subset, missing, left, right, value = (np.concatenate(each) for each in columns.values())
    at, depth = root, 0
    reached = np.zeros(0, np.int64)
    while not np.array_equal(at, reached):  # level by level, until only leaves lead on
        reached, at = at, np.unique(np.concatenate([left[at], right[at]]))
        depth += 1
    return TreeTable(root, feature, threshold, subset, missing, left, right, value, np.stack(members), depth)


def tree_graph(table: TreeTable, labels: Labels) -> tuple[list[NodeProto], dict[str, NDArray[Any]]]:
    """Nodes and constants: ``features`` float32 [batch, F] -> ``probabilities`` float32 [batch, C]."""
    categories = len(labels.identities)
    constants: dict[str, NDArray[Any]] = {
        "root": table.root[None],
        "feature": table.feature,
        "threshold": table.threshold,
        "subset": table.subset,
        "missing_left": table.missing_left.astype(np.int32),
        "left": table.left,
        "right": table.right,
        "value": table.value,
        "members": table.members.astype(np.int32).ravel(),
        "categories": np.array(categories, np.int64),
        "zero": np.array(0, np.float32),
        "last": np.array(categories - 1, np.float32),
        "no_subset": np.array(0, np.int64),
        "first_axis": np.array([0], np.int64),
        "one": np.array([1], np.int64),
        "by_round": np.array([0, -1, categories], np.int64),
        "rounds": np.array([1], np.int64),
    }
    nodes: list[NodeProto] = []

    def add(operator: str, inputs: str, output: str, **attributes: Any) -> str:
        nodes.append(helper.make_node(operator, inputs.split(), [output], name=output, **attributes))
        return output

    # The roots, once for each row of the batch.
    add("Shape", "features", "shape")
    add("Slice", "shape first_axis one", "batch")
    add("Concat", "batch one", "batch_by_1", axis=0)
    at = add("Expand", "root batch_by_1", "at_0")
    for level in range(table.depth):
        n = f"_{level}"
        asked = add("Gather", f"feature {at}", "asked" + n)
        value = add("GatherElements", f"features {asked}", "given" + n, axis=1)
        limit = add("Gather", f"threshold {at}", "limit" + n)
        subset = add("Gather", f"subset {at}", "subset" + n)
        add("Equal", f"{subset} no_subset", "ordered" + n)
        add("Not", f"ordered{n}", "by_category" + n)
        add("Equal", f"{value} {value}", "number" + n)
        add("Not", f"number{n}", "no_number" + n)
        add("Less", f"{value} zero", "negative" + n)
        add("And", f"negative{n} by_category{n}", "nobody" + n)
        add("Or", f"no_number{n} nobody{n}", "missing" + n)
        add("Less", f"{value} {limit}", "below" + n)
        add("Where", f"number{n} {value} zero", "there" + n)
        add("Clip", f"there{n} zero last", "clipped" + n)
        add("Cast", f"clipped{n}", "category" + n, to=7)
        add("Mul", f"{subset} categories", "offset" + n)
        add("Add", f"offset{n} category{n}", "member_at" + n)
        add("Gather", f"members member_at{n}", "member_number" + n)
        add("Cast", f"member_number{n}", "member" + n, to=9)
        add("Not", f"member{n}", "outside" + n)
        add("And", f"by_category{n} outside{n}", "left_by_category" + n)
        add("And", f"ordered{n} below{n}", "left_by_order" + n)
        add("Or", f"left_by_category{n} left_by_order{n}", "told_left" + n)
        add("Gather", f"missing_left {at}", "missing_number" + n)
        add("Cast", f"missing_number{n}", "missing_goes_left" + n, to=9)
        add("Not", f"missing{n}", "told" + n)
        add("And", f"missing{n} missing_goes_left{n}", "left_untold" + n)
        add("And", f"told{n} told_left{n}", "left_told" + n)
        add("Or", f"left_untold{n} left_told{n}", "goes_left" + n)
        add("Gather", f"left {at}", "left_of" + n)
        add("Gather", f"right {at}", "right_of" + n)
        at = add("Where", f"goes_left{n} left_of{n} right_of{n}", f"at_{level + 1}")
    add("Gather", f"value {at}", "leaves")
    add("Reshape", "leaves by_round", "leaves_by_round")
    add("ReduceSum", "leaves_by_round rounds", "margins", keepdims=0)
    add("Softmax", "margins", "probabilities", axis=1)
    return nodes, constants
