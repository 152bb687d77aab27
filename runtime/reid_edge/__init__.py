"""reid-edge: which individual animal is this? From a photo and a catalogue of known individuals, on the device and offline.

The names in `__all__` are the public interface, see docs/api.md; they are imported when they are first used,
and `__init__.pyi` declares their types.
"""

__version__ = "0.1.0"

_HOMES = {
    "reid_edge.identify.opening": ("open_session", "open_pack"),
    "reid_edge.identify.session": ("Session",),
    "reid_edge.describe.query": ("Query",),
    "reid_edge.decide.decision": ("Decision", "RankedIdentity", "PairEvidence", "MatchedPoints"),
    "reid_edge.decide.facts": ("PhotoFacts", "AnimalFacts", "Thresholds", "PackFacts", "EngineFacts", "ReviewFacts"),
    "reid_edge.describe.description": ("DescribedAnimal",),
    "reid_edge.describe.segmentation": ("Animal",),
    "reid_edge.describe.features": ("Features",),
    "reid_edge.describe.viewpoint": ("PredictedViewpoint",),
    "reid_edge.describe.keypoints": ("Keypoints",),
    "reid_edge.identify.enrolment": ("EnrolmentResult",),
    "reid_edge.gallery": ("Gallery", "NewReview", "Review", "ReviewConflict"),
    "reid_edge.pack": ("Pack",),
    "reid_edge.errors": (
        "ReidEdgeError", "UsageError", "PhotoError", "PackError", "EngineError", "GalleryError", "StorageError",
    ),
}  # fmt: skip
_MODULES = {name: module for module, names in _HOMES.items() for name in names}

__all__ = list(_MODULES)


def __getattr__(name: str) -> object:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module  # `import reid_edge` loads nothing

    value = getattr(import_module(_MODULES[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted([*globals(), *_MODULES])
