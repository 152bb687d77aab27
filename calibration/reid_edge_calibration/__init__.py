"""Desktop side of calibration: metrics, calibrators, fusion weights and thresholds, fitted on labelled score tables."""
