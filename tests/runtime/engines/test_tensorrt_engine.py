"""What of the TensorRT engine can be tested without a GPU: its memory arithmetic, and that the libraries have what it calls."""

from __future__ import annotations

import ast
import ctypes
import inspect

import numpy as np
import pytest

from reid_edge.engines import tensorrt_engine
from reid_edge.engines.tensorrt_engine import _Buffer


@pytest.mark.parametrize(
    ("dtype", "shape"), [("float32", (1, 3, 4, 5)), ("float16", (2, 7)), ("int64", (4, 9)), ("bool", (3,)), ("float32", ())]
)
def test_a_buffer_holds_an_array_at_its_beginning_whatever_its_shape(dtype, shape):
    memory = (ctypes.c_char * 4096)()
    buffer = _Buffer(None, dtype, (4096,))
    buffer.host = ctypes.addressof(memory)
    values = np.arange(np.prod(shape, dtype=int)).reshape(shape).astype(dtype)
    buffer.host_array(shape)[...] = values
    assert buffer.bytes_of(shape) == values.nbytes
    assert bytes(memory)[: values.nbytes] == values.tobytes()
    assert not any(bytes(memory)[values.nbytes :])
    assert np.array_equal(buffer.host_array(shape), values)


def called(owner: str) -> set[str]:
    """Names that the module takes from `owner`, such as ``self._context``."""
    tree = ast.parse(inspect.getsource(tensorrt_engine))
    return {node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute) and ast.unparse(node.value) == owner}


@pytest.mark.parametrize(
    ("owner", "type_name"),
    [("self._context", "IExecutionContext"), ("self._engine", "ICudaEngine"), ("self._runtime", "Runtime")],
)
def test_tensorrt_has_everything_that_the_engine_calls(library, owner, type_name):
    names = called(owner)
    assert names
    assert [name for name in names if not hasattr(getattr(library.module, type_name), name)] == []


def test_cuda_has_everything_that_the_engine_calls():
    runtime = pytest.importorskip("cuda.bindings.runtime", reason="cuda-bindings is not installed")
    names = called("cuda") | called("self._cuda")
    assert "cudaGraphLaunch" in names
    assert [name for name in names if not hasattr(runtime, name)] == []
