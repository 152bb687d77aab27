"""`reid-edge gallery audit`: compare the catalogue with itself, and print what a person should look at."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Sequence
from contextlib import closing
from typing import TYPE_CHECKING, Any, TypeVar

import click

from reid_edge.cli.describing import describe_missing
from reid_edge.cli.gallery import gallery
from reid_edge.cli.options import device_options, gallery_option, pack_option
from reid_edge.cli.printing import count_of, print_json, printable, say
from reid_edge.cli.progress import progress
from reid_edge.errors import UsageError
from reid_edge.storage.address import Place

if TYPE_CHECKING:
    from reid_edge.audit import AuditReport, Finding, PhotoPair
    from reid_edge.gallery import Sighting

F = TypeVar("F", bound=Callable[..., Any])

_COLUMNS = (
    "kind",
    "individuals",
    "probability",
    "score",
    "score_name",
    "photos",
    "sightings",
    "commands",
)
_KINDS = ("may-be-one", "may-be-two", "does-not-fit")


def finding_options(command: F) -> F:
    """``--species``, and which findings are printed in which form."""
    for option in (
        click.option("--csv", "as_csv", is_flag=True, help="One CSV row per finding."),
        click.option("--json", "as_json", is_flag=True, help="One JSON object per finding and line (docs/audit.schema.json)."),
        click.option(
            "--min-probability",
            type=click.FloatRange(0, 1),
            default=0.2,
            show_default=True,
            help="Only findings of this probability or more.",
        ),
        click.option("--top", type=click.IntRange(1, 100_000), default=20, show_default=True, help="Most findings of each kind."),
        click.option("--species", default="", help="Only individuals of this species, as the gallery spells it."),
    ):
        command = option(command)
    return command


@gallery.command(short_help="Find individuals that may be one or two, and photos that do not fit.")
@gallery_option
@pack_option
@device_options
@finding_options
def audit(
    gallery_path: Place,
    pack_name: str,
    device: str,
    threads: int | None,
    species: str,
    top: int,
    min_probability: float,
    as_json: bool,
    as_csv: bool,
) -> None:
    """Compare the catalogue with itself.

    Lists pairs of individuals that may be one, individuals that may be two, and photos that do not fit their individual: each with the
    photos that show it and the commands to type if it is so. No individual is changed. To continue a stopped audit, run the same command
    again.
    """
    if as_json and as_csv:
        raise UsageError("--json and --csv exclude each other.", "Give one of them.")
    from reid_edge.audit import Audit
    from reid_edge.identify.session import Session

    opened = Session.open(gallery_path, pack_name, device, threads)
    with describe_missing(opened, gallery_path, pack_name) as session:
        session.candidates.check_species(species)
        auditor = Audit(session.gallery, session.identifier, species)
        _compare(auditor)
        report = auditor.report(min_probability)
    print_report(report, top, "json" if as_json else "csv" if as_csv else "text")


def print_report(report: AuditReport, top: int, style: str) -> None:
    """Print the strongest findings of each kind as `text`, `json` or `csv`, and a summary on stderr."""
    writers: dict[str, Callable[[AuditReport, Sequence[Finding]], None]] = {
        "json": _print_json,
        "csv": _print_csv,
        "text": _print_text,
    }
    shown = [each for kind in _KINDS for each in [one for one in report.findings if one.kind == kind][:top]]
    writers[style](report, shown)
    _say_summary(report, len(shown))


def _compare(auditor: Any) -> None:
    remaining = auditor.remaining
    if auditor.compared and remaining:
        say(f"Continuing: {count_of(auditor.compared, 'photo')} of {auditor.compared + len(remaining)} were compared before.")
    if not auditor.kept:
        say("note: the cache beside the gallery cannot be written, so a stopped audit has to start again.")
    try:
        with closing(progress(remaining, "Comparing")) as sightings:
            for sighting in sightings:
                auditor.compare(sighting)
    except KeyboardInterrupt:
        if auditor.kept:
            say("Stopped. What was compared is kept; to continue, run the same command again.")
        raise


def _say_summary(report: AuditReport, shown: int) -> None:
    say(
        f"Compared {count_of(report.photos, 'photo')} of {count_of(report.individuals, 'individual')}, {count_of(report.pairs, 'pair')}."
    )
    counts = {kind: sum(each.kind == kind for each in report.findings) for kind in _KINDS}
    one, two, misfits = counts.values()
    say(
        f"Found {count_of(one, 'pair')} of individuals that may be one, {count_of(two, 'individual')} that may be two, "
        f"and {count_of(misfits, 'photo')} that may stand under the wrong name."
    )
    if shown < len(report.findings):
        say(f"The strongest {shown} are printed; --top prints more.")
    if not report.absolute:
        say(f"note: this pack has no verified score, so the audit goes by {report.score}, which is weaker evidence.")
    if not report.calibrated:
        say("note: this pack is not calibrated; probabilities go by what is usual in this catalogue.")
    if report.left_out:
        say(f"note: {count_of(report.left_out, 'sighting')} could not be described with this pack and took no part.")
    if report.findings:
        say("Nothing was changed. Look at the photos first; reid-edge gallery undo reverts a command.")


def _print_text(report: AuditReport, findings: Sequence[Finding]) -> None:
    for finding in findings:
        click.echo(click.style(printable(_headline(finding)), bold=True))
        for pair in finding.pairs:
            click.echo(f"  {_pair_text(pair, report.score)}")
        if finding.against:
            click.echo(f"  {printable(_remark(finding, report))}")
        for command in finding.commands:
            click.echo(f"  $ {printable(command)}")
        click.echo()


def _headline(finding: Finding) -> str:
    first, *others = finding.individuals
    sure = f" ({finding.probability:.0%})"
    if finding.kind == "may-be-one":
        return f"May be one individual: {first} and {others[0]}{sure}"
    if finding.kind == "may-be-two":
        also = f"; some of the photos resemble {' and '.join(others)}" if others else ""
        return f"May be {len(finding.groups)} individuals: {first}{sure}{also}"
    return f"Does not fit: sighting {finding.groups[0][0]} of {first} resembles {others[0]}{sure}"


def _remark(finding: Finding, report: AuditReport) -> str:
    closest = finding.against.score if finding.against else 0.0
    if finding.kind == "may-be-two":
        sizes = " and ".join(str(len(group)) for group in finding.groups)
        return (
            f"Groups of {sizes} photos; the closest photos of two groups have {report.score} {closest:g}. Photos that are in no group "
            "stay."
        )
    return f"The closest photo of {finding.individuals[0]} has {report.score} {closest:g}."


def _pair_text(pair: PhotoPair, score: str) -> str:
    probability = "" if pair.probability != pair.probability else f", {pair.probability:.0%}"
    return f"{_photo_text(pair.first)} and {_photo_text(pair.second)}: {score} {pair.score:g}{probability}"


def _photo_text(sighting: Sighting) -> str:
    return printable(f"{sighting.photo_name or sighting.photo_sha256[:12]} (sighting {sighting.id} of {sighting.identity})")


def _print_json(report: AuditReport, findings: Sequence[Finding]) -> None:
    print_json([_finding_json(report, finding) for finding in findings])


def _finding_json(report: AuditReport, finding: Finding) -> dict[str, Any]:
    return {
        "schema": "reid-edge/audit/1",
        "kind": finding.kind,
        "individuals": list(finding.individuals),
        "probability": finding.probability,
        "calibrated": report.calibrated,
        "score_name": report.score,
        "score_is_absolute": report.absolute,
        "pairs": [_pair_json(pair) for pair in finding.pairs],
        "against": _pair_json(finding.against) if finding.against else None,
        "groups": [list(group) for group in finding.groups],
        "commands": list(finding.commands),
    }


def _pair_json(pair: PhotoPair) -> dict[str, Any]:
    photos = [
        {"sighting": each.id, "individual": each.identity, "photo": each.photo_name, "path": each.photo_path}
        for each in (pair.first, pair.second)
    ]
    return {"photos": photos, "score": pair.score, "probability": _known(pair.probability)}


def _known(probability: float) -> float | None:
    return None if probability != probability else probability


def _print_csv(report: AuditReport, findings: Sequence[Finding]) -> None:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(_COLUMNS)
    for finding in findings:
        strongest = finding.pairs[0]
        photos = strongest.first, strongest.second
        writer.writerow(
            (
                finding.kind,
                " | ".join(finding.individuals),
                f"{finding.probability:.4f}",
                f"{strongest.score:g}",
                report.score,
                " | ".join(each.photo_name for each in photos),
                " | ".join(str(each.id) for each in photos),
                " && ".join(finding.commands),
            )
        )
    click.echo(text.getvalue(), nl=False)
