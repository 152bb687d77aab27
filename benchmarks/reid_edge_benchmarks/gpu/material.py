"""What a run needs and no network brings: the packs, LightGlue in two sizes, and rendered photos. Made on a desktop, carried to the GPU."""

from __future__ import annotations

import json
from pathlib import Path

from reid_edge.pack import find_pack, open_pack
from reid_edge.recipe import parse_recipe
from reid_edge_benchmarks.gpu.sides import MatcherCase
from reid_edge_benchmarks.rendered_photos import render_photos
from reid_edge_calibration.progress import Progress

# LightGlue as published: nine layers of 256 channels in four heads. Random weights: speed does not depend on them.
_LIGHTGLUE = {"layers": 9, "width": 256, "heads": 4, "descriptor": 128, "position": 2}
_NAME = "lightglue-aliked"


def lighterglue_case(pack_name: str, points: int) -> list[MatcherCase]:
    """The LightGlue of a pack, where it has one."""
    pack = open_pack(find_pack(pack_name), allow_random=True)
    recipe = parse_recipe(pack.recipe, pack.manifest)
    for match in recipe.match:
        if match.matcher == "lightglue":
            entry = pack.manifest.networks[match.network]
            files = {entry.precision: pack.read_bytes(entry.file)}
            if entry.gpu_file:
                files["fp16"] = pack.read_bytes(entry.gpu_file)
            return [MatcherCase(f"{match.network} of {pack.manifest.name}", files, points, layers=6, width=96)]
    return []


def lightglue_cases(folder: Path, points: tuple[int, ...]) -> list[MatcherCase]:
    """LightGlue with random weights, in both precisions where the folder holds them; none where it holds no file."""
    files = {precision: folder / f"{_NAME}.{precision}.onnx" for precision in ("fp32", "fp16")}
    models = {precision: path.read_bytes() for precision, path in files.items() if path.is_file()}
    if not models:
        return []
    return [
        MatcherCase(f"LightGlue, {count} keypoints", models, count, _LIGHTGLUE["layers"], _LIGHTGLUE["width"], _LIGHTGLUE)
        for count in points
    ]


def make_material(folder: Path, photos: int, progress: Progress) -> None:
    """Export LightGlue with random weights in fp32 and fp16, and render photos. What is there is kept.

    Raises:
        UsageError: PyTorch or ModelOpt is not installed.
        EngineError: the conversion differs from PyTorch.
        StorageError: the folder cannot be written.
    """
    from reid_edge.photo import read_photo
    from reid_edge_export.export import export_traced
    from reid_edge_export.tracing import trace_network

    folder.mkdir(parents=True, exist_ok=True)
    rendered = render_photos(folder / "photos", photos, progress)
    missing = [precision for precision in ("fp32", "fp16") if not (folder / f"{_NAME}.{precision}.onnx").is_file()]
    if missing:
        traced = trace_network(_NAME, images=[read_photo(path).rgb for path in rendered[:2]], random=True)
        for precision in missing:
            export_traced(traced, folder / f"{_NAME}.{precision}.onnx", precision=precision)
    (folder / "material.json").write_text(json.dumps({"photos": photos}), encoding="utf-8")
