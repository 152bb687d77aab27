"""The whole of ``reid-edge bench discovery``: compare, fit, group, count, print and save."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import click
import numpy as np

from reid_edge.identify.identifier import Identifier
from reid_edge_benchmarks.discovery.counting import baselines, group_figures, questions_to_purity
from reid_edge_benchmarks.discovery.fitting import fit_model
from reid_edge_benchmarks.discovery.photos import ComparedSet, compare_set
from reid_edge_benchmarks.discovery.tables import discovery_text, methods_text
from reid_edge_calibration.labels.labelled_set import LabelledSet
from reid_edge_calibration.progress import Progress

KNOWN_PHOTOS = 4
"""So many photos of an individual are in the catalogue where it is known."""


@dataclass(frozen=True)
class DiscoveryRequest:
    """What is to be measured.

    Attributes:
        sets: labelled photos to group.
        fit_sets: labelled photos to fit the model on; the installed model is measured where there are none.
        model_path: where the fitted model goes; None for nowhere.
        folder: keeps what was described and compared.
        methods: try other ways to make groups of the photos that the model is fitted on.
    """

    sets: tuple[LabelledSet, ...]
    fit_sets: tuple[LabelledSet, ...]
    model_path: Path | None
    folder: Path
    methods: bool = False


def measure_discovery(
    request: DiscoveryRequest, identifier: Identifier, progress: Progress, save: Callable[[dict[str, Any]], None]
) -> None:
    """Measure set by set; print all, and save after each.

    Args:
        request: what is to be measured.
        identifier: the pack.
        progress: wraps an iterable, a word for it and its length.
        save: gets the figures as plain data.

    Raises:
        UsageError, PackError, EngineError, GalleryError, StorageError: it cannot go on.
    """
    model = None
    figures: dict[str, Any] = {"known_photos": KNOWN_PHOTOS, "sets": {}}
    if request.fit_sets:
        fitted_on = [compare_set(each, identifier, request.folder, progress) for each in request.fit_sets]
        model = fit_model(fitted_on)
        if request.model_path:
            request.model_path.write_text(json.dumps(asdict(model), indent=1) + "\n", encoding="utf-8")
        if request.methods:
            from reid_edge_benchmarks.discovery.methods import try_methods

            figures["methods"] = try_methods(fitted_on, model)
            click.echo(methods_text(figures["methods"]))
            save(figures)
    for labelled in request.sets:
        compared = compare_set(labelled, identifier, request.folder, progress)
        if model is not None:
            compared.discovery.model = model
        figures["model"] = asdict(compared.discovery.model)
        figures["sets"][labelled.name] = _measure(compared)
        save(figures)
    if request.sets:
        click.echo(discovery_text(figures))


def _measure(compared: ComparedSet) -> dict[str, Any]:
    individuals: Sequence[str] = sorted(set(compared.truth.tolist()))
    half = individuals[::2]
    return {
        "nobody known": group_figures(compared.discovery, compared.truth),
        "half known": group_figures(compared.knowing(half, KNOWN_PHOTOS), compared.truth),
        "all known": group_figures(compared.knowing(individuals, KNOWN_PHOTOS), compared.truth),
        "questions": questions_to_purity(compared),
        "baselines": baselines(compared),
        "photos per individual": float(np.mean(np.unique(compared.truth, return_counts=True)[1])),
    }
