"""`reid-edge gallery pairs`: score the photos of a gallery against each other, for packs that re-rank by a fusion."""

from __future__ import annotations

from pathlib import Path

from reid_edge.cli.describing import describe_missing
from reid_edge.cli.gallery import gallery
from reid_edge.cli.options import device_options, gallery_option, pack_option, random_option
from reid_edge.cli.printing import count_of, say
from reid_edge.cli.progress import progress


@gallery.command(short_help="Score the gallery's photos against each other, where the pack needs it.")
@gallery_option
@pack_option
@random_option
@device_options
def pairs(gallery_path: Path, pack_name: str, allow_random: bool, device: str, threads: int | None) -> None:
    """Score the photos of a gallery against each other.

    Only packs that re-rank by a fusion need it ([[recipe.rerank]] with the key fusion). It takes as long as identifying every photo of the
    gallery. Photos that were scored before are skipped: to continue a stopped run, or after adding photos, run the same command again.
    """
    from reid_edge.compare.gallery_pairs import pair_score_count, score_gallery_pairs
    from reid_edge.gallery.pair_scores import PairScoreFile
    from reid_edge.identify.session import Session

    opened = Session.open(gallery_path, pack_name, device, threads, allow_random)
    with describe_missing(opened, gallery_path, pack_name) as session:
        identifier = session.identifier
        if not any(stage.fusion for stage in identifier.recipe.rerank):
            say(f"The pack {identifier.pack.manifest.name} does not re-rank by a fusion: there is nothing to score.")
            return
        file = PairScoreFile(gallery_path, identifier.pair_key, pair_score_count(identifier.recipe))
        scored = score_gallery_pairs(identifier.recipe, identifier.networks, session.candidates, file, progress)
    say(f"Scored {count_of(scored, 'photo')} against their shortlists; the scores are in {file.path}.")
