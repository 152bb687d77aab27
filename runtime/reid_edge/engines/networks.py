"""A pack's networks, each loaded once on the chosen device, with its preprocessing beside it."""

from __future__ import annotations

from collections.abc import Iterator
from copy import copy
from dataclasses import dataclass, replace
from functools import partial
from threading import Lock

from reid_edge.engines import Engine, open_engine, select_device
from reid_edge.engines.contract import OutOfMemoryError, SharedEngine
from reid_edge.engines.fitting_engine import FittingEngine, say_that_it_runs_on_the_cpu
from reid_edge.engines.measured import Measured
from reid_edge.engines.profiles import ranges_of_network
from reid_edge.engines.run_shape import ONE_PAIR, RunShape, gpu_run_shape
from reid_edge.engines.selection import NetworkFile, cpu_of, key_on
from reid_edge.errors import PackError
from reid_edge.pack import Pack
from reid_edge.pack.head_labels import Labels, ViewpointLabels, labels_file, parse_labels, parse_viewpoint_labels
from reid_edge.pack.manifest import Preprocessing
from reid_edge.recipe import Recipe
from reid_edge.recipe.stages import Head

# What a network that takes no picture is given as preprocessing.
_NO_PREPROCESSING = Preprocessing("stretch", 1, 1, "rgb", 1.0, (0.0,), (1.0,), "linear")


@dataclass(frozen=True)
class LoadedNetwork:
    """A network that can be run; of a matcher, with how many pairs at a time."""

    engine: Engine
    preprocessing: Preprocessing
    run_shape: RunShape = ONE_PAIR


class Networks:
    """The networks that a recipe needs, loaded when they are first asked for. Several threads may share them.

    Attributes:
        device: the one that was chosen.
        labels: by the name of a head of the recipe, whom it names.
        viewpoint_labels: which viewpoints the recipe's viewpoint head names; None where the recipe has none.
    """

    def __init__(self, pack: Pack, recipe: Recipe, requested_device: str, threads: int | None = None) -> None:
        """Choose the device; the self-test is of the first network that the recipe opens.

        Raises:
            PackError: a head's labels are missing or broken, or not those of its network.
            UsageError, EngineError: see `reid_edge.engines.select_device`.
        """
        self._pack = pack
        self._recipe = recipe
        self._loaded: dict[str, LoadedNetwork] = {}
        self._loading = Lock()
        self.labels = {head.name: _labels(pack, head) for head in recipe.head}
        self.viewpoint_labels = _viewpoint_labels(pack, recipe.viewpoint.head) if recipe.viewpoint else None
        probe, ranges = next(network_files(pack, recipe, gpu=True))
        self.device = select_device(requested_device, probe, threads, partial(network_files, pack, recipe), ranges)

    def for_several_runs(self) -> Networks:
        """The same networks, loaded once more, for as many threads that each run one on one core; on a GPU these very ones."""
        if self.device.name not in ("cpu", "openvino") or self.device.threads == 1:
            return self
        other = copy(self)
        other.device = replace(self.device, threads=1, runs=self.device.threads)
        other._loaded, other._loading = {}, Lock()
        return other

    def preprocessing(self, name: str) -> Preprocessing:
        """How this network takes a picture; the network itself is not loaded."""
        return self._pack.manifest.networks[name].preprocessing or _NO_PREPROCESSING

    def __getitem__(self, name: str) -> LoadedNetwork:
        """The network of this name.

        Raises:
            EngineError: it cannot be loaded on the device.
        """
        if name not in self._loaded:
            with self._loading:
                if name not in self._loaded:
                    engine, shape = self._open(name)
                    engine = engine if engine.concurrent else SharedEngine(engine)
                    self._loaded[name] = LoadedNetwork(engine, self.preprocessing(name), shape)
        return self._loaded[name]

    def warm_up(self) -> None:
        """Load all networks of the recipe and run each once, so that the first photo waits for none; a daemon does so at its start.

        Raises:
            EngineError: one cannot be loaded or run on the device.
        """
        for name in self._recipe.networks:
            self[name].engine.warm_up()

    def _open(self, name: str) -> tuple[Engine, RunShape]:
        """A network on the device; on the CPU, which is said, where a GPU has no memory for it."""
        model, ranges = _network_file(self._pack, self._recipe, name, self.device.is_gpu)
        if not self.device.is_gpu:
            return open_engine(model, name, self.device, ranges), ONE_PAIR

        def on_cpu() -> Engine:
            return open_engine(_network_file(self._pack, self._recipe, name)[0], name, cpu_of(self.device))

        try:
            engine, shape = open_engine(model, name, self.device, ranges), ONE_PAIR
            if self._pack.manifest.networks[name].task == "matching":
                key = key_on(self.device, model, ranges)
                shape = gpu_run_shape(engine, key.ranges, key, Measured())
        except OutOfMemoryError:
            say_that_it_runs_on_the_cpu(name)
            return on_cpu(), ONE_PAIR
        return FittingEngine(engine, name, on_cpu), shape


def network_files(pack: Pack, recipe: Recipe, gpu: bool = False) -> Iterator[NetworkFile]:
    """Each network that the recipe opens, on a GPU or elsewhere, once, with the sizes that it is opened for; read one at a time.

    Raises:
        PackError: a file is not what the pack says.
    """
    for name in recipe.networks:
        yield _network_file(pack, recipe, name, gpu)


def _labels(pack: Pack, head: Head) -> Labels:
    path = labels_file(head.network)
    labels = parse_labels(pack.read_json(path), head.kind, path)
    _check_dimension(pack, head.name, head.network, labels.dimension)
    return labels


def _viewpoint_labels(pack: Pack, head: str) -> ViewpointLabels:
    path = labels_file(head)
    labels = parse_viewpoint_labels(pack.read_json(path), path)
    _check_dimension(pack, head, head, labels.dimension)
    return labels


def _check_dimension(pack: Pack, name: str, network: str, dimension: int) -> None:
    """The labels are for vectors as wide as the head's network takes."""
    takes = pack.manifest.networks[network].parameters.get("input_dimension", dimension)
    if takes != dimension:
        raise PackError(
            f"{labels_file(network)} is for vectors of {dimension} values, but the head {name} takes {takes}.",
            "Train the head again: reid-edge train-head.",
        )


def _network_file(pack: Pack, recipe: Recipe, name: str, gpu: bool = False) -> NetworkFile:
    return pack.read_bytes(pack.manifest.networks[name].file_on(gpu)), ranges_of_network(pack.manifest, recipe, name)
