"""`reid-edge gallery`: the catalogue of known individuals; here the group itself, and the commands that create and show."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from reid_edge.cli.options import gallery_option
from reid_edge.cli.printing import count_of, print_json, print_table, say
from reid_edge.storage.address import Place

if TYPE_CHECKING:
    from reid_edge.gallery import Individual, Sighting


@click.group()
def gallery() -> None:
    """Create, fill, correct, back up and export the catalogue of known individuals."""


@gallery.command()
@gallery_option
def init(gallery_path: Place) -> None:
    """Create an empty gallery."""
    from reid_edge.gallery import Gallery

    Gallery.create(gallery_path).close()
    say(f"Created the gallery {gallery_path}. To fill it: reid-edge gallery add FOLDER --gallery {gallery_path}")


@gallery.command("list")
@gallery_option
@click.option("--species", help="Only individuals of this species.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object per line.")
def list_individuals(gallery_path: Place, species: str | None, as_json: bool) -> None:
    """List the individuals."""
    from dataclasses import asdict

    from reid_edge.gallery import Gallery

    with Gallery.open(gallery_path, writable=False) as opened:
        individuals = opened.individuals(species)
    if as_json:
        print_json([asdict(individual) for individual in individuals])
    else:
        print_table(("name", "species", "sightings", "viewpoints", "last seen"), [_individual_row(one) for one in individuals])
    if species and not individuals:
        say(f"The gallery has no individual of the species {species}.")
    elif not individuals:
        say("The gallery is empty. To fill it: reid-edge gallery add FOLDER.")


@gallery.command()
@click.argument("name")
@gallery_option
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object: the individual and its sightings.")
def show(name: str, gallery_path: Place, as_json: bool) -> None:
    """Show the individual NAME and its sightings, with the numbers that `split` and `remove` take."""
    from dataclasses import asdict

    from reid_edge.gallery import Gallery

    with Gallery.open(gallery_path, writable=False) as opened:
        individual = opened.individual(name)
        sightings = opened.sightings(individual=name)
    if as_json:
        print_json([{**asdict(individual), "sightings": [asdict(sighting) for sighting in sightings]}])
        return
    print_table(
        ("sighting", "photo", "viewpoint", "taken", "place", "encounter", "path"), [_sighting_row(one) for one in sightings]
    )
    species = f", {individual.species}" if individual.species else ""
    say(f"{individual.name}: {count_of(individual.sightings, 'sighting')}{species}.")


def _individual_row(individual: Individual) -> tuple[str, ...]:
    viewpoints = ", ".join(individual.viewpoints)
    return individual.name, individual.species, str(individual.sightings), viewpoints, individual.last_seen


def _sighting_row(seen: Sighting) -> tuple[str, ...]:
    return str(seen.id), seen.photo_name, seen.viewpoint, seen.taken_at, seen.place, seen.encounter, seen.photo_path
