"""A pack's networks: loaded once, and shared by threads."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import numpy as np

from reid_edge.engines.contract import SharedEngine, TensorSpec
from reid_edge.engines.networks import Networks
from reid_edge.engines.onnx_runtime import OnnxRuntimeEngine
from reid_edge.recipe import parse_recipe


class NotReentrant:
    """An engine that notices a second run inside of the first, as the reused buffers of a GPU would."""

    def __init__(self, engine: OnnxRuntimeEngine) -> None:
        self._engine, self._running, self.overlaps = engine, 0, 0
        self.inputs, self.outputs, self.provenance = engine.inputs, engine.outputs, engine.provenance

    def run(self, inputs):
        self._running += 1
        self.overlaps += self._running > 1
        outputs = self._engine.run(inputs)
        self._running -= 1
        return outputs

    def warm_up(self) -> None:
        self._engine.warm_up()


def shape_of(spec: TensorSpec) -> list[int]:
    return [axis if isinstance(axis, int) else (64 if place else 1) for place, axis in enumerate(spec.shape)]


def test_threads_that_ask_for_a_network_at_once_get_the_same_one_and_run_it_one_after_another(field_pack):
    networks = Networks(field_pack, parse_recipe(field_pack.recipe, field_pack.manifest), "cpu", 1)
    together = Barrier(4)

    def load(_):
        together.wait()
        return networks["xfeat"]

    with ThreadPoolExecutor(4) as pool:
        first, *others = pool.map(load, range(4))
        assert all(each is first for each in others)
        model = field_pack.read_bytes(field_pack.manifest.networks["xfeat"].file)
        inner = NotReentrant(OnnxRuntimeEngine(model, "xfeat", [("CPUExecutionProvider", {})], "cpu", 1))
        shared = SharedEngine(inner)
        shapes = {
            spec.name: [axis if isinstance(axis, int) else (64 if n else 1) for n, axis in enumerate(spec.shape)]
            for spec in shared.inputs
        }
        inputs = {spec.name: np.ones(shapes[spec.name], spec.dtype) for spec in shared.inputs}
        list(pool.map(lambda _: shared.run(inputs), range(12)))
    assert inner.overlaps == 0
