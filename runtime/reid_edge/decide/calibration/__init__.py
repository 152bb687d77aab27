"""Calibration: raw pair scores become probabilities, a ranking and a threshold, by numbers that the pack brings."""

from reid_edge.decide.calibration.calibrator import Calibrator
from reid_edge.decide.calibration.evidence import Evidence, QualityTerm
from reid_edge.decide.calibration.fusion import Fusion, FusionNetwork, Stacking, WeightedMean
from reid_edge.decide.calibration.model import CalibrationModel, Entry
from reid_edge.decide.calibration.pooling import Pooling
from reid_edge.decide.calibration.reading import read_calibration

__all__ = [
    "CalibrationModel",
    "Calibrator",
    "Entry",
    "Evidence",
    "Fusion",
    "FusionNetwork",
    "Pooling",
    "QualityTerm",
    "Stacking",
    "WeightedMean",
    "read_calibration",
]
