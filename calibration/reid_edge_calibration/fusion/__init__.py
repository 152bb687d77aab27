"""Fusion: several calibrated scores of a pair become one, by the form that cross-validation prefers."""

from reid_edge_calibration.fusion.choice import ChosenFusion, choose_fusion
from reid_edge_calibration.fusion.pooling import ChosenPooling, choose_pooling

__all__ = ["ChosenFusion", "ChosenPooling", "choose_fusion", "choose_pooling"]
