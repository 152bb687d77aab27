"""A recipe as a pack, exported once into the folder that is kept."""

from __future__ import annotations

import functools
from pathlib import Path

import click

import reid_edge
from reid_edge.pack import Pack, open_pack
from reid_edge.pack.members import MANIFEST
from reid_edge.photo import list_photos
from reid_edge_export.photos import read_image
from reid_edge_export.recipe_export import export_recipe


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
        export_recipe(recipe, out, images, say, weights=weights, accept_terms=accept_terms, random=random)
    return open_pack(out, allow_random=random)
