"""Calibration: raw pair scores become probabilities, a ranking and a threshold, by numbers that the pack brings."""

from reid_edge.calibration.calibrator import Calibrator
from reid_edge.calibration.evidence import Evidence, QualityTerm
from reid_edge.calibration.fusion import Fusion, FusionNetwork, Stacking, WeightedMean
from reid_edge.calibration.model import CalibrationModel, Entry
from reid_edge.calibration.pooling import Pooling
from reid_edge.calibration.reading import read_calibration

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
