"""What the compared pairs say of a catalogue: individuals that may be one, individuals that may be two, photos that do not fit."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from reid_edge.audit.commands import free_name, merge_command, split_command
from reid_edge.audit.groups import groups_that_agree
from reid_edge.audit.margins import Margins, halves
from reid_edge.audit.pairs import PairTable, PhotoPair
from reid_edge.audit.probability import DOUBLE_SHARE, MISFIT_SHARE, MarginOdds, posterior
from reid_edge.gallery import Sighting
from reid_edge.storage.address import Place

Kind = Literal["may-be-one", "may-be-two", "does-not-fit"]

SHOWN_PAIRS = 3
LIKELY = 0.5


@dataclass(frozen=True)
class Finding:
    """Something of the catalogue that a person should look at.

    Attributes:
        kind: ``may-be-one``: two individuals that may be one. ``may-be-two``: an individual whose photos fall into groups that do not match
            each other. ``does-not-fit``: a photo that does not match its own individual, and another one does.
        individuals: of ``may-be-one`` the one that keeps its name, and the other; of ``may-be-two`` the individual, and those that the
            photos to be split off resemble; of ``does-not-fit`` the individual, and the one that the photo resembles.
        probability: that it is so, by the evidence of the photos alone.
        pairs: the photos that show it, strongest pair first.
        against: the strongest pair across the groups, or of the photo and its own individual; None where there is none.
        groups: of ``may-be-two`` the groups, of ``does-not-fit`` the photo; sighting ids.
        commands: what to type if it is so, in this order.
    """

    kind: Kind
    individuals: tuple[str, ...]
    probability: float
    pairs: tuple[PhotoPair, ...]
    against: PhotoPair | None
    groups: tuple[tuple[int, ...], ...]
    commands: tuple[str, ...]


class Findings:
    """Reads a table of pairs."""

    def __init__(self, table: PairTable, margins: Margins, gallery: Place) -> None:
        """Learn what is usual in this catalogue.

        Args:
            table: the pairs.
            margins: of the same pairs.
            gallery: its path, for the commands.
        """
        self._table = table
        self._margins = margins
        self._gallery = gallery
        names = table.photos
        self._others = max(1, len(names) - 1)
        of_halves = [margins.between(*halves(photos)) for photos in names.values()]
        self._of_two = {pair: margins.between(names[pair[0]], names[pair[1]]) for pair in sorted(table.names)}
        self._odds = MarginOdds(_known(of_halves), _known(list(self._of_two.values())))
        of_own = [self._of_own(photo) for photos in names.values() for photo in photos]
        of_other = [
            margins.of_photo(photo, names[other], (name, other))
            for one in sorted(table.names)
            for name, other in (one, one[::-1])
            for photo in names[name]
            if table.between([photo], names[other])
        ]
        self._photo_odds = MarginOdds(_known(of_own), _known(of_other))

    def all(self, least: float) -> list[Finding]:
        """Every finding of this probability or more, strongest first."""
        names = self._table.photos
        two = [each for name in names if (each := self._may_be_two(name))]
        misfits = [each for photos in names.values() for photo in photos if (each := self._does_not_fit(photo))]
        likely = [each for each in misfits if each.probability >= LIKELY]
        one = [each for pair in self._of_two if (each := self._may_be_one(pair, likely))]
        kept = [each for each in (*two, *misfits, *one) if each.probability >= least]
        kept.sort(key=lambda each: (-each.probability, -each.pairs[0].score, each.individuals))
        return [each for number, each in enumerate(kept) if not any(_says_enough(other, each) for other in kept[:number])]

    def _of_own(self, photo: Sighting) -> float | None:
        """The margin of a photo with its individual's photos of other occasions."""
        half = halves(self._table.photos[photo.identity])
        opposite = half[1] if photo in half[0] else half[0]
        return self._margins.of_photo(photo, opposite, [photo.identity]) if self._table.between([photo], opposite) else None

    def _may_be_one(self, names: tuple[str, str], misfits: Sequence[Finding]) -> Finding | None:
        """Two individuals, without a photo that stands under the wrong one of the two; where most photos of one do, they are a double."""
        if names in self._table.together:
            return None
        astray = {each.groups[0][0] for each in misfits if set(each.individuals) == set(names)}
        merged, keep = sorted(names, key=lambda name: len(self._table.photos[name]))
        sides = []
        for name in (keep, merged):
            photos = self._table.photos[name]
            fitting = [photo for photo in photos if photo.id not in astray]
            sides.append(fitting if 2 * len(fitting) >= len(photos) else photos)
        pairs = self._table.between(*sides)
        if not pairs:
            return None
        margin, sure = self._margins.between(*sides), pairs[0].probability
        if margin is not None:
            sure = _bounded(posterior(DOUBLE_SHARE / self._others, self._odds.log_odds(margin)), sure)
        if math.isnan(sure):
            return None
        command = merge_command(merged, keep, self._gallery)
        return Finding("may-be-one", (keep, merged), sure, tuple(pairs[:SHOWN_PAIRS]), None, (), (command,))

    def _may_be_two(self, name: str) -> Finding | None:
        """The largest group of photos, and the others that were compared with it and are no single photos."""
        photos = self._table.photos[name]
        first, *others = [group for group in groups_that_agree(photos, self._table, self._margins) if len(group) > 1] or [[]]
        apart = [
            (group, sure)
            for group in others
            if (margin := self._margins.between(first, group)) is not None
            and (sure := posterior(DOUBLE_SHARE, self._odds.log_odds_against(margin))) >= DOUBLE_SHARE
        ]
        if not apart:
            return None
        probability = max(sure for _, sure in apart)
        groups = [first, *(group for group, sure in apart if sure >= probability / 2)]
        resembled = [self._resembled(group) for group in groups[1:]]
        commands, taken = [], set(self._table.photos)
        for group, other in zip(groups[1:], resembled, strict=True):
            spare = free_name(name, taken)
            taken.add(spare)
            commands.append(split_command(group, spare, self._gallery))
            if other:
                commands.append(merge_command(spare, other, self._gallery))
        across = [
            pair for number, group in enumerate(groups) for pair in self._table.between(group, _joined(groups[number + 1 :]))
        ]
        return Finding(
            "may-be-two",
            (name, *dict.fromkeys(filter(None, resembled))),
            probability,
            tuple(self._closest_within(group) for group in groups),
            max(across, key=lambda pair: pair.score, default=None),
            tuple(tuple(photo.id for photo in group) for group in groups),
            tuple(commands),
        )

    def _closest_within(self, group: Sequence[Sighting]) -> PhotoPair:
        ids = {photo.id for photo in group}
        pairs = [pair for photo in group for pair in self._table.of_photo[photo.id] if pair.of(photo).id in ids]
        return max(pairs, key=lambda pair: pair.score)

    def _resembled(self, group: Sequence[Sighting]) -> str | None:
        """The other individual that a group of photos probably shows, if any."""
        name = group[0].identity
        margins = {
            other: margin
            for other, photos in self._table.photos.items()
            if other != name and (margin := self._margins.between(group, photos)) is not None
        }
        other = max(margins, key=lambda each: margins[each], default=None)
        if other is None or posterior(DOUBLE_SHARE / self._others, self._odds.log_odds(margins[other])) < 0.5:
            return None
        return other

    def _does_not_fit(self, photo: Sighting) -> Finding | None:
        """Of one that was compared with others of its individual; else there is nothing that it does not fit."""
        name, pairs = photo.identity, self._table.of_photo[photo.id]
        own_photos = [each for each in self._table.photos[name] if each.id != photo.id]
        with_own = self._table.between([photo], own_photos)
        closest = max((pair for pair in pairs if pair.of(photo).identity != name), key=lambda pair: pair.score, default=None)
        if not with_own or closest is None or with_own[0].score >= closest.score:
            return None
        other = closest.of(photo).identity
        if tuple(sorted((name, other))) in self._table.together:
            return None
        margins = [self._margins.of_photo(photo, each, (name, other)) for each in (self._table.photos[other], own_photos)]
        sure = min(closest.probability, 1 - with_own[0].probability)
        if margins[0] is not None and margins[1] is not None:
            log_odds = self._photo_odds.log_odds(margins[0]) + self._photo_odds.log_odds_against(margins[1])
            sure = _bounded(posterior(MISFIT_SHARE / self._others, log_odds), closest.probability)
        if math.isnan(sure):
            return None
        spare = free_name(name, self._table.photos)
        commands = split_command([photo], spare, self._gallery), merge_command(spare, other, self._gallery)
        shown = self._table.between([photo], self._table.photos[other])[:SHOWN_PAIRS]
        return Finding("does-not-fit", (name, other), sure, tuple(shown), with_own[0], ((photo.id,),), commands)


def _says_enough(surer: Finding, other: Finding) -> bool:
    """Whether a finding is another view of a surer one: a misfit of a double, a photo of a mixture, a double of a part of one, or a photo
    that resembles another individual because of a misfit there.
    """
    if surer.kind == "may-be-two":
        photos = {sighting for group in surer.groups for sighting in group}
        of_its_photos = other.kind == "does-not-fit" and other.groups[0][0] in photos
        return of_its_photos or (other.kind == "may-be-one" and set(surer.individuals) >= set(other.individuals))
    same = set(surer.individuals) == set(other.individuals)
    if surer.kind == other.kind == "does-not-fit":
        return same and surer.groups[0][0] in {other.pairs[0].first.id, other.pairs[0].second.id}
    return same and {surer.kind, other.kind} == {"may-be-one", "does-not-fit"}


def _bounded(probability: float, calibrated: float) -> float:
    """The smaller one; the calibrated one is NaN, and no bound, where the pack is not calibrated."""
    return probability if math.isnan(calibrated) else min(probability, calibrated)


def _joined(groups: Sequence[Sequence[Sighting]]) -> list[Sighting]:
    return [photo for group in groups for photo in group]


def _known(margins: Sequence[float | None]) -> list[float]:
    return [margin for margin in margins if margin is not None]
