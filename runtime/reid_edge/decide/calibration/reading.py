"""The calibration file of a pack, read strictly: an unknown key, a missing one or a number that is none refuses the file."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any, NoReturn

from reid_edge.decide.calibration.model import CalibrationModel, ScoreNames
from reid_edge.errors import PackError
from reid_edge.plain_data import InvalidValue, decode, must_be

FORMAT_VERSION = 5
_HINT = "Calibrate the pack again, or fetch it again from where it came."


def read_calibration(text: str | bytes, name: str = "the calibration file") -> CalibrationModel:
    """Parse a calibration file, strictly.

    Args:
        text: the JSON, UTF-8 where bytes.
        name: what errors call it, such as its path in the pack.

    Raises:
        PackError: not JSON, an unknown, missing or repeated key, a wrong type, NaN, or numbers that make no calibration.
    """
    try:
        table = json.loads(text, object_pairs_hook=_unrepeated, parse_constant=_refuse_constant)
        return _model(table)
    except InvalidValue as error:
        raise PackError(f"{name}: {error}.", error.hint or _HINT) from None
    except (ValueError, RecursionError) as error:
        raise PackError(f"{name} is not JSON that can be read.", _HINT) from error


def _model(table: Any) -> CalibrationModel:
    if not isinstance(table, dict):
        raise must_be("a table", table)
    version = table.pop("format_version", None)
    if type(version) is not int or version != FORMAT_VERSION:
        older = type(version) is int and version < FORMAT_VERSION
        hint = "Calibrate the pack again: reid-edge calibrate. Galleries stay as they are." if older else "Update reid-edge."
        raise InvalidValue(f"is {str(version)[:40]}, this program reads {FORMAT_VERSION}", hint, "format_version")
    before = table.pop("before", None)
    model = _by_own_names(table)
    if before is None:
        return model
    try:
        if not isinstance(before, dict) or before.pop("before", None) is not None:
            raise must_be("a calibration without another one in it", before)
        return replace(model, before=_by_own_names(before))
    except InvalidValue as error:
        error.path = f".before{error.path}"
        raise


def _by_own_names(table: dict[str, Any]) -> CalibrationModel:
    names = decode(ScoreNames, {key: value for key, value in table.items() if key == "scores"})
    return decode(CalibrationModel, table, context=names.scores)


def _unrepeated(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    table = dict(pairs)
    if len(table) < len(pairs):
        raise InvalidValue("a key is there twice")
    return table


def _refuse_constant(constant: str) -> NoReturn:
    raise InvalidValue(f"{constant} is not a number")
