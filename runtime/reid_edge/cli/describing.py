"""Describe the photos of a gallery that a pack has not described yet, before a command compares with them."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING

import click

from reid_edge.cli.printing import printable
from reid_edge.cli.progress import progress
from reid_edge.errors import StorageError
from reid_edge.storage.address import Place

if TYPE_CHECKING:
    from reid_edge.identify.session import Session

_SHOWN = 20


def describe_missing(session: Session, gallery_path: Place, pack_name: str) -> Session:
    """The session, or, where photos had to be described first, another one that knows them."""
    from reid_edge.gallery import Gallery
    from reid_edge.identify.describing_again import describe_again
    from reid_edge.identify.session import Session

    missing = session.gallery.sightings_without(session.identifier.feature_key)
    if not missing:
        return session
    session.gallery.close()
    click.echo(f"The pack {pack_name} has not described {len(missing)} photos of the gallery yet; describing them now.", err=True)
    try:
        with Gallery.open(gallery_path) as writable, closing(progress(missing, "Describing")) as sightings:
            left_out = describe_again(writable, session.identifier, sightings)
    except StorageError as error:
        click.echo(f"note: they are left out, because the gallery cannot be written. {error.message}", err=True)
        left_out = []
    for sighting, reason in left_out[:_SHOWN]:
        click.echo(printable(f"note: left out {sighting.photo_name} of {sighting.identity}: {reason}"), err=True)
    if len(left_out) > _SHOWN:
        click.echo(f"... and {len(left_out) - _SHOWN} more.", err=True)
    return Session(Gallery.open(gallery_path, writable=False), session.identifier)
