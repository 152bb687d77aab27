"""Where TensorRT cannot run, the error says everything that is missing, and no library of NVIDIA's is touched before the driver."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys

import pytest

from reid_edge.engines.cuda import call
from reid_edge.engines.gpu import find_gpu, find_gpus
from reid_edge.engines.tensorrt_opening import Place, missing_for_tensorrt, open_tensorrt
from reid_edge.errors import EngineError


@pytest.fixture(autouse=True)
def _no_gpu():
    try:
        find_gpus()
    except EngineError:
        return
    pytest.skip("this machine has a GPU")


def test_without_a_driver_the_error_says_so_and_what_to_do():
    with pytest.raises(EngineError, match="NVIDIA driver") as refused:
        find_gpu(0)
    assert "--device cpu" in refused.value.hint


def test_everything_that_is_missing_is_named_at_once():
    said = [error.message for error in missing_for_tensorrt()]
    assert "NVIDIA driver" in said[0]
    for package, module in (("tensorrt", "tensorrt"), ("cuda-bindings", "cuda")):
        named = any(f"The package {package} is not installed" in message for message in said)
        assert named == (importlib.util.find_spec(module) is None)


def test_asking_for_tensorrt_imports_none_of_its_libraries_without_a_driver(environment):
    code = (
        "import sys\n"
        "from reid_edge.engines import select_device\n"
        "from reid_edge.errors import EngineError\n"
        "try:\n    select_device('tensorrt', b'')\n"
        "except EngineError as error:\n    print(error.message)\n"
        "print(sorted({name.split('.')[0] for name in sys.modules} & {'tensorrt', 'tensorrt_lean', 'tensorrt_bindings'}))\n"
        "print('cuda.bindings.runtime' in sys.modules)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment, check=True)
    message, imported, cuda = done.stdout.splitlines()
    assert message.startswith(
        "The device tensorrt was asked for, but something that it needs is missing. There is no NVIDIA driver"
    )
    assert (imported, cuda) == ("[]", "False")


def test_opening_an_engine_is_an_error_and_not_a_crash(tiny, tmp_path):
    with pytest.raises(EngineError, match="NVIDIA driver"):
        open_tensorrt(tiny, "tiny", Place(), {})


def test_an_error_of_cuda_is_told_in_words():
    runtime = pytest.importorskip("cuda.bindings.runtime", reason="cuda-bindings is not installed")
    with pytest.raises(EngineError, match="driver is too old for the installed cuda-bindings, or there is none"):
        call(runtime, runtime.cudaMalloc(1 << 20))
    with pytest.raises(EngineError, match="CUDA fails: invalid argument"):
        call(runtime, (runtime.cudaError_t.cudaErrorInvalidValue,))


def test_doctor_says_what_tensorrt_lacks(run_cli):
    said = json.loads(run_cli("doctor", "--json").stdout)
    (device,) = (device for device in said["devices"] if device["name"] == "tensorrt")
    assert not device["ok"]
    assert "There is no NVIDIA driver" in device["says"]
    assert device["hint"]
