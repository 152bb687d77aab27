"""``python -m reid_edge_benchmarks.sample_animals OUT``: write the sample set into a folder."""

from __future__ import annotations

from pathlib import Path

import click

from reid_edge_benchmarks.sample_animals.catalogue import SAMPLE_PHOTOS, write_sample_set


@click.command()
@click.argument("out", type=click.Path(path_type=Path, file_okay=False))
def main(out: Path) -> None:
    """Render the sample gallery and the sample photos into the folder OUT, with their metadata.csv."""
    try:
        write_sample_set(out)
    except OSError as error:
        raise click.ClickException(f"the sample set could not be written to {out}: {error.strerror}") from error
    click.echo(f"{len(SAMPLE_PHOTOS)} photos and metadata.csv written to {out}")


if __name__ == "__main__":
    main()
