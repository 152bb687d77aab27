"""`reid-edge gallery sync`, `questions`, `index` and `roles`: what a catalogue on a server needs beyond one in a file."""

from __future__ import annotations

import click

from reid_edge.cli.gallery import gallery
from reid_edge.cli.options import GalleryPlace, gallery_option
from reid_edge.cli.printing import count_of, print_json, print_table, printable, say
from reid_edge.storage.address import Place


@gallery.command()
@click.argument("hub", type=GalleryPlace())
@gallery_option
def sync(hub: Place, gallery_path: Place) -> None:
    """Synchronise a station's gallery with the shared one, HUB: an address postgresql://USER@HOST/DATABASE, or a file.

    Decisions, features and thumbnails go both ways; photos stay where they are. It may be stopped at any moment and be repeated. A
    decision that contradicts one that HUB has already is not carried out but becomes a question: reid-edge gallery questions.
    """
    from reid_edge.gallery import Gallery
    from reid_edge.gallery.sync import synchronise

    with Gallery.open(gallery_path) as station, Gallery.open(hub) as shared:
        report = synchronise(station, shared)
    say(
        f"Sent {count_of(report.sent, 'decision')} and the features of {count_of(report.features_sent, 'photo')}; "
        f"received {count_of(report.received, 'decision')} and the features of {count_of(report.features_received, 'photo')}."
    )
    if report.questions:
        say(f"{count_of(report.questions, 'question')} arose: reid-edge gallery questions --gallery {gallery_path}")


@gallery.command()
@click.option(
    "--close", "closed", type=int, multiple=True, metavar="NUMBER", help="Note that this question is answered; may be repeated."
)
@click.option("--json", "as_json", is_flag=True, help="One JSON object per question.")
@gallery_option
def questions(closed: tuple[int, ...], as_json: bool, gallery_path: Place) -> None:
    """List decisions that contradict those of another station, or close the questions that are answered.

    Answer a question on the page Questions of `reid-edge review`, or by the usual commands (rename, merge, split, add), then close it.
    Closing can be undone.
    """
    from dataclasses import asdict

    from reid_edge.gallery import Gallery
    from reid_edge.gallery.sync import close_question, open_questions

    with Gallery.open(gallery_path, writable=bool(closed)) as opened:
        if closed:
            batch = opened.new_batch()
            with opened.transaction():
                for number in closed:
                    close_question(opened, number, batch)
            say(f"Closed {count_of(len(closed), 'question')}.")
            return
        found = open_questions(opened)
    if as_json:
        print_json([{**asdict(question), "sentence": question.sentence} for question in found])
        return
    if not found:
        say("There is no open question.")
        return
    rows = [(str(each.number), each.decided_at, each.station[:8], printable(each.sentence)) for each in found]
    print_table(("number", "decided", "station", "question"), rows)
    say("Decide with the usual commands or on the page of reid-edge review, then: reid-edge gallery questions --close NUMBER")


@gallery.command()
@click.option("--least", type=click.IntRange(1), default=None, help="Index from this many vectors on. [default: 100000]")
@gallery_option
def index(least: int | None, gallery_path: Place) -> None:
    """Make the search index of a large gallery on a server, or bring it up to date. Run it after large additions, such as nightly.

    Without an index, and for vectors that it lacks, each machine compares all vectors in its own copy. Needs the extension vector
    (pgvector) and the owner of the database.
    """
    from reid_edge.gallery import Gallery
    from reid_edge.gallery.server_index import LEAST_VECTORS, update_server_index

    with Gallery.open(gallery_path) as opened:
        done = update_server_index(opened, LEAST_VECTORS if least is None else least, say)
    for each in done:
        outcome = f"indexed, {each.added} of them new" if each.indexed else "too few for an index"
        say(f"{each.name}: {count_of(each.vectors, 'vector')}, {outcome}.")
    if not done:
        say("The gallery has no vectors.")


@gallery.command()
@gallery_option
@click.option("--apply", "applied", is_flag=True, help="Make the roles and grant the rights; needs the owner of the database.")
def roles(applied: bool, gallery_path: Place) -> None:
    """Print the SQL for three roles of a gallery on a server: reader, station and curator.

    A reader identifies. A station also enrols and synchronises. A curator may in addition delete features. Give one to a user with:
    GRANT reid_edge_station TO ana;
    """
    from reid_edge.gallery import Gallery
    from reid_edge.gallery.roles import role_statements

    statements = role_statements(gallery_path)
    if not applied:
        click.echo("\n".join(statements))
        return
    with Gallery.open(gallery_path) as opened, opened.transaction():
        for statement in statements:
            opened.database.execute(statement)
    say("Made the roles reid_edge_reader, reid_edge_station and reid_edge_curator.")
