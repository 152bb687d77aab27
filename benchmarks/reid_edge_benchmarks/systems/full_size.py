"""A recipe at full size, from export to an answer by the command line, with random weights where its own cannot be had.

What such a pack answers means nothing; measured are time, memory and size. Its calibrators are fitted on made-up scores, because the 20
pairs of one individual that `reid-edge calibrate` needs would take hours in the larger systems.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

import reid_edge
from reid_edge.describe.quality import QUALITY
from reid_edge.gallery.enrolment_list import METADATA
from reid_edge.pack import Pack, open_pack
from reid_edge.recipe import Recipe, parse_recipe
from reid_edge.recipe.species import applies_to
from reid_edge_benchmarks.commands import measured_command
from reid_edge_calibration.fit import fit_calibration
from reid_edge_calibration.packing import write_calibrated_pack
from reid_edge_calibration.score_table import ScoreTable
from reid_edge_export.recipe_file import heads_of, read_recipe_file

_SAMPLES = Path(reid_edge.__file__).parent / "samples"
_PHOTO = _SAMPLES / "photos" / "trail_1.jpg"
_ENROLLED = ("Asha/asha_1.jpg", "Asha/asha_2.jpg", "Baraka/baraka_1.jpg", "Baraka/baraka_2.jpg")
_PEOPLE, _PHOTOS, _QUERIES = 8, 2, 3


@dataclass(frozen=True)
class Step:
    """One command.

    Attributes:
        step: its name, and that of a head.
        seconds: of wall time, from process start to exit.
        memory: peak resident memory, bytes.
    """

    step: str
    seconds: float
    memory: int


@dataclass(frozen=True)
class FullSize:
    """How a recipe is run.

    Attributes:
        recipe: a name or a TOML file.
        species: of all photos; it decides which stages run.
        weights: folder with weights of networks; None for none.
        folder: gets the pack and the gallery.
        say: told of each step.
    """

    recipe: str
    species: str
    weights: Path | None
    folder: Path
    say: Callable[[str], None]


def run_full_size(run: FullSize) -> dict[str, Any]:
    """Export, enrol four photos, train the heads, calibrate on made-up scores, and identify one photo.

    Returns:
        Plain data: ``version``, ``species``, ``random`` (networks), ``pack`` (bytes), ``enrolled`` (photos), ``steps`` and ``answer``.

    Raises:
        UsageError: a command failed.
        PackError, StorageError: the pack is not sound, or cannot be written.
    """
    folder = str(run.folder / "pack")
    steps: list[Step] = []

    def measure(name: str, *arguments: str) -> str:
        run.say(f"{name} ...")
        done = measured_command(arguments)
        steps.append(Step(name, done.seconds, done.memory))
        run.say(f"{name}: {done.seconds:.0f} s, {done.memory / 1e6:.0f} MB")
        return done.output

    weights = ("--weights", str(run.weights)) if run.weights else ()
    photos = str(_SAMPLES / "gallery" / "Asha")
    measure("export", "export", "--recipe", run.recipe, "--out", folder, "--random", "--photos", photos, *weights)
    labels, place = _labels(run.folder, run.species), ("--pack", folder, "--allow-random")
    gallery = str(run.folder / "gallery-0.sqlite")
    measure("gallery add", "gallery", "add", str(labels), "--gallery", gallery, *place)
    heads = sorted(heads_of(read_recipe_file(run.recipe)).items(), key=lambda each: each[1].kind == "projection")
    for number, (name, head) in enumerate(heads, start=1):
        common = ("--recipe", run.recipe, "--name", name, "--gallery", gallery, "--pack", folder, "--out", folder)
        measure(f"train-head {name}", "train-head", head.kind, *common)
        if head.kind == "projection":  # vectors change, so the photos are described again
            gallery = str(run.folder / f"gallery-{number}.sqlite")
            measure(f"gallery add, with {name}", "gallery", "add", str(labels), "--gallery", gallery, *place)
    pack = _calibrated(open_pack(Path(folder), allow_random=True), run.species)
    recipe = parse_recipe(pack.recipe, pack.manifest)
    if any(stage.fusion and applies_to(stage.species, run.species) for stage in recipe.rerank):
        measure("gallery pairs", "gallery", "pairs", "--gallery", gallery, *place)
    asked = ("--species", run.species, "--top", "1", "--json")
    answer = json.loads(measure("identify", "identify", str(_PHOTO), "--gallery", gallery, *place, *asked).splitlines()[0])
    return {
        "version": pack.manifest.version,
        "species": run.species,
        "random": list(pack.manifest.random_networks),
        "networks": len(pack.manifest.networks),
        "pack": sum(file.stat().st_size for file in Path(folder).rglob("*") if file.is_file()),
        "enrolled": len(_ENROLLED),
        "steps": [asdict(step) for step in steps],
        "answer": {key: answer[key] for key in ("verdict", "timings_ms", "warnings")},
    }


def _labels(folder: Path, species: str) -> Path:
    table = folder / METADATA
    with table.open("w", newline="", encoding="utf-8") as file:
        rows = csv.writer(file)
        rows.writerow(("identity", "path", "species", "orientation"))
        rows.writerows((photo.partition("/")[0], _SAMPLES / "gallery" / photo, species, "left") for photo in _ENROLLED)
    return table


def _calibrated(pack: Pack, species: str) -> Pack:
    """The pack, in its place, with calibrators of made-up scores."""
    recipe = parse_recipe(pack.recipe, pack.manifest)
    model = fit_calibration([made_up_scores(recipe, species)], 0, None, recipe)
    return write_calibrated_pack(pack, model, pack.source)


def made_up_scores(recipe: Recipe, species: str) -> ScoreTable:
    """A table of a recipe's scores in which photos of one individual are more alike; those of other species are not there."""
    rng = np.random.default_rng(0)
    owners = [f"animal {person}" for person in range(_PEOPLE) for _ in range(_PHOTOS)]
    asked = [f"animal {person}" for person in range(_PEOPLE) for _ in range(_QUERIES)]
    query, candidate = (side.ravel().astype(np.int32) for side in np.indices((len(asked), len(owners))))
    same = np.array(asked)[query] == np.array(owners)[candidate]
    names = recipe.score_names
    raw = (0.5 * rng.random((len(query), len(names))) + 0.4 * same[:, None]).astype(np.float32)
    later = {stage.name for stage in recipe.rerank if stage.fusion}
    raw[:, [name in later or not applies_to(recipe.species_of(name), species) for name in names]] = np.nan
    without = raw.copy()
    without[same] = np.nan
    quality = np.zeros((len(asked), len(QUALITY)), np.float32)
    return ScoreTable(names, species, tuple(asked), tuple(owners), query, candidate, raw, without, quality)
