"""The ONNX reader against files made by the onnx package: weights anywhere else than inside are found everywhere."""

from __future__ import annotations

from contextlib import suppress

import numpy as np
import onnx
import pytest
from google.protobuf.message import DecodeError
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper, numpy_helper

from reid_edge.errors import PackError
from reid_edge.pack.onnx_file import MESSAGES, OnnxFile, read_onnx


def refusal(model: onnx.ModelProto | bytes) -> str:
    content = model if isinstance(model, bytes) else model.SerializeToString()
    with pytest.raises(PackError) as caught:
        read_onnx(content, "n.onnx")
    assert caught.value.hint
    return caught.value.message


def outside(name: str = "outside") -> TensorProto:
    """A tensor whose data lies in the file weights.bin."""
    tensor = TensorProto(name=name, data_type=TensorProto.FLOAT, dims=[2], data_location=TensorProto.EXTERNAL)
    tensor.external_data.add(key="location", value="weights.bin")
    return tensor


def branch(tensor: TensorProto) -> onnx.GraphProto:
    return helper.make_graph(
        [helper.make_node("Identity", [tensor.name], ["out"])],
        "branch",
        [],
        [helper.make_tensor_value_info("out", TensorProto.FLOAT, [2])],
        [tensor],
    )


def with_if(then_tensor: TensorProto) -> onnx.ModelProto:
    """A model that chooses between two branches, each with its own weights."""
    inside = numpy_helper.from_array(np.ones(2, np.float32), "inside")
    node = helper.make_node("If", ["flag"], ["y"], then_branch=branch(then_tensor), else_branch=branch(inside))
    flag = helper.make_tensor_value_info("flag", TensorProto.BOOL, [])
    y = helper.make_tensor_value_info("y", TensorProto.FLOAT, [2])
    return helper.make_model(helper.make_graph([node], "choice", [flag], [y]), opset_imports=[helper.make_opsetid("", 18)])


def test_a_sound_file_tells_its_versions_producer_and_metadata(network):
    model = network(stamp="trained")
    model.producer_version = "7"
    onnx_file = read_onnx(model.SerializeToString(), "n.onnx")
    assert (onnx_file.ir_version, onnx_file.opset, onnx_file.producer) == (10, 18, "tests 7")
    assert onnx_file.metadata == {"weights": "trained"}
    assert not onnx_file.stamped_random


def test_a_random_stamp_is_seen_even_when_a_later_one_says_trained(network):
    model = network(stamp="random")
    model.metadata_props.add(key="weights", value="trained")
    assert read_onnx(model.SerializeToString(), "n.onnx").stamped_random


def test_weights_saved_beside_the_file_by_onnx_are_refused(network, tmp_path):
    onnx.save(network(), tmp_path / "n.onnx", save_as_external_data=True, location="n.data", size_threshold=0)
    message = refusal((tmp_path / "n.onnx").read_bytes())
    assert "'n.onnx' keeps the weights of its tensor 'W' in another file" in message


def test_external_weights_in_a_branch_of_an_if_are_refused():
    sound = numpy_helper.from_array(np.zeros(2, np.float32), "zeros")
    assert read_onnx(with_if(sound).SerializeToString(), "n.onnx").opset == 18
    assert "'outside'" in refusal(with_if(outside()))


def test_external_weights_are_found_at_any_depth():
    inner = with_if(outside()).graph
    for _ in range(40):
        node = helper.make_node("If", ["flag"], ["y"], then_branch=inner, else_branch=inner)
        inner = helper.make_graph([node], "deeper", [], [])
        if inner.ByteSize() > 1_000_000:
            break
    assert "'outside'" in refusal(helper.make_model(inner, opset_imports=[helper.make_opsetid("", 18)]))


def place_initializer(model: onnx.ModelProto) -> None:
    model.graph.initializer.append(outside())


def place_sparse_values(model: onnx.ModelProto) -> None:
    model.graph.sparse_initializer.add().values.CopyFrom(outside())


def place_sparse_indices(model: onnx.ModelProto) -> None:
    model.graph.sparse_initializer.add().indices.CopyFrom(outside())


def place_attribute(model: onnx.ModelProto) -> None:
    model.graph.node.append(helper.make_node("Constant", [], ["c"], value=outside()))


def place_attribute_list(model: onnx.ModelProto) -> None:
    model.graph.node[0].attribute.add(name="many", type=onnx.AttributeProto.TENSORS).tensors.append(outside())


def place_sparse_attribute(model: onnx.ModelProto) -> None:
    model.graph.node[0].attribute.add(name="s", type=onnx.AttributeProto.SPARSE_TENSOR).sparse_tensor.values.CopyFrom(outside())


def place_sparse_attribute_list(model: onnx.ModelProto) -> None:
    attribute = model.graph.node[0].attribute.add(name="s", type=onnx.AttributeProto.SPARSE_TENSORS)
    attribute.sparse_tensors.add().values.CopyFrom(outside())


def place_graph_list(model: onnx.ModelProto) -> None:
    model.graph.node[0].attribute.add(name="g", type=onnx.AttributeProto.GRAPHS).graphs.append(branch(outside()))


def place_function(model: onnx.ModelProto) -> None:
    model.functions.add(name="f").node.append(helper.make_node("Constant", [], ["c"], value=outside()))


def place_function_default(model: onnx.ModelProto) -> None:
    model.functions.add(name="f").attribute_proto.add(name="d", type=onnx.AttributeProto.TENSOR).t.CopyFrom(outside())


def place_training(model: onnx.ModelProto) -> None:
    model.training_info.add().algorithm.CopyFrom(branch(outside()))


def place_location_alone(model: onnx.ModelProto) -> None:
    model.graph.initializer[0].data_location = TensorProto.EXTERNAL


def place_data_alone(model: onnx.ModelProto) -> None:
    model.graph.initializer[0].external_data.add(key="location", value="/etc/passwd")


PLACES = [place for name, place in list(globals().items()) if name.startswith("place_")]


@pytest.mark.parametrize("place", PLACES, ids=[place.__name__.removeprefix("place_") for place in PLACES])
def test_external_weights_are_found_wherever_a_tensor_can_be(network, place):
    model = network()
    place(model)
    assert "in another file (external data)" in refusal(model)


def test_the_reader_knows_every_way_to_a_tensor_that_onnx_has():
    """The field table against the descriptors of the installed onnx; a new way to a tensor fails here."""
    messages = {}

    def collect(descriptor):
        if descriptor.name not in messages:
            messages[descriptor.name] = {field.number: field.message_type for field in descriptor.fields if field.message_type}
            for message in messages[descriptor.name].values():
                collect(message)

    collect(onnx.ModelProto.DESCRIPTOR)
    leading = {"TensorProto", "OperatorSetIdProto"}
    while True:
        more = {name for name, fields in messages.items() if any(field.name in leading for field in fields.values())} - leading
        if not more:
            break
        leading |= more
    expected = {
        name: {number: message.name for number, message in messages[name].items() if message.name in leading} for name in leading
    }
    assert expected == MESSAGES


def test_operators_of_another_domain_are_refused(network):
    model = network()
    model.graph.node[0].domain = "com.microsoft"
    assert "operators of the domain 'com.microsoft'" in refusal(model)
    model = network()
    model.opset_import.append(helper.make_opsetid("com.evil", 1))
    assert "'com.evil'" in refusal(model)
    model = network()
    model.functions.add(name="f", domain="mine")
    assert "'mine'" in refusal(model)


def test_the_two_names_of_onnx_own_domain_are_one(network):
    model = network()
    model.opset_import[0].domain = "ai.onnx"
    model.graph.node[0].domain = "ai.onnx"
    assert read_onnx(model.SerializeToString(), "n.onnx").opset == 18


@pytest.mark.parametrize("field", ["ir_version", "graph", "opset_import"])
def test_a_model_without_what_every_model_has_is_not_sound(network, field):
    model = network()
    model.ClearField(field)
    assert "is not a sound ONNX file" in refusal(model)


def with_opsets(*opsets: tuple[str, int], ir_version: int = 10) -> onnx.ModelProto:
    model = with_if(numpy_helper.from_array(np.zeros(2, np.float32), "zeros"))
    model.ClearField("opset_import")
    model.opset_import.extend(helper.make_opsetid(domain, version) for domain, version in opsets)
    model.ir_version = ir_version
    return model


def read(model: onnx.ModelProto) -> OnnxFile:
    return read_onnx(model.SerializeToString(), "n.onnx")


def test_a_model_of_two_operator_versions_is_not_sound():
    assert "not exactly one version of ONNX's operators" in refusal(with_opsets(("", 18), ("ai.onnx", 17)))
    assert "not exactly one version of ONNX's operators" in refusal(with_opsets(("", 18), ("", 17)))


def test_a_version_that_is_imported_twice_is_one_version():
    assert read(with_opsets(("", 18), ("", 18), ("ai.onnx", 18))).opset == 18


@pytest.mark.parametrize("version", [0, -1, -(2**63), 10_000, 2**31, 2**32 + 18, 2**63 - 1])
def test_operators_of_a_version_that_does_not_exist_are_refused(version):
    assert f"it gives {version} as the version of ONNX's operators" in refusal(with_opsets(("", version)))


@pytest.mark.parametrize("version", [0, 1, 2, -1, 10_000, 2**32 + 10])
def test_a_version_of_the_format_that_does_not_exist_or_imports_no_operators_is_refused(version):
    assert f"it gives {version} as the version of its format" in refusal(with_opsets(("", 18), ir_version=version))


@pytest.mark.parametrize("version", [1, 9_999])
def test_the_first_and_the_last_version_that_can_be_are_read(version):
    onnx_file = read(with_opsets(("", version), ir_version=max(version, 3)))
    assert (onnx_file.opset, onnx_file.ir_version) == (version, max(version, 3))


def test_an_operator_set_that_gives_no_version_is_refused():
    model = with_opsets()
    model.opset_import.add()
    assert "it gives 0 as the version of ONNX's operators" in refusal(model)
    model.opset_import[0].domain = "ai.onnx"
    assert "it gives 0 as the version of ONNX's operators" in refusal(model)


def test_a_sound_and_a_missing_operator_version_are_two():
    assert "not exactly one version" in refusal(with_opsets(("", 18), ("", 0)))


def test_an_operator_version_that_only_a_function_gives_is_not_the_models():
    model = with_opsets()
    model.functions.add(name="f").opset_import.append(helper.make_opsetid("", 18))
    assert "not exactly one version of ONNX's operators" in refusal(model)
    model.opset_import.append(helper.make_opsetid("", 18))
    assert read(model).opset == 18
    model.functions[0].opset_import.append(helper.make_opsetid("", 17))
    assert "not exactly one version of ONNX's operators" in refusal(model)


def test_a_graph_that_only_training_has_is_not_the_models():
    model = with_opsets(("", 18))
    model.training_info.add().algorithm.CopyFrom(model.graph)
    model.ClearField("graph")
    assert "it has no graph" in refusal(model)


OPSET = b"\x42"  # of ModelProto; a length and the OperatorSetIdProto follow


@pytest.mark.parametrize(
    ("opset", "message"),
    [
        (b"\x10\x92\x80\x80\x80\x80\x80\x80\x80\x80\x02", "a number of more than 64 bits"),  # 2^64 + 18: 18 in 64 bits
        (b"\x10\x92\x80\x80\x80\x80\x80\x80\x80\x80\x80\x01", "a number of more than 64 bits"),
        (b"\x12\x01\x12", "something else stands where a whole number belongs"),
        (b"\x15\x12\x00\x00\x00", "something else stands where a whole number belongs"),
        (b"\x11\x12\x00\x00\x00\x00\x00\x00\x00", "something else stands where a whole number belongs"),
        (b"\x0d\x61\x69\x2e\x6f\x10\x12", "a number stands where text or a message belongs"),
        (b"\x08\x00\x10\x12", "a number stands where text or a message belongs"),
    ],
)
def test_an_operator_set_that_is_coded_otherwise_than_onnx_codes_it_is_refused(opset, message):
    assert message in refusal(with_opsets().SerializeToString() + OPSET + bytes([len(opset)]) + opset)


def test_of_a_version_that_is_given_twice_in_one_operator_set_the_last_counts():
    content = with_opsets().SerializeToString() + OPSET + b"\x04\x10\x11\x10\x12"
    assert read_onnx(content, "n.onnx").opset == onnx.ModelProto.FromString(content).opset_import[0].version == 18


def test_one_byte_that_makes_the_operator_version_zero_is_found():
    content = with_opsets(("", 18)).SerializeToString()
    assert content.endswith(OPSET + b"\x04\x0a\x00\x10\x12")
    assert "it gives 0 as the version of ONNX's operators" in refusal(content[:-1] + b"\x00")


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"PK\x03\x04",
        b"\x80\x04\x95pickle",
        b"{}",
        b"\x89PNG\r\n\x1a\n",
        b"\x08\x0a",
        b"\xff" * 40,
        b"\x3a\xff\xff\xff\xff\x0f",
        b"\x0b",
    ],
)
def test_bytes_that_are_not_onnx_are_refused(content):
    assert "is not a sound ONNX file" in refusal(content)


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=300))
def test_arbitrary_bytes_never_pass(content):
    refusal(content)


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_a_damaged_file_is_read_or_refused_but_never_a_traceback(network, data):
    content = bytearray(with_if(numpy_helper.from_array(np.zeros(2, np.float32), "zeros")).SerializeToString())
    for _ in range(data.draw(st.integers(1, 4))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    cut = data.draw(st.integers(0, len(content)))
    for damaged in (bytes(content), bytes(content[:cut])):
        with suppress(PackError):
            assert read_onnx(damaged, "n.onnx").opset


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_whatever_the_damage_the_reader_and_protobuf_read_the_same(network, data):
    """A model whose damage goes unnoticed has the same versions, producer and metadata for both."""
    content = bytearray(network(stamp="random").SerializeToString())
    for _ in range(data.draw(st.integers(1, 4))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    try:
        onnx_file, model = read_onnx(bytes(content), "n.onnx"), onnx.ModelProto.FromString(bytes(content))
    except (PackError, DecodeError):
        return
    assert onnx_file.ir_version == model.ir_version
    assert {each.version for each in model.opset_import if each.domain in ("", "ai.onnx")} == {onnx_file.opset}
    assert onnx_file.producer == " ".join(filter(None, (model.producer_name, model.producer_version)))
    assert onnx_file.metadata == {entry.key: entry.value for entry in model.metadata_props}
    assert model.HasField("graph")


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_whatever_the_damage_external_weights_that_onnx_still_sees_are_refused(data):
    """The reader and protobuf must not disagree about a file in the dangerous direction."""
    content = bytearray(with_if(outside()).SerializeToString())
    for _ in range(data.draw(st.integers(0, 2))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    try:
        model = onnx.ModelProto.FromString(bytes(content))
    except Exception:  # protobuf refuses it itself
        return
    tensors = [t for node in model.graph.node for a in node.attribute for t in a.g.initializer]
    if any(tensor.data_location == TensorProto.EXTERNAL or tensor.external_data for tensor in tensors):
        refusal(bytes(content))


def test_a_file_made_of_a_million_tiny_fields_is_refused(network):
    assert "more than a million fields" in refusal(network().SerializeToString() + b"\x28\x00" * 1_000_001)
