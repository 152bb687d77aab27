"""What `reid-edge discover` groups: photos and videos, those of a watch's animals that wait for a person, those of a gallery's."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from reid_edge.cli.identify import photo_files
from reid_edge.cli.printing import count_of, say
from reid_edge.errors import UsageError


def files_to_group(source: Sequence[Path], watched: Path | None, gallery: Path | None) -> list[Path]:
    """All files, each once.

    Args:
        source: files and folders; the output folder of a watch stands for the animals that wait there.
        watched: such a folder.
        gallery: the catalogue; where nothing else is given, the animals that people looked at and did not decide are grouped.

    Raises:
        UsageError: there is nothing to group.
        GalleryError: the catalogue or the ledger of a watch cannot be read.
    """
    from reid_edge.watch.ledger.ledger import LEDGER_NAME

    gallery = gallery if gallery is not None and gallery.exists() else None
    watches = [each for each in source if (each / LEDGER_NAME).is_file()]
    folders = [*watches, *([watched] if watched else [])]
    files = photo_files(tuple(each for each in source if each not in watches), with_videos=True)
    files += [file for folder in folders for file in _waiting(folder, gallery)]
    if files:
        return list(dict.fromkeys(files))
    if folders:
        raise UsageError(f"No animal of {', '.join(map(str, folders))} waits for a person.", "Name photos or folders.")
    if gallery is None:
        raise UsageError(
            "There are no photos to group.", "Name photos, videos or folders, or a gallery whose open questions to group."
        )
    files = _undecided(gallery)
    if not files:
        raise UsageError(f"{gallery} has no animal that a person looked at and did not decide.", "Name photos or folders.")
    return files


def _waiting(watched: Path, gallery: Path | None) -> Iterator[Path]:
    """The photos and videos of a watch's animals that wait for a person."""
    from reid_edge.watch.ledger.ledger import LEDGER_NAME, Ledger
    from reid_edge.watch.listing import listed_events

    with Ledger.read(watched / LEDGER_NAME) as ledger:
        for event in listed_events(ledger, True, gallery):
            for animal in event["animals"]:
                yield from map(Path, animal["files"])


def _undecided(path: Path) -> list[Path]:
    """The photos of animals that a person skipped, or only said of whom they do not show."""
    from reid_edge.gallery import Gallery

    with Gallery.open(path, writable=False) as gallery:
        reviews = gallery.reviews()
        decided = {(each.photo_sha256, each.animal_index) for each in reviews if each.is_final}
        open_animals = [each for each in reviews if (each.photo_sha256, each.animal_index) not in decided]
        photos = dict.fromkeys(
            each.photo_sha256 for each in open_animals if gallery.has_photo(each.photo_sha256, each.animal_index) is None
        )
        paths = [Path(found) for each in photos if (found := gallery.photo_path(each))]
    if len(paths) < len(photos):
        missing = count_of(len(photos) - len(paths), "photo")
        say(
            f"note: the gallery does not know where {missing} of undecided animals lie; name their folder, or the output of the watch."
        )
    return paths
