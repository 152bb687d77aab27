"""Write a fitted calibration into a copy of its pack."""

from __future__ import annotations

from pathlib import Path

from reid_edge.decide.calibration import CalibrationModel, read_calibration
from reid_edge.errors import UsageError
from reid_edge.identify.identifier import CALIBRATION
from reid_edge.pack import NewFile, Pack, write_pack
from reid_edge.pack.members import MANIFEST
from reid_edge_calibration.model_file import model_to_json


def refuse_place(out: Path) -> None:
    """Refuse an output folder that no pack can be written to, before the work begins.

    Raises:
        UsageError: it exists and is not a pack.
    """
    if out.exists() and not (out / MANIFEST).is_file() and (not out.is_dir() or any(out.iterdir())):
        raise UsageError(f"{out} already exists and is not a pack.", "Choose a new or empty folder.")


def write_calibrated_pack(pack: Pack, model: CalibrationModel, out: Path) -> Pack:
    """Write the pack with this calibration in place of its own.

    Args:
        pack: any pack; stays as it is.
        model: fitted on this pack's scores.
        out: folder of the new pack; may be the pack's own folder.

    Raises:
        PackError, StorageError: see `reid_edge.pack.write_pack`.
    """
    files = [
        NewFile(file.path, pack.read_bytes(file.path), file.licence, file.origin)
        for file in pack.manifest.files
        if file.path != CALIBRATION
    ]
    origin = f"fitted by reid-edge calibrate on labelled photos of {', '.join(model.species) or 'several species'}"
    text = model_to_json(model)
    read_calibration(text, CALIBRATION)  # what the runtime would refuse is not written
    files.append(NewFile(CALIBRATION, text.encode(), pack.manifest.licence, origin))
    random = bool(pack.manifest.random_networks)  # allowed when it was opened
    return write_pack(out, pack.manifest, files, allow_random=random)
