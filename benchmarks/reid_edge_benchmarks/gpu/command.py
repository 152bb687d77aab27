"""``bench gpu`` itself: its parts one after the other within the time; a part that fails is reported, and the others go on."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from reid_edge.engines.gpu import find_gpus
from reid_edge.engines.networks import network_files
from reid_edge.engines.onnx_runtime import OnnxRuntimeEngine
from reid_edge.engines.profiles import SizeRange, axis_ranges, fitted
from reid_edge.engines.run_shape import gpu_run_shape
from reid_edge.engines.selection import Device, cpu_of, key_on, open_engine, self_test
from reid_edge.engines.self_test import compare_engines
from reid_edge.errors import ReidEdgeError
from reid_edge.gallery.enrolment_list import Enrolment
from reid_edge.identify.identifier import Identifier
from reid_edge.identify.session import Session
from reid_edge.pack import Pack, find_pack, open_pack
from reid_edge.recipe import Recipe, parse_recipe
from reid_edge_benchmarks.energy import energy_meter
from reid_edge_benchmarks.gpu.arithmetic import operations_a_second
from reid_edge_benchmarks.gpu.material import lighterglue_case, lightglue_cases
from reid_edge_benchmarks.gpu.rates import measure_rates
from reid_edge_benchmarks.gpu.sides import MatcherCase, devices_here, runtime_sides, torch_sides
from reid_edge_benchmarks.latency.galleries import enrol_photos
from reid_edge_benchmarks.machine import gpu_memory_used
from reid_edge_benchmarks.memory import peak_memory
from reid_edge_benchmarks.rendered_photos import render_photos
from reid_edge_calibration.progress import Progress

Part = Callable[[], Mapping[str, Any]]


@dataclass(frozen=True)
class GpuRequest:
    """What is measured.

    Attributes:
        packs: whose networks are compared with the CPU; photos are answered with the first.
        material: folder of `make_material`; LightGlue is left out where it lacks it.
        minutes: after which no further part is begun.
        batches: pairs a run.
        points: keypoints of an image, by which LightGlue is measured.
        pack_points: keypoints of an image, by which the matcher of the pack is measured.
        photos: enrolled, of which the last are asked about.
        candidates: B, that the last matcher sees of each photo.
        product: side of the matrices whose product is the arithmetic limit.
        threads: CPU threads.
    """

    packs: tuple[str, ...]
    material: Path
    minutes: float = 8.0
    batches: tuple[int, ...] = (1, 2, 4, 8, 16, 32, 64)
    points: tuple[int, ...] = (512, 1024)
    pack_points: int = 512
    photos: int = 60
    candidates: int = 50
    product: int = 8192
    threads: int | None = None

    def small(self) -> GpuRequest:
        """The same parts at a size that a CPU runs in seconds, which shows that the command works."""
        return replace(
            self, batches=(1, 2), points=(64,), pack_points=64, photos=6, candidates=3, product=128, packs=self.packs[:1]
        )


def measure_gpu(
    request: GpuRequest, progress: Progress, say: Callable[[str], None], save: Callable[[Mapping[str, Any]], None]
) -> dict[str, Any]:
    """Run all parts; the figures so far are saved after each, so that an end in the middle loses one part only.

    Returns:
        ``gpus``, ``devices`` and ``parts``: by title ``state`` (``done``, ``failed``, or ``skipped`` when the time was over), ``seconds``,
        and the figures or the ``message``.
    """
    until = time.monotonic() + 60 * request.minutes
    devices = devices_here(request.threads)
    figures: dict[str, Any] = {
        "gpus": _gpus(),
        "devices": [device.provider for device in devices],
        "candidates": request.candidates,
        "parts": {},
    }
    for title, part in _parts(request, devices, until, progress).items():
        begin = time.monotonic()
        if begin > until:
            outcome: dict[str, Any] = {"state": "skipped", "message": "the time was over"}
        else:
            try:
                outcome = {"state": "done", **part()}
            except (ReidEdgeError, ModuleNotFoundError, OSError) as error:
                outcome = {"state": "failed", "message": getattr(error, "message", str(error))}
        figures["parts"][title] = {**outcome, "seconds": round(time.monotonic() - begin, 1)}
        say(f"{title}: {outcome['state']} {outcome.get('message', '')}".rstrip())
        save(figures)
    return figures


def _parts(request: GpuRequest, devices: list[Device], until: float, progress: Progress) -> dict[str, Part]:
    packs = [open_pack(find_pack(name), allow_random=True) for name in request.packs]
    parts: dict[str, Part] = {}
    for device in devices:
        parts[f"self-test on {device.provider}"] = partial(_self_test, device, packs[0])
    for pack in packs:
        recipe = parse_recipe(pack.recipe, pack.manifest)
        for device in devices:
            for number, name in enumerate(recipe.networks):
                title = f"{name} of {pack.manifest.name} on {device.provider}"
                parts[title] = partial(_agreement, device, pack, recipe, number)
    for device in devices:
        for dtype in ("float32", "float16"):
            parts[f"limit of {device.provider}, {dtype}"] = partial(_limit, device, request.product, dtype)
    cases = [*lighterglue_case(request.packs[0], request.pack_points), *lightglue_cases(request.material, request.points)]
    for case in cases:
        for title, opening in _sides(case, devices).items():
            parts[f"{case.name}: {title}"] = partial(_rates, case, opening, request, until)
    for device in devices:
        parts[f"photo on {device.provider}"] = partial(_photo, device, request, progress)
    return parts


def _gpus() -> list[dict[str, Any]]:
    try:
        return [dict(vars(gpu)) for gpu in find_gpus()]
    except ReidEdgeError:
        return []


def _sides(case: MatcherCase, devices: list[Device]) -> dict[str, Any]:
    sides = runtime_sides(case, axis_ranges("matching", None, case.points), devices)
    try:
        return sides | torch_sides(case, devices[0].is_gpu)
    except ModuleNotFoundError:
        return sides


def _self_test(device: Device, pack: Pack) -> Mapping[str, Any]:
    probe, ranges = next(network_files(pack, parse_recipe(pack.recipe, pack.manifest), device.is_gpu))
    self_test(device, probe, ranges)
    return {}


def _agreement(device: Device, pack: Pack, recipe: Recipe, number: int) -> Mapping[str, Any]:
    """One network on the device beside ONNX Runtime on the CPU: how far apart, how fast, how long to open."""
    from reid_edge.engines.self_test import canonical_inputs, usual_sizes

    model, ranges = list(network_files(pack, recipe, device.is_gpu))[number]
    name = recipe.networks[number]
    begin = time.perf_counter()
    engine = open_engine(model, name, device, ranges)
    opened = time.perf_counter() - begin
    one = {"batch": SizeRange(1, 1, 1)} if ranges["batch"].smallest == 1 else {}
    sizes = fitted(ranges, _gpus()[device.index]["memory"]) if device.is_gpu else {**ranges, **one}
    apart = compare_engines(open_engine(model, name, cpu_of(device)), engine, model, name, sizes)
    inputs = canonical_inputs(engine.inputs, usual_sizes(sizes))
    engine.run(inputs)
    begin = time.perf_counter()
    engine.run(inputs)
    figures = {"apart": apart, "open_seconds": opened, "milliseconds": 1e3 * (time.perf_counter() - begin)}
    if device.is_gpu and pack.manifest.networks[name].task == "matching":
        from reid_edge.engines.measured import Measured

        key = key_on(device, model, ranges)
        figures["pairs"] = gpu_run_shape(engine, key.ranges, key, Measured()).pairs
    return figures


def _limit(device: Device, side: int, dtype: str) -> Mapping[str, Any]:
    return {"operations_a_second": operations_a_second(lambda model: open_engine(model, "product", device, {}), side, dtype)}


def _rates(case: MatcherCase, opening: Any, request: GpuRequest, until: float) -> Mapping[str, Any]:
    model = next(iter(case.files.values()))
    specs = OnnxRuntimeEngine(model, case.name, [("CPUExecutionProvider", {})], "cpu", 1).inputs
    return {"points": case.points, **measure_rates(case, opening, request.batches, specs, until)}


def _photo(device: Device, request: GpuRequest, progress: Progress) -> Mapping[str, Any]:
    """Photos asked of a gallery, each compared with `candidates` by every matcher, in milliseconds by stage; the first is left out."""
    paths = render_photos(request.material / "photos", request.photos, progress)
    asked = paths[:: max(2, len(paths) // 6)][:6]
    rows = [Enrolment(path, path.parent.name) for path in paths if path not in asked]
    pack = open_pack(find_pack(request.packs[0]), allow_random=True)
    identifier = Identifier(pack, device.name, request.threads)
    gallery = enrol_photos(request.material, rows, identifier, progress)
    recipe = identifier.recipe
    matches = tuple(replace(match, best=request.candidates if match.best else 0) for match in recipe.match)
    meter = energy_meter(device.is_gpu)
    with Session.open(gallery, request.packs[0], device.name, request.threads) as session:
        retrieve = replace(recipe.retrieve, candidates=max(request.candidates, 1))
        session.identifier.recipe = replace(recipe, retrieve=retrieve, match=matches, early_exit=None)
        session.identify(asked[0])
        stages: list[Mapping[str, float]] = []
        whole = []
        joules = meter.joules() if meter else 0.0
        for path in asked[1:]:
            begin = time.perf_counter()
            stages.append(session.identify(path)[0].timings_ms)
            whole.append(1e3 * (time.perf_counter() - begin))
        joules = (meter.joules() - joules) / len(whole) if meter else 0.0
    if meter:
        meter.close()
    middle = sorted(range(len(whole)), key=whole.__getitem__)[len(whole) // 2]
    return {
        "median_ms": whole[middle],
        "stages_ms": dict(stages[middle]),
        "photos": len(whole),
        "enrolled": len(rows),
        "peak_bytes": peak_memory(),
        "gpu_megabytes": gpu_memory_used() if device.is_gpu else None,
        "joules": joules if meter else None,
        "joules_of": meter.name if meter else None,
    }
