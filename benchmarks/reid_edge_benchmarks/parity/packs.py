"""A recipe as a pack, exported once into the folder that is kept, with its heads trained on the database photos."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from hashlib import sha256
from pathlib import Path

import click

import reid_edge
from reid_edge.gallery import Gallery
from reid_edge.identify.enrolment import enrol
from reid_edge.identify.identifier import Identifier
from reid_edge.pack import Pack, open_pack
from reid_edge.pack.members import MANIFEST
from reid_edge.photo import list_photos
from reid_edge_calibration.labels.labelled_set import LabelledSet
from reid_edge_calibration.progress import Progress
from reid_edge_calibration.scoring import refuse_incomplete
from reid_edge_export.heads.command import HeadRequest, train_into_pack
from reid_edge_export.photos import read_image
from reid_edge_export.recipe_export import RecipeRequest, export_recipe
from reid_edge_export.recipe_file import heads_of, read_recipe_file


def exported_pack(recipe: str, folder: Path, weights: Path | None, accept_terms: bool, random: bool) -> Pack:
    """The pack of a recipe in `folder`, exported where it is not there yet.

    Args:
        recipe: a name or a TOML file.
        folder: that is kept.
        weights, accept_terms, random: see `export_recipe`.

    Raises:
        UsageError, EngineError, PackError, StorageError: see `export_recipe`.
    """
    out = folder / f"pack-{Path(recipe).stem}"
    if not (out / MANIFEST).is_file():
        photos = list_photos(Path(reid_edge.__file__).parent / "samples" / "gallery")
        images = [read_image(photo) for photo in photos]
        say = functools.partial(click.echo, err=True)
        export_recipe(recipe, out, RecipeRequest(images, weights, accept_terms, random=random), say)
    return open_pack(out, allow_random=random)


def with_trained_heads(
    pack: Pack,
    recipe: str,
    sets: Sequence[LabelledSet],
    folder: Path,
    progress: Progress,
    seed: int,
    device: str,
    threads: int | None,
) -> Pack:
    """The pack with the heads that its recipe wants, each trained on the database photos of all sets, as a user's gallery holds them; no
    query is looked at. A head that is there from an earlier run on the same photos is kept.

    Args:
        pack: exported from the recipe.
        recipe: a name or a TOML file.
        sets: of every fold that is asked about or fitted on: a head knows the individuals that it was trained on only.
        folder: keeps the galleries and the pack with its heads.
        seed: of held-out photos and training.
        device, threads: see `Identifier`.

    Raises:
        UsageError: a photo cannot be read, or there are too few to train on.
        PackError, EngineError, GalleryError, StorageError: it cannot go on.
    """
    heads = heads_of(read_recipe_file(recipe))
    what = repr((pack.sha256, seed, [(labelled.species, labelled.database) for labelled in sets]))
    out = folder / f"pack-{Path(recipe).stem}-{sha256(what.encode()).hexdigest()[:12]}"
    if heads and (out / MANIFEST).is_file():
        pack = open_pack(out, allow_random=True)
    # A projection changes vectors, so that a gallery is described anew behind it: these come last.
    for name, head in sorted(heads.items(), key=lambda each: each[1].kind == "projection"):
        if name in pack.manifest.networks:
            continue
        identifier = Identifier(pack, device, threads)
        gallery_path = folder / f"{out.name}-{identifier.feature_key[:12]}.sqlite"
        with Gallery.open_or_create(gallery_path) as gallery:
            for labelled in sets:
                photos = progress(labelled.database, f"Enrolling {labelled.name} for {name}")
                refuse_incomplete(labelled, enrol(gallery, identifier, photos))
        request = HeadRequest(head.kind, name=name, recipe=recipe, seed=seed)
        train_into_pack(gallery_path, str(pack.source), out, request, None, None, functools.partial(click.echo, err=True))
        pack = open_pack(out, allow_random=True)
    return pack
