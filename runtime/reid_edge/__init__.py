"""reid-edge: which individual animal is this? The lean runtime: numpy, OpenCV, onnxruntime, never torch."""

__version__ = "0.1.0"
