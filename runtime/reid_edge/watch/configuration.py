"""The settings of the daemon. Each is declared once, here: the TOML file, the options of the command line and docs/watch.md follow."""

# `_setting` makes a field, so it is no default that instances would share.
# ruff: noqa: RUF009

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from dataclasses import Field, dataclass, field, fields, replace
from pathlib import Path
from typing import Annotated, Any, Literal

from reid_edge.errors import UsageError
from reid_edge.name_time import NameTime
from reid_edge.plain_data import InvalidValue, Range, decode
from reid_edge.storage.address import absolute_place
from reid_edge.threads import MOST_THREADS
from reid_edge.watch.configuration_values import (
    ByteCount,
    FilePath,
    FilledLine,
    Folders,
    GalleryPlace,
    Headers,
    HttpAddress,
    Line,
    NamePattern,
    PackName,
    Seconds,
    Timeout,
    Topic,
    address_or_table,
    seconds,
    url,
)

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib


@dataclass(frozen=True)
class Setting:
    """What the command line and the documentation say of a setting; its type and its default are those of the field.

    Attributes:
        option: on the command line, with its value: `--settle TIME`, `--move/--keep`; empty where only the file has the setting.
        help: what it does.
        unset: what the default means, where the default itself does not say it.
        variable: of the environment, read where the command line does not have the setting.
        live: whether it may change while the daemon runs (`reconfigured`).
    """

    option: str
    help: str
    unset: str = ""
    variable: str | None = None
    live: bool = False


def _setting(default: Any, option: str, help: str, **more: Any) -> Any:
    return field(default=default, metadata={"setting": Setting(option, help, **more)})


@dataclass(frozen=True)
class Webhook:
    """Where messages are posted to. The help of each field says what it is."""

    url: Annotated[str, url("http", "https")] = field(metadata={"setting": Setting("", "The address, http or https.")})
    headers: Headers = field(
        default_factory=dict,
        repr=False,
        metadata={"setting": Setting("", "Headers of every message, such as `Authorization`.", "none")},
    )
    timeout_seconds: Timeout = _setting(20.0, "", "Time limit for connecting, and for each read of the answer.")


@dataclass(frozen=True)
class Mqtt:
    """The broker that messages are published to, with quality of service 1. The help of each field says what it is."""

    url: Annotated[str, url("mqtt", "mqtts")] = field(
        repr=False,
        metadata={"setting": Setting("", "`mqtt://[user:password@]host[:1883]` or `mqtts://[user:password@]host[:8883]`.")},
    )
    topic: Topic = _setting(
        "reid-edge/{camera}/{kind}",
        "",
        "Template of the topic. `{kind}` is photo, event, quarantine or folder; `{sink}` is mqtt.",
    )
    client_id: Line = _setting("", "", "The client id.", unset="derived from this machine and `out`")
    timeout_seconds: Timeout = _setting(30.0, "", "Time limit for connecting, and for each acknowledgement.")
    retain: bool = _setting(False, "", "Whether the broker keeps the last message of each topic.")


@dataclass(frozen=True)
class Configuration:
    """All settings of the daemon, in seconds and bytes. The help of each field says what it is.

    `folders`, `gallery`, `out` and a `pack` that is a path are absolute. A watched folder may be missing and come later.
    """

    folders: Folders = _setting((), "FOLDER...", "The watched folders.", unset="required")
    gallery: GalleryPlace = _setting(
        Path("gallery.sqlite"),
        "--gallery PATH|URL",
        "The catalogue of known individuals: a file, or postgresql://USER@HOST/DATABASE.",
        variable="REID_EDGE_GALLERY",
    )
    out: FilePath = _setting(Path("watch"), "--out PATH", "The daemon's folder OUT, with the ledger and all outputs.")
    pack: PackName = _setting("field", "--pack TEXT", "Name, folder or zip of the model pack.", variable="REID_EDGE_PACK")
    device: FilledLine = _setting(
        "auto",
        "--device auto|cpu|cuda[:N]|tensorrt[:N]|tensorrt-rtx[:N]|openvino",
        "What runs the networks; auto takes the best that passes its self-test.",
    )
    threads: Annotated[int, Range(1, MOST_THREADS)] | None = _setting(
        None, "--threads N", "CPU threads for a network.", unset="the available cores"
    )
    species: Line = _setting(
        "", "--species TEXT", "Compare with this species only, as the gallery spells it.", unset="all species"
    )
    max_speed: Annotated[float, Range(0, 1000)] | None = _setting(
        None,
        "--max-speed KM/H",
        "Speed that the animals do not exceed between two cameras; 0 leaves the distance out of account.",
        unset="as calibrated",
    )
    settle_seconds: Seconds = _setting(2.0, "--settle TIME", "How long a file must be unchanged before it is read.", live=True)
    rescan_seconds: Annotated[float, seconds(0.1)] = _setting(
        30.0, "--rescan TIME", "How often the folders are scanned.", live=True
    )
    recursive: bool = _setting(True, "--recursive/--flat", "Watch sub-folders too, or not.")
    once: bool = _setting(False, "--once", "Answer the photos that are in the folders, then end.")
    enrol_new: Literal["ask", "auto", "never"] = _setting(
        "ask", "--enrol-new ask|auto|never", "New individuals: ask a person, enrol them automatically, or never.", live=True
    )
    move: bool = _setting(False, "--move/--keep", "Move answered photos to OUT/done, or keep them in place.", live=True)
    event_seconds: Seconds = _setting(
        60.0, "--event TIME", "Photos of one camera that are at most this far apart are one event.", live=True
    )
    camera: Literal["folder", "exif"] = _setting(
        "folder", "--camera folder|exif", "What identifies a camera: the first folder below the watched one, or the EXIF data."
    )
    time_from_name: NamePattern = _setting(
        "",
        "--time-from-name PATTERN",
        "Where the time stands in the names of files that note none: IMG_%Y%m%d_%H%M%S.",
        unset="none",
    )
    json_lines: bool = _setting(True, "--json-lines/--no-json-lines", "Write OUT/answers.jsonl.")
    csv: bool = _setting(True, "--csv/--no-csv", "Write OUT/answers.csv.")
    camtrap_dp: bool = _setting(False, "--camtrap-dp", "Write OUT/camtrap-dp, a Camtrap DP 1.0 package.")
    sidecar: bool = _setting(False, "--sidecar", "Write an XMP file with the identity beside each photo.")
    sidecar_dir: FilePath | None = _setting(
        None, "--sidecar-dir PATH", "Write the XMP files below this folder.", unset="beside the photos"
    )
    reports: bool = _setting(
        False, "--reports", "Write a page with the evidence for each event with a new or uncertain animal.", live=True
    )
    megadetector: FilePath | None = _setting(
        None, "--megadetector PATH", "A MegaDetector result file (JSON); its boxes are the animals.", unset="none"
    )
    video_seconds: Annotated[float, seconds(0.01)] | None = _setting(
        None, "--video TIME", "Answer one frame of each video per this time.", unset="videos are ignored"
    )
    webhook: Annotated[Webhook | None, address_or_table(Webhook)] = _setting(
        None, "--webhook URL", "Post every message to this address.", unset="none", live=True
    )
    mqtt: Annotated[Mqtt | None, address_or_table(Mqtt)] = _setting(
        None, "--mqtt URL", "Publish every message to this broker: mqtt://host or mqtts://host.", unset="none", live=True
    )
    http: HttpAddress | None = _setting(
        None, "--http [HOST:]PORT", "Serve /metrics and /healthz at this address; port 0 takes a free port.", unset="none"
    )
    log: Literal["text", "json"] = _setting("text", "--log text|json", "Format of the log on stderr.", live=True)
    keep_bytes: ByteCount = _setting(
        10**9, "", "Largest size of thumbnails and reports together; the oldest are deleted. 0 makes none.", live=True
    )
    backup_every: Seconds = _setting(86400.0, "", "Time between backups of a gallery that is a file. 0 makes none.", live=True)
    backup_keep: Annotated[int, Range(1, 1000)] = _setting(
        7, "", "Backups kept: this many of the newest, and of the hourly, daily and weekly ones.", live=True
    )
    replica_bytes: ByteCount = _setting(
        10**10,
        "",
        "Where the gallery is on a server: largest size of the features kept in OUT/replica.sqlite, from which photos are answered. "
        "0 keeps none, and each answer reads the server.",
    )
    replica_every: Annotated[float, seconds(0.1)] = _setting(5.0, "", "Time between two looks at the server for what changed.")
    disk_reserve_bytes: ByteCount = _setting(
        500 * 10**6, "", "/healthz reports a problem when the disk of `out` has less free space.", live=True
    )
    stuck_seconds: Annotated[float, seconds(1.0)] = _setting(
        300.0, "", "/healthz reports a problem when the loop or a delivery makes no progress for this time.", live=True
    )

    @property
    def name_time(self) -> NameTime | None:
        """The pattern of times in names; None where there is none."""
        return NameTime(self.time_from_name) if self.time_from_name else None

    @property
    def makes_reports(self) -> bool:
        """Whether reports are asked for, and have room."""
        return self.reports and self.keep_bytes > 0


def settings(kind: type[Any] = Configuration) -> Iterator[tuple[Field[Any], Setting]]:
    """The settings of a dataclass in their order: each field, and what is said of it."""
    for each in fields(kind):
        yield each, each.metadata["setting"]


LIVE = frozenset(each.name for each, setting in settings() if setting.live)


def read_configuration(path: Path | None, given: Mapping[str, Any]) -> Configuration:
    """The configuration of a TOML file (its keys are the fields of `Configuration`), with the command line taking precedence.

    Relative paths in the file start at the file's folder, those of the command line at the current folder.

    Args:
        path: the TOML file; None for the command line alone.
        given: what the command line gave, by field, as TOML would: `{"settle_seconds": "2s", "webhook": "https://..."}`. Paths may be
            Path objects.

    Raises:
        UsageError: no such file, not TOML, an unknown key (with the nearest known one), a value that is not allowed, no folder.
    """
    configuration = Configuration()
    if path is not None:
        configuration = _decoded(_toml(path), path.resolve().parent, f"{path}: ")
    command_line = _decoded(given, Path.cwd(), "")
    configuration = replace(configuration, **{key: getattr(command_line, key) for key in given})
    if not configuration.folders:
        raise UsageError("There is no folder to watch.", "Name one: reid-edge watch FOLDER, or `folders = [...]` in the file.")
    return replace(configuration, gallery=absolute_place(configuration.gallery), out=configuration.out.absolute())


def reconfigured(running: Configuration, path: Path | None, given: Mapping[str, Any]) -> tuple[Configuration, list[str]]:
    """Read the configuration again (SIGHUP): the new one, and the keys that keep their values until a restart.

    Raises:
        UsageError: as `read_configuration`; the daemon logs it and keeps its configuration.
    """
    fresh = read_configuration(path, given)
    fixed = [key for key in changed(running, fresh) if key not in LIVE]
    return replace(fresh, **{key: getattr(running, key) for key in fixed}), fixed


def changed(one: Configuration, other: Configuration) -> list[str]:
    """The fields in which two configurations differ."""
    return [each.name for each in fields(Configuration) if getattr(one, each.name) != getattr(other, each.name)]


def _toml(path: Path) -> dict[str, Any]:
    try:
        table: dict[str, Any] = tomllib.loads(path.read_text(encoding="utf-8"))
        return table
    except (OSError, UnicodeDecodeError) as error:
        reason = (error.strerror or str(error)) if isinstance(error, OSError) else "it is not UTF-8"
        raise UsageError(f"The configuration {path} cannot be read: {reason}.", "Name a readable TOML file.") from error
    except tomllib.TOMLDecodeError as error:
        raise UsageError(f"The configuration {path} is not TOML: {error}.", "Correct the line that it names.") from error


def _decoded(table: Mapping[str, Any], folder: Path, where: str) -> Configuration:
    try:
        return decode(Configuration, table, context=folder)
    except InvalidValue as error:
        raise UsageError(f"{where}{error}.", error.hint or "Correct the value.") from None
