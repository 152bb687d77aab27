"""What ``reid-edge calibrate`` does, from labels to a pack and a report."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import click

from reid_edge.cli.progress import progress
from reid_edge.decide.facts import random_warning
from reid_edge.errors import UsageError
from reid_edge.gallery.time_place import TimePlaceModel
from reid_edge.identify.identifier import Identifier
from reid_edge.pack import find_pack, open_pack
from reid_edge_calibration.entry import FitOptions
from reid_edge_calibration.fit import SpeciesFit, fit_with_facts
from reid_edge_calibration.labels.labelled_set import LabelledSet, read_labelled_sets
from reid_edge_calibration.labels.request import LabelRequest
from reid_edge_calibration.packing import refuse_place, write_calibrated_pack
from reid_edge_calibration.report import write_report
from reid_edge_calibration.report.filling import report_of
from reid_edge_calibration.scoring import kept_table
from reid_edge_calibration.time_place import with_time_place


@dataclass(frozen=True)
class Kept:
    """Where galleries and score tables are kept, and where a pack with a projection is written on the way."""

    folder: Path
    projected: Path


def calibrate_pack(
    pack_name: str,
    metadata: Sequence[Path],
    further: Mapping[str, Path],
    out: Path,
    labels: LabelRequest,
    max_wrong: float,
    fit_projection: bool,
    report: Path | None,
    kept: Kept,
    device: str,
    threads: int | None,
    allow_random: bool = False,
    time_place: bool = True,
) -> None:
    """Read labels, score the pairs, fit, write the pack and the report, and say on the terminal what came of it.

    Args:
        pack_name: the pack to calibrate: a name, folder or zip.
        metadata: sources of labelled photos.
        further: by the name of a further calibration of the recipe, the source that its calibrators are fitted on.
        out: folder of the calibrated pack.
        labels: which photos, and how they are split; its seed is that of all the rest.
        max_wrong: share of all photos that may be answered wrongly without asking.
        fit_projection: try a projection of the embeddings first.
        report: the HTML file to write, or None.
        kept: folders.
        device, threads: see `Identifier`.
        allow_random: accept a pack with random weights, whose answers mean nothing.
        time_place: fit what time and place say of a pair, where the labels have both.

    Raises:
        UsageError: labels that cannot be read, or too few of them.
        PackError, EngineError, GalleryError, StorageError: it cannot go on.
    """
    pack = open_pack(find_pack(pack_name), allow_random)
    refuse_place(out)
    sets = read_labelled_sets(metadata, labels, progress)
    others = {name: read_labelled_sets([source], labels, progress) for name, source in further.items()}
    notes = [note for each in (sets, *others.values()) for labelled in each for note in labelled.notes]
    if warning := random_warning(pack):
        notes.insert(0, warning)
    for note in notes:
        click.echo(f"note: {note}", err=True)
    identifier = Identifier(pack, device, threads)
    for name in others:
        if name not in identifier.recipe.calibrations:
            wanted = ", ".join(identifier.recipe.calibrations) or "none"
            raise UsageError(f"The recipe asks for no calibration {name!r}.", f"It asks for: {wanted}.")
    if fit_projection:
        identifier, more = _with_projection(identifier, sets, labels.seed, kept, device, threads)
        notes += more
    tables = [kept_table(labelled, identifier, kept.folder, progress) for labelled in sets]
    tables_of = {
        name: [kept_table(labelled, identifier, kept.folder, progress) for labelled in each] for name, each in others.items()
    }
    click.echo("Fitting", err=True)
    untold = frozenset(labelled.species for labelled in sets if not labelled.tells_encounters)
    fit = fit_with_facts(
        tables,
        labels.seed,
        FitOptions(most_wrong=max_wrong, absolute=identifier.recipe.absolute_scores, untold=untold, further=tables_of),
        identifier.recipe,
    )
    model = with_time_place(fit.model, sets) if time_place else fit.model
    write_calibrated_pack(identifier.pack, model, out)
    for name, entry in model.species.items():
        if entry.time_place is not None:
            click.echo(f"note: {name}: time and place count: {_rules(entry.time_place)}.", err=True)
    warnings = list(fit.model.data["warnings"])
    for warning in warnings:
        click.echo(f"note: {warning}", err=True)
    for each in fit.entries:
        click.echo(_in_words(each))
    click.echo(f"The calibrated pack is in {out}.", err=True)
    if report:
        options = {
            "METADATA": "\n".join(map(str, metadata)),
            **({"--calibration": "\n".join(f"{name}={source}" for name, source in further.items())} if further else {}),
            "--pack": pack_name,
            "--out": str(out),
            "--max-wrong": f"{max_wrong:g}",
            **({"--fold": labels.fold} if labels.fold else {}),
            **({"--species": "\n".join(labels.species)} if labels.species else {}),
            **({"--split": labels.split} if labels.split else {}),
            "--unknown-share": f"{labels.unknown_share:g}",
            "--query-share": f"{labels.query_share:g}",
            **({} if labels.drop_leaks else {"--keep-leaks": ""}),
            **({"--fit-projection": ""} if fit_projection else {}),
            **({} if time_place else {"--no-time-place": ""}),
            "--seed": str(labels.seed),
        }
        write_report(report, report_of(fit, identifier.pack, options, [*notes, *warnings]))
        click.echo(f"The report is {report}.", err=True)


def _with_projection(
    identifier: Identifier, sets: Sequence[LabelledSet], seed: int, kept: Kept, device: str, threads: int | None
) -> tuple[Identifier, list[str]]:
    """The identifier with the projection, if one is kept, and notes for the report."""
    from reid_edge_calibration.projection.adaptation import adapt_pack, carry_features_over

    adaptation = adapt_pack(identifier, sets, kept.folder, kept.projected, progress, seed)
    notes = list(adaptation.notes)
    if adaptation.kept:
        notes.append(
            "The projection and the calibration were fitted on the same individuals. The projection separates these better than animals "
            "that join later, so the probabilities for newcomers are slightly too high."
        )
    for note in notes:
        click.echo(f"note: {note}", err=True)
    if not adaptation.kept:
        return identifier, notes
    after = Identifier(adaptation.pack, device, threads)
    carry_features_over(identifier, after, sets, kept.folder)
    return after, notes


def _rules(model: TimePlaceModel) -> str:
    speed = [f"at most {model.max_speed:g} km/h between two cameras"] if model.max_speed else []
    weights = (("one camera within a minute", model.burst), ("one camera within ten minutes", model.near))
    return ", ".join([*speed, *(f"{words} {weight:g}" for words, weight in weights if weight)])


def _in_words(fitted: SpeciesFit) -> str:
    entry, band = fitted.entry, fitted.band
    borrowed = "; scores and threshold are those of all species together" if fitted.borrows else ""
    if band.ask_low <= 0 and band.ask_high >= 1:
        return f"{fitted.name}: always asks, because the labels are too few or too hard to meet --max-wrong{borrowed}"
    return (
        f"{fitted.name}: known from {entry.threshold:.3f}, asks from {band.ask_low:.3f} to {band.ask_high:.3f} "
        f"({band.asked:.0%} of photos); wrong without asking: {band.wrong:.1%}, with 95 % confidence at most {band.bound:.1%}{borrowed}"
    )
