"""Trained heads: a second opinion on who an animal is, from the vectors that the pack computes anyway."""

from reid_edge.compare.heads.boosting import boosting_features
from reid_edge.compare.heads.classifier import classify, of_candidates
from reid_edge.pack.head_labels import Labels, labels_file, parse_labels

__all__ = ["Labels", "boosting_features", "classify", "labels_file", "of_candidates", "parse_labels"]
