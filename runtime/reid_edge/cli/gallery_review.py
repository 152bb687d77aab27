"""`reid-edge gallery confirm, reject, not-an-animal, reviews`: what a person says of photos, for people without the page."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from reid_edge.cli.gallery import gallery
from reid_edge.cli.options import animal_option, device_options, gallery_option, pack_option
from reid_edge.cli.printing import print_json, print_table, say
from reid_edge.storage.address import Place

if TYPE_CHECKING:
    from reid_edge.gallery import Review

_PHOTO = click.argument("photo", type=click.Path(path_type=Path, readable=False))
_PERSON = click.option("--person", help="Who decides.  [default: the name that was given first; $REID_EDGE_PERSON]")
_ANIMAL = animal_option("The animal of the photo: 1 is the largest.  [default: 1]")


@gallery.command()
@_PHOTO
@click.argument("name")
@click.option("--new", is_flag=True, help="NAME is a new individual.")
@_ANIMAL
@click.option("--viewpoint", default="", help="The side that the photo shows, such as left.")
@click.option("--place", default="", help="Where the photo was taken, such as the name of the camera.")
@_PERSON
@gallery_option
@pack_option
@device_options
def confirm(
    photo: Path,
    name: str,
    new: bool,
    animal: int | None,
    viewpoint: str,
    place: str,
    person: str | None,
    gallery_path: Place,
    pack_name: str,
    device: str,
    threads: int | None,
) -> None:
    """Say that PHOTO shows the individual NAME, and add its animal to the gallery.

    Every answer about this photo tells it from then on, those of a running daemon as well. To take it back: reid-edge gallery undo.
    """
    from reid_edge.gallery import Gallery, NewReview
    from reid_edge.identify.identifier import Identifier
    from reid_edge.identify.reviewing import ReviewedPhoto, sighting_to_enrol
    from reid_edge.pack import find_pack, open_pack
    from reid_edge.photo import read_photo

    identifier = Identifier(open_pack(find_pack(pack_name)), device, threads)
    with Gallery.open(gallery_path) as opened:
        opened.check_name(name, new)
        if not new:
            opened.individual(name)
        read = read_photo(photo)
        review = NewReview(
            photo_sha256=read.sha256,
            kind="new" if new else "confirmed",
            person=_person(person),
            identity=name,
            animal_index=(animal or 1) - 1,
            photo_name=read.name,
        )
        enrol = sighting_to_enrol(opened, identifier, review, ReviewedPhoto(read, photo, viewpoint=viewpoint, place=place))
        review = replace(review, box=enrol.sighting.box if enrol else None)
        _say(opened.review(review, enrol=enrol))


@gallery.command()
@_PHOTO
@click.argument("name")
@_ANIMAL
@_PERSON
@gallery_option
def reject(photo: Path, name: str, animal: int | None, person: str | None, gallery_path: Place) -> None:
    """Say that PHOTO does not show the individual NAME: later answers do not offer it for this animal.

    Where the gallery has the photo as NAME, it is removed from NAME. To take it back: reid-edge gallery undo.
    """
    _review(photo, "rejected", name, animal, person, gallery_path)


@gallery.command("not-an-animal")
@_PHOTO
@_ANIMAL
@_PERSON
@gallery_option
def not_an_animal(photo: Path, animal: int | None, person: str | None, gallery_path: Place) -> None:
    """Say that what was found in PHOTO is not an animal.

    Where the gallery has it, it is removed. To take it back: reid-edge gallery undo.
    """
    _review(photo, "not_an_animal", None, animal, person, gallery_path)


@gallery.command()
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object per line.")
@gallery_option
def reviews(as_json: bool, gallery_path: Place) -> None:
    """List what people said of photos, oldest first."""
    from dataclasses import asdict

    from reid_edge.gallery import Gallery

    with Gallery.open(gallery_path, writable=False) as opened:
        found = opened.reviews()
    if as_json:
        print_json([asdict(review) for review in found])
        return
    print_table(("photo", "animal", "review", "identity", "person", "when"), [_row(review) for review in found])
    if not found:
        say("Nobody said anything of a photo yet.")


def _review(photo: Path, kind: str, name: str | None, animal: int | None, person: str | None, gallery_path: Place) -> None:
    """Store a review that needs no pack."""
    import hashlib

    from reid_edge.gallery import Gallery, NewReview
    from reid_edge.photo import read_photo_bytes

    sha256 = hashlib.sha256(read_photo_bytes(photo)).hexdigest()
    with Gallery.open(gallery_path) as opened:
        review = NewReview(
            photo_sha256=sha256,
            kind="rejected" if kind == "rejected" else "not_an_animal",
            person=_person(person),
            identity=name,
            animal_index=(animal or 1) - 1,
            photo_name=photo.name,
        )
        _say(opened.review(review))


def _person(given: str | None) -> str:
    """Who decides: as given, as stored, or, on a terminal, asked once and stored."""
    from reid_edge.gallery.person import store_person, stored_person

    if given is not None:
        return given
    stored = stored_person()
    if stored or not sys.stdin.isatty():
        return stored
    return store_person(click.prompt("Your name, which is kept with each decision", err=True))


def _say(review: Review) -> None:
    from reid_edge.gallery.review_records import describe_review

    sentence = describe_review(review)
    say(f"{sentence[0].upper()}{sentence[1:]}. To take it back: reid-edge gallery undo.")


def _row(review: Review) -> tuple[str, ...]:
    photo = review.photo_name or review.photo_sha256[:12]
    return photo, str(review.animal_index + 1), review.kind, review.identity or "", review.person, review.decided_at
