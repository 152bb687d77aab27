"""An ONNX file read as protobuf wire format: what it is written in, and proof that all its weights are inside it.

The runtime has no onnx package, and ONNX Runtime follows external data to other files while loading, so this is looked at
first. Field numbers are those of onnx.proto; https://protobuf.dev/programming-guides/encoding describes the wire format.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from reid_edge.errors import PackError
from reid_edge.pack.members import EXPORT_AGAIN

MESSAGES: dict[str, dict[int, str]] = {
    "ModelProto": {7: "GraphProto", 8: "OperatorSetIdProto", 20: "TrainingInfoProto", 25: "FunctionProto"},
    "TrainingInfoProto": {1: "GraphProto", 2: "GraphProto"},
    "GraphProto": {1: "NodeProto", 5: "TensorProto", 15: "SparseTensorProto"},
    "FunctionProto": {7: "NodeProto", 9: "OperatorSetIdProto", 11: "AttributeProto"},
    "NodeProto": {5: "AttributeProto"},
    "AttributeProto": {
        5: "TensorProto",
        6: "GraphProto",
        10: "TensorProto",
        11: "GraphProto",
        22: "SparseTensorProto",
        23: "SparseTensorProto",
    },
    "SparseTensorProto": {1: "TensorProto", 2: "TensorProto"},
    "TensorProto": {},
    "OperatorSetIdProto": {},
}
"""By message: the fields that lead to a tensor or to an operator set, and the message each holds."""

_MODEL_TEXT = {2: "producer", 3: "producer_version"}
_DOMAIN_FIELD = {"NodeProto": 7, "FunctionProto": 10, "OperatorSetIdProto": 1}
_METADATA, _IR_VERSION, _OPSET_VERSION, _TENSOR_NAME, _EXTERNAL_DATA, _DATA_LOCATION = 14, 1, 2, 8, 13, 14
_OWN_DOMAINS = ("", "ai.onnx")
_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5
_FIRST_IR_VERSION = 3
"""Operator sets are imported since this version of the format; what is older says nothing about its operators."""
_NEWEST_VERSION = 9_999
"""Far above any real version (onnx 1.23 writes format 14, operators 28). ONNX Runtime would read operators 2^32 + 18 as 18."""
_MOST_FIELDS = 1_000_000
"""Far above any real network (tens of thousands); a file made of tiny fields would keep the reader busy for hours."""
_LARGEST_ENTRY = 1 << 20


@dataclass(frozen=True)
class OnnxFile:
    """What an ONNX file says about itself.

    Attributes:
        ir_version: version of the file format, 3 to 9999.
        opset: version of ONNX's own operators, 1 to 9999.
        producer: name and version of the program that wrote it, empty where it does not say.
        metadata: its metadata_props; of a key that is there twice, the last.
        stamped_random: whether any metadata_props entry says weights=random.
    """

    ir_version: int
    opset: int
    producer: str
    metadata: dict[str, str]
    stamped_random: bool


def read_onnx(content: bytes, name: str) -> OnnxFile:
    """Read and check the bytes of an ONNX file; `name` is what errors call it.

    Raises:
        PackError: not ONNX, versions that do not exist, weights in another file, or operators that are not ONNX's own.
    """
    texts = {"producer": "", "producer_version": ""}
    metadata: list[tuple[str, str]] = []
    ir_version, has_graph, seen = 0, False, 0
    opsets: dict[str, set[int]] = {"ModelProto": set(), "FunctionProto": set()}
    waiting = [("", "ModelProto", memoryview(content))]
    try:
        while waiting:
            parent, message, data = waiting.pop()
            domain, version, tensor_name, is_external = "", 0, "", False
            for field, value in _fields(data):
                seen += 1
                if seen > _MOST_FIELDS:
                    raise _Malformed("it has more than a million fields")
                inner = MESSAGES[message].get(field)
                if inner:
                    waiting.append((message, inner, _message(value)))
                    has_graph |= (message, inner) == ("ModelProto", "GraphProto")
                elif field == _DOMAIN_FIELD.get(message):
                    domain = _own_domain(_text(value), name)
                elif message == "OperatorSetIdProto" and field == _OPSET_VERSION:
                    version = _integer(value)
                elif message == "TensorProto":
                    is_external |= field == _EXTERNAL_DATA or (field == _DATA_LOCATION and value != 0)
                    tensor_name = _text(value) if field == _TENSOR_NAME else tensor_name
                elif message == "ModelProto" and field == _METADATA:
                    metadata.append(_entry(_message(value)))
                elif message == "ModelProto" and field == _IR_VERSION:
                    ir_version = _integer(value)
                elif message == "ModelProto" and field in _MODEL_TEXT:
                    texts[_MODEL_TEXT[field]] = _text(value)
            if is_external:
                raise PackError(
                    f"{name!r} keeps the weights of its tensor {tensor_name!r} in another file (external data).",
                    "Save the network with its weights inside: onnx.save(model, path, save_as_external_data=False).",
                )
            if message == "OperatorSetIdProto" and domain in _OWN_DOMAINS:
                opsets[parent].add(version)
        if not has_graph:
            raise _Malformed("it has no graph")
        opset = _only_opset(opsets["ModelProto"], opsets["FunctionProto"])
        _check_version(ir_version, _FIRST_IR_VERSION, "of its format")
    except _Malformed as error:
        raise PackError(f"{name!r} is not a sound ONNX file: {error}.", EXPORT_AGAIN) from None
    return OnnxFile(
        ir_version=ir_version,
        opset=opset,
        producer=" ".join(filter(None, texts.values())),
        metadata=dict(metadata),
        stamped_random=("weights", "random") in metadata,
    )


class _Malformed(Exception):
    """Bytes that are not what the wire format or ONNX allows."""


def _only_opset(of_model: set[int], of_functions: set[int]) -> int:
    """The one version of ONNX's operators that the model imports; its functions may import no other."""
    if len(of_model) != 1 or not of_functions <= of_model:
        raise _Malformed("it imports not exactly one version of ONNX's operators")
    (opset,) = of_model
    _check_version(opset, 1, "of ONNX's operators")
    return opset


def _check_version(version: int, first: int, what: str) -> None:
    if not first <= version <= _NEWEST_VERSION:
        signed = version - (1 << 64) if version >> 63 else version
        raise _Malformed(f"it gives {signed} as the version {what}")


def _fields(data: memoryview) -> Iterator[tuple[int, int | memoryview | None]]:
    """Number and value of each field of one message: an integer, the bytes of a string or message, or None for a float."""
    at, end = 0, len(data)
    while at < end:
        tag, at = _varint(data, at)
        field, wire_type = tag >> 3, tag & 7
        if not 0 < field < 1 << 29:
            raise _Malformed(f"field number {field} does not exist")
        value: int | memoryview | None
        if wire_type == _VARINT:
            value, at = _varint(data, at)
        elif wire_type in (_BYTES, _FIXED64, _FIXED32):
            length, at = _varint(data, at) if wire_type == _BYTES else (8 if wire_type == _FIXED64 else 4, at)
            if length > end - at:
                raise _Malformed("it ends in the middle of a field")
            value, at = data[at : at + length] if wire_type == _BYTES else None, at + length
        else:
            raise _Malformed(f"a field has the wire type {wire_type}, which ONNX does not use")
        yield field, value


def _varint(data: memoryview, at: int) -> tuple[int, int]:
    value = 0
    for i in range(10):
        if at + i >= len(data):
            raise _Malformed("it ends in the middle of a number")
        byte = data[at + i]
        value |= (byte & 0x7F) << (7 * i)
        if byte < 0x80:
            if value >> 64:
                break
            return value, at + i + 1
    raise _Malformed("it holds a number of more than 64 bits")


def _message(value: int | memoryview | None) -> memoryview:
    if not isinstance(value, memoryview):
        raise _Malformed("a number stands where text or a message belongs")
    return value


def _integer(value: int | memoryview | None) -> int:
    if not isinstance(value, int):
        raise _Malformed("something else stands where a whole number belongs")
    return value


def _text(value: int | memoryview | None) -> str:
    try:
        return bytes(_message(value)).decode("utf-8")
    except UnicodeDecodeError:
        raise _Malformed("it holds text that is not UTF-8") from None


def _entry(data: memoryview) -> tuple[str, str]:
    """Key and value of a StringStringEntryProto."""
    if len(data) > _LARGEST_ENTRY:
        raise _Malformed("an entry of its metadata is too long")
    texts = {field: _text(value) for field, value in _fields(data)}
    return texts.get(1, ""), texts.get(2, "")


def _own_domain(domain: str, name: str) -> str:
    if domain not in _OWN_DOMAINS:
        raise PackError(
            f"{name!r} uses operators of the domain {domain!r}; a pack may use ONNX's own only.",
            "Export the network with standard operators, functions inlined and unused operator sets removed.",
        )
    return domain
