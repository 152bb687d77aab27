"""Options that several bench commands share."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from reid_edge.cli.options import DEFAULT_PACK, device_options, pack_option
from reid_edge.cli.progress import progress
from reid_edge.errors import UsageError
from reid_edge.installation import install_command
from reid_edge_calibration.labels.options import Decorator, grouped, species_option

if TYPE_CHECKING:
    from reid_edge.pack import Pack
    from reid_edge_calibration.labels.labelled_set import LabelledSet

PATH = click.Path(path_type=Path)
AT_LEAST_ONE = click.IntRange(1)

fold_option = click.option("--fold", default=None, help="Use the photos of this fold, if metadata.csv has a column fold.")
json_option = click.option("--json", "json_path", type=PATH, help="Write all figures to this file.")
prepare_option = click.option(
    "--prepare", is_flag=True, help="Only make the galleries in the folder --keep. This may run while the machine is busy."
)


def keep_option(what: str, verb: str = "reuse what is there") -> Decorator:
    """``--keep FOLDER``: what it keeps, and what a later run does with it."""
    return click.option("--keep", type=PATH, help=f"Keep {what} in this folder, and {verb}.")


def photos_option(default: int, help_text: str = "Number of queries, taken evenly from all.", least: int = 1) -> Decorator:
    """``--photos N``."""
    return click.option("--photos", type=click.IntRange(least), default=default, show_default=True, help=help_text)


def rounds_option(default: int) -> Decorator:
    """``--rounds N``."""
    return click.option(
        "--rounds", type=AT_LEAST_ONE, default=default, show_default=True, help="How often each photo is answered."
    )


@dataclass(frozen=True)
class Setup:
    """What the commands that time the runtime have in common.

    Attributes:
        keep: folder for galleries and rendered photos; None for a temporary one.
        json_path: file for the figures.
        pack_name, device, threads: as on the command line.
    """

    keep: Path | None
    json_path: Path | None
    pack_name: str = DEFAULT_PACK
    device: str = "auto"
    threads: int | None = None


def setup_options(*, keep: Decorator) -> Decorator:
    """``--keep``, ``--json``, ``--pack``, ``--device`` and ``--threads`` as the parameter `setup`."""
    return grouped("setup", Setup, keep, json_option, pack_option, device_options)


@dataclass(frozen=True)
class SystemOptions:
    """A recipe or a pack, the photos that it answers, and the photos that it is fitted on.

    Attributes:
        metadata: sources of labelled photos.
        recipe: a name or a TOML file; None for `pack_name`.
        pack_name: a name, folder or zip.
        fold, fit_fold: photos that are answered, and photos to fit on.
        species: only these; all where empty.
        weights: folder with weights of networks.
        accept_terms: the user agrees to the terms of the recipe's weights.
        seed: of folds, starts and resamples.
        keep: folder for galleries, score tables and packs.
        json_path: file for the figures.
        device, threads: as on the command line.
    """

    metadata: tuple[Path, ...]
    recipe: str | None
    pack_name: str | None
    fold: str
    fit_fold: str
    species: tuple[str, ...]
    weights: Path | None
    accept_terms: bool
    seed: int
    keep: Path | None
    json_path: Path | None
    device: str
    threads: int | None

    def check(self) -> None:
        """Refuse a call that names both a recipe and a pack, or neither.

        Raises:
            UsageError: it does.
        """
        if bool(self.recipe) == bool(self.pack_name):
            raise UsageError("Name a recipe or a pack.", "Give either --recipe or --pack.")

    def labelled_sets(self) -> tuple[list[LabelledSet], list[LabelledSet]]:
        """The labelled sets to answer, and for each of them the one of the same species to fit on.

        Raises:
            UsageError, StorageError: see `read_labelled_sets`.
        """
        from reid_edge_calibration.labels.labelled_set import of_the_same_species, read_labelled_sets
        from reid_edge_calibration.labels.request import LabelRequest

        sets, others = (
            read_labelled_sets(self.metadata, LabelRequest(fold=fold, species=self.species), progress)
            for fold in (self.fold, self.fit_fold)
        )
        return sets, of_the_same_species(others, sets)

    def open_pack(self, sets: Sequence[LabelledSet], folder: Path, random: bool = False) -> Pack:
        """The pack; that of a recipe is exported first, and its heads are trained on the database photos of these sets.

        Raises:
            UsageError, EngineError, PackError, StorageError: it cannot be opened, exported or trained.
        """
        from reid_edge.pack import find_pack, open_pack
        from reid_edge_benchmarks.parity.packs import exported_pack, with_trained_heads

        if not self.recipe:
            return open_pack(find_pack(str(self.pack_name)), allow_random=random)
        exported = exported_pack(self.recipe, folder, self.weights, self.accept_terms, random)
        return with_trained_heads(exported, self.recipe, sets, folder, progress, self.seed, self.device, self.threads)

    def as_json(self, pack: Pack) -> dict[str, Any]:
        """What the figures are of, as plain data."""
        recipe = Path(self.recipe).stem if self.recipe else pack.manifest.name
        names = {"recipe": recipe, "version": pack.manifest.version, "pack": pack.sha256}
        return {**names, "fold": self.fold, "fit_fold": self.fit_fold, "seed": self.seed}


def system_options(json_required: bool = False) -> Decorator:
    """A recipe or a pack and its photos, as the parameter `system`."""
    seed = click.IntRange(0, 2**31)
    return grouped(
        "system",
        SystemOptions,
        click.argument("metadata", nargs=-1, required=True, type=PATH),
        click.option("--recipe", default=None, help="A recipe by its name, or a TOML file; it is exported first."),
        click.option("--pack", "pack_name", default=None, help="A pack instead of a recipe: a name, folder or zip."),
        click.option("--fold", default="evaluate", show_default=True, help="Answer the photos of this fold."),
        click.option("--fit-fold", default="calibrate", show_default=True, help="Fit on the photos of this fold."),
        species_option,
        click.option("--weights", type=PATH, help="Take weights from this folder instead of the sources of the catalogue."),
        click.option("--accept-terms", is_flag=True, help="You agree to the terms of the recipe's weights."),
        click.option("--seed", type=seed, default=0, show_default=True, help="Seed of folds, starts and resamples."),
        keep_option("galleries, score tables and packs", "continue from them"),
        click.option("--json", "json_path", required=json_required, type=PATH, help="Write all figures to this file."),
        device_options,
    )


@contextmanager
def needs_extra(command: str) -> Iterator[None]:
    """Report a missing library as an error that says what to install."""
    try:
        yield
    except ModuleNotFoundError as error:
        raise UsageError(f"{command} needs {error.name}, which is not installed.", install_command("benchmarks")) from error


def choices_option(name: str, choices: Sequence[str], help_text: str) -> Decorator:
    """An option that takes several of these choices, separated by commas."""

    def split(context: click.Context, parameter: click.Parameter, value: str | None) -> tuple[str, ...]:
        parts = tuple(part.strip() for part in value.split(",")) if value else ()
        for part in parts:
            if part not in choices:
                raise click.BadParameter(f"{part!r} is none of {', '.join(choices)}.")
        return parts

    return click.option(name, callback=split, metavar=",".join(choices), help=help_text)


def numbers_option(*names: str, default: str, help_text: str) -> Decorator:
    """An option that takes whole numbers from 1, separated by commas; the command gets them sorted."""

    def split(context: click.Context, parameter: click.Parameter, value: str) -> tuple[int, ...]:
        try:
            numbers = tuple(sorted({int(part) for part in value.split(",")}))
        except ValueError as error:
            raise click.BadParameter(f"{value!r} is no list of numbers, such as 100,1000.") from error
        if numbers[0] < 1:
            raise click.BadParameter("The numbers are 1 or more.")
        return numbers

    return click.option(*names, callback=split, default=default, show_default=True, help=help_text)
