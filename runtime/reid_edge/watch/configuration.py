"""What the daemon is told: a TOML file, the command line over it, checked in every key, and what of it may change while it runs."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any

from reid_edge.errors import UsageError
from reid_edge.suggestions import nearest
from reid_edge.threads import MOST_THREADS
from reid_edge.watch.configuration_values import (
    Reader,
    UnfitError,
    choice,
    optional,
    read_address,
    read_bytes,
    read_filled,
    read_headers,
    read_pack,
    read_place,
    read_places,
    read_text,
    read_topic,
    read_truth,
    seconds,
    table,
    url,
    whole,
)

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

DEFAULT_TOPIC = "reid-edge/{camera}/{kind}"

_LIVE = {"live": True}


@dataclass(frozen=True)
class Webhook:
    """Where messages are posted to.

    Attributes:
        url: http or https, as the user gave it.
        headers: sent with every message, `Authorization` for instance; never shown.
        timeout_seconds: for connecting, and for every read of the answer.
    """

    url: str
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    timeout_seconds: float = 20.0


@dataclass(frozen=True)
class Mqtt:
    """The broker that messages are published to, with quality of service 1.

    Attributes:
        url: `mqtt://[user:password@]host[:1883]` or `mqtts://[user:password@]host[:8883]`; never shown whole.
        topic: a template with `{camera}`, `{kind}` (photo, event, quarantine, folder) and `{sink}`.
        client_id: empty: the name of this machine and the ledger's place, so that it stays the same after a restart.
        timeout_seconds: how long an acknowledgement is waited for.
        retain: whether the broker keeps the last message of each topic.
    """

    url: str = field(repr=False)
    topic: str = DEFAULT_TOPIC
    client_id: str = ""
    timeout_seconds: float = 30.0
    retain: bool = False


@dataclass(frozen=True)
class Configuration:
    """Everything the daemon is told. A field with `live` in its metadata may change while the daemon runs (`reconfigured`).

    Attributes:
        folders: the watched roots, absolute; one may be absent now and come later.
        gallery, out, pack, device, threads, species: as everywhere on the command line; `gallery` and `out` are absolute, `pack` is a
            name or an absolute path.
        settle_seconds: how long size and time of a file must have been still before it is read.
        rescan_seconds: how often the folders are walked.
        recursive: walk sub-folders.
        once: end when everything that is there has been answered.
        enrol_new: what becomes of a new individual: `ask` a person, `auto` enrols it, `never`.
        move: move an answered photo to `out/done`; otherwise it stays.
        event_seconds: photos of one camera that are at most this far apart are one event.
        camera: what a camera is: `folder` (the first folder below the root, else the root's name) or `exif` (make, model, serial number).
        json_lines, csv, camtrap_dp, sidecar: the outputs that are written.
        sidecar_dir: side-cars go below this folder, by the photos' whole paths, and none beside the photos.
        reports: write a page with the evidence for each event that has an animal that is new or uncertain.
        megadetector: a MegaDetector JSON file whose boxes are used.
        video_seconds: a frame every so many seconds of a video; None leaves videos alone.
        webhook, mqtt: where messages are delivered to.
        http: `host:port` of the metrics and the health, port 0 for any free one; None for none.
        log: `text` or `json`, on stderr.
        keep_bytes: how large thumbnails and reports may grow together before the oldest go; 0 makes none.
        backup_every: seconds between backups of the gallery; 0 makes none.
        backup_keep: backups kept in each ring.
        disk_reserve_bytes: with less free space than this on the disk of `out` the daemon is not healthy.
        stuck_seconds: a delivery or a loop that has not come on for so long is not healthy.
    """

    folders: tuple[Path, ...]
    gallery: Path = Path("gallery.sqlite")
    out: Path = Path("watch")
    pack: str = "field"
    device: str = "auto"
    threads: int | None = None
    species: str = ""
    settle_seconds: float = field(default=2.0, metadata=_LIVE)
    rescan_seconds: float = field(default=30.0, metadata=_LIVE)
    recursive: bool = True
    once: bool = False
    enrol_new: str = field(default="ask", metadata=_LIVE)
    move: bool = field(default=False, metadata=_LIVE)
    event_seconds: float = field(default=60.0, metadata=_LIVE)
    camera: str = "folder"
    json_lines: bool = True
    csv: bool = True
    camtrap_dp: bool = False
    sidecar: bool = False
    sidecar_dir: Path | None = None
    reports: bool = field(default=False, metadata=_LIVE)
    megadetector: Path | None = None
    video_seconds: float | None = None
    webhook: Webhook | None = field(default=None, metadata=_LIVE)
    mqtt: Mqtt | None = field(default=None, metadata=_LIVE)
    http: str | None = None
    log: str = field(default="text", metadata=_LIVE)
    keep_bytes: int = field(default=10**9, metadata=_LIVE)
    backup_every: float = field(default=86400.0, metadata=_LIVE)
    backup_keep: int = field(default=7, metadata=_LIVE)
    disk_reserve_bytes: int = field(default=500 * 10**6, metadata=_LIVE)
    stuck_seconds: float = field(default=300.0, metadata=_LIVE)


def read_configuration(path: Path | None, given: Mapping[str, Any]) -> Configuration:
    """The configuration of a TOML file (its keys are the fields of `Configuration`) with the command line over it.

    Relative paths in the file start at the file's folder, those of the command line at the current one.

    Args:
        path: the TOML file; None for the command line alone.
        given: what the command line gave, by field; only what was really given, because it wins over the file. Values as in TOML, so
            `{"settle_seconds": "2s", "webhook": "https://..."}` is enough; a Path or a sequence of them is one, too.

    Raises:
        UsageError: no such file, no TOML, an unknown key (with the nearest known one), a value that cannot be, no folder.
    """
    values: dict[str, Any] = {}
    if path is not None:
        values = _values(_toml(path), path.resolve().parent, f" in {path}")
    values.update(_values(given, Path.cwd(), ""))
    if not values.get("folders"):
        raise UsageError("No folder to watch was named.", "Name one: reid-edge watch FOLDER, or `folders = [...]` in the file.")
    configuration = Configuration(**values)
    return replace(
        configuration, gallery=read_place(configuration.gallery, Path.cwd()), out=read_place(configuration.out, Path.cwd())
    )


def reconfigured(running: Configuration, path: Path | None, given: Mapping[str, Any]) -> tuple[Configuration, list[str]]:
    """The configuration to go on with after the file was read again (SIGHUP), and the keys that stay as they were until a restart.

    Raises:
        UsageError: as `read_configuration`; the daemon says so and goes on as it was.
    """
    fresh = read_configuration(path, given)
    fixed = [key for key in changed(running, fresh) if key not in LIVE]
    return replace(fresh, **{key: getattr(running, key) for key in fixed}), fixed


def changed(one: Configuration, other: Configuration) -> list[str]:
    """The fields in which two configurations differ."""
    return [each.name for each in fields(Configuration) if getattr(one, each.name) != getattr(other, each.name)]


LIVE = frozenset(each.name for each in fields(Configuration) if each.metadata.get("live"))


def _toml(path: Path) -> dict[str, Any]:
    try:
        values: dict[str, Any] = tomllib.loads(path.read_text(encoding="utf-8"))
        return values
    except (OSError, UnicodeDecodeError) as error:
        reason = (error.strerror or str(error)) if isinstance(error, OSError) else "it is not UTF-8"
        raise UsageError(f"The configuration {path} cannot be read: {reason}.", "Name a TOML file that may be read.") from error
    except tomllib.TOMLDecodeError as error:
        raise UsageError(f"The configuration {path} is not TOML: {error}.", "Correct the line that it names.") from error


def _values(raw: Mapping[str, Any], base: Path, where: str) -> dict[str, Any]:
    """Every key checked and made the field's type; an error names the key and where it stands."""
    values = {}
    for key, value in raw.items():
        if key not in _READERS:
            raise UsageError(f"{key!r}{where} is an unknown key; {nearest(key, _READERS)}.", "Correct or remove the key.")
        try:
            values[key] = _READERS[key](value, base)
        except UnfitError as error:
            raise UsageError(f"{key}{error.inner} = {error.shown}{where} must be {error.wanted}.", "Correct the value.") from None
    return values


_READERS: dict[str, Reader] = {
    "folders": read_places,
    "gallery": read_place,
    "out": read_place,
    "pack": read_pack,
    "device": read_filled,
    "threads": optional(whole(1, MOST_THREADS)),
    "species": read_text,
    "settle_seconds": seconds(0.0),
    "rescan_seconds": seconds(0.1),
    "recursive": read_truth,
    "once": read_truth,
    "enrol_new": choice("ask", "auto", "never"),
    "move": read_truth,
    "event_seconds": seconds(0.0),
    "camera": choice("folder", "exif"),
    "json_lines": read_truth,
    "csv": read_truth,
    "camtrap_dp": read_truth,
    "sidecar": read_truth,
    "sidecar_dir": optional(read_place),
    "reports": read_truth,
    "megadetector": optional(read_place),
    "video_seconds": optional(seconds(0.01)),
    "webhook": optional(table(Webhook, url=url("http", "https"), headers=read_headers, timeout_seconds=seconds(0.1, 3600.0))),
    "mqtt": optional(
        table(
            Mqtt,
            url=url("mqtt", "mqtts"),
            topic=read_topic,
            client_id=read_text,
            timeout_seconds=seconds(0.1, 3600.0),
            retain=read_truth,
        )
    ),
    "http": optional(read_address),
    "log": choice("text", "json"),
    "keep_bytes": read_bytes,
    "backup_every": seconds(0.0),
    "backup_keep": whole(1, 1000),
    "disk_reserve_bytes": read_bytes,
    "stuck_seconds": seconds(1.0),
}
