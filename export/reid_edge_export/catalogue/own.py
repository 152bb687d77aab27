"""Networks of the user's own: an ONNX file (`onnx:FILE`), or a function that gives a torch module (`torch:MODULE:FUNCTION`)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, get_args

from reid_edge.errors import PackError, UsageError
from reid_edge.pack.manifest import Colour, Interpolation, Preprocessing, Resize
from reid_edge_export.catalogue.entry import Network, TensorSpec, WeightSource

Row = tuple[str, str, str, str]

OWN_NETWORK_KEYS: tuple[Row, ...] = (
    (
        "task",
        '`"embedding"`, `"segmentation"`',
        "embedding",
        "an embedder gives one vector per picture; a segmentation network gives a saliency of 0 to 1 for each pixel.",
    ),
    ("dimension", "whole number", "required of an embedder", "width of the vector."),
    ("size", "whole number", "required", "pixels per side of the picture that it takes."),
    ("licence", "SPDX expression", "NOASSERTION", "of its weights."),
    ("resize", '`"stretch"`, `"letterbox"`', "stretch", "how a picture becomes a square; a letterbox keeps the aspect ratio."),
    ("colour", '`"rgb"`, `"grey"`', "rgb", "the channels that it takes."),
    ("scale", "number", "1/255", "what pixels of 0 to 255 are multiplied by."),
    ("mean", "list of numbers", "ImageNet's", "subtracted from the scaled pixels, one for each channel."),
    ("std", "list of numbers", "ImageNet's", "what they are divided by then."),
    ("interpolation", '`"area"`, `"linear"`, `"cubic"`', "area", "how a picture is resized, as OpenCV names it."),
)
"""The keys of such a network in a recipe file, and for `reid-edge export --set`: name, values, default, meaning."""

_IMAGENET = {"rgb": ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)), "grey": ((0.449,), (0.226,))}
_KINDS = ("onnx", "torch")


def is_own(name: str) -> bool:
    """Whether the name is that of a network of the user's own."""
    return name.partition(":")[0] in _KINDS


def own_network(name: str, given: Mapping[str, Any]) -> Network:
    """The entry of such a network; nothing is read, imported or run for it.

    Args:
        name: `onnx:FILE` or `torch:MODULE:FUNCTION`.
        given: by the names of `OWN_NETWORK_KEYS`; lists may be text with commas.

    Raises:
        UsageError: the name is not of this form; a key is unknown, missing, or has a value that is none of its.
    """
    kind, _, rest = name.partition(":")
    module, _, function = rest.partition(":")
    if not rest or (kind == "torch" and not (module and function.isidentifier())):
        raise UsageError(f"{name!r} does not name a network of your own.", "Write onnx:FILE or torch:MODULE:FUNCTION.")
    known = [row[0] for row in OWN_NETWORK_KEYS]
    for key in given:
        if key not in known:
            raise UsageError(f"{name} has no parameter {key!r}.", f"Its parameters: {', '.join(known)}.")
    task = _choice(name, given, "task", ("embedding", "segmentation"))
    size = _whole(name, given, "size")
    preprocessing = _preprocessing(name, given, size)
    channels = 1 if preprocessing.colour == "grey" else 3
    if task == "embedding":
        output = TensorSpec("embedding", "float32", ("batch", _whole(name, given, "dimension")))
    elif "dimension" in given:
        raise UsageError(f"{name}: a segmentation network takes no dimension.", "Leave it out.")
    else:
        output = TensorSpec("saliency", "float32", ("batch", 1, "@size", "@size"))
    return Network(
        name=name,
        task=task,
        title="a network of your own",
        module=f"own_{kind}",
        licence=str(given.get("licence", "NOASSERTION")),
        source=WeightSource(name, ""),
        inputs=(TensorSpec("image", "float32", ("batch", channels, "@size", "@size")),),
        outputs=(output,),
        layout={"file": rest} if kind == "onnx" else {"module": module, "function": function},
        parameters={"size": size},
        choices={"size": (size,)},
        preprocessing=preprocessing,
    )


def _preprocessing(name: str, given: Mapping[str, Any], size: int) -> Preprocessing:
    colour = _choice(name, given, "colour", get_args(Colour))
    mean, std = _IMAGENET[colour]
    try:
        return Preprocessing(
            _choice(name, given, "resize", tuple(way for way in get_args(Resize) if way != "long-side"), "stretch"),
            size,
            size,
            colour,
            _numbers(name, given, "scale", (1 / 255,))[0],
            _numbers(name, given, "mean", mean),
            _numbers(name, given, "std", std),
            _choice(name, given, "interpolation", get_args(Interpolation), "area"),
        )
    except PackError as error:
        raise UsageError(f"{name}: {error.message}", error.hint) from error


def _choice(name: str, given: Mapping[str, Any], key: str, choices: tuple[str, ...], default: str | None = None) -> Any:
    value = given.get(key, default or choices[0])
    if value not in choices:
        raise UsageError(f"{name}: {key} is {value!r}.", f"Choose one of {', '.join(choices)}.")
    return value


def _whole(name: str, given: Mapping[str, Any], key: str) -> int:
    value = given.get(key)
    if type(value) is not int or value <= 0:
        stated = f"{key} is {value!r}" if key in given else f"{key} is missing"
        raise UsageError(f"{name}: {stated}.", "Give a positive whole number.")
    return value


def _numbers(name: str, given: Mapping[str, Any], key: str, default: tuple[float, ...]) -> tuple[float, ...]:
    value = given.get(key, default)
    parts = value.split(",") if isinstance(value, str) else value if isinstance(value, (list, tuple)) else [value]
    try:
        return tuple(float(part) for part in parts)
    except (TypeError, ValueError) as error:
        raise UsageError(f"{name}: {key} is {value!r}.", "Give numbers.") from error
