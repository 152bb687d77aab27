"""XMP side-cars: `photo.jpg.xmp` beside a photo, with who is on it as keywords that every photo manager shows and searches.

XMP Specification Part 1 (ISO 16684-1). Written are `dc:subject` (the individuals, or `new individual`, `empty`, `to check`),
`dwc:Organism` with the `organismID` of the largest known animal (Darwin Core as ExifTool writes it; `individualID` is its old name), and
`reidEdge` properties. What another program wrote is kept: keywords are added to its own, and a side-car that cannot be understood is left
alone. A photo whose folder cannot be written has its side-car below a folder of the daemon's own.
"""

from __future__ import annotations

import io
import logging
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, cast
from xml.etree import ElementTree

from reid_edge.storage.durable import replacing, sync_folder
from reid_edge.storage.errors import file_errors
from reid_edge.watch.ledger.ledger import Ledger, LedgerPhoto, Message, shown

SUFFIX = ".xmp"
_META, _RDF = "adobe:ns:meta/", "http://www.w3.org/1999/02/22-rdf-syntax-ns#"
_DC, _DWC = "http://purl.org/dc/elements/1.1/", "http://rs.tdwg.org/dwc/index.htm"
_OWN = "urn:reid-edge:xmp:1.0#"
_PREFIXES = {"x": _META, "rdf": _RDF, "dc": _DC, "dwc": _DWC, "reidEdge": _OWN}
_MOST_BYTES = 16_000_000
_WRITTEN = f"{{{_OWN}}}keywords"  # which of the keywords are this program's, so that a later answer takes only those back

log = logging.getLogger(__name__)


class Sidecars:
    """The sink ``sidecar``."""

    name = "sidecar"

    def __init__(self, ledger: Ledger, folder: Path, beside: bool = True) -> None:
        """Nothing is written yet.

        Args:
            ledger: tells where the photos are now.
            folder: where side-cars go, by the photos' whole paths, that are not beside them; made when needed.
            beside: write them beside the photos where that can be done.
        """
        self._ledger = ledger
        self._folder = folder
        self._beside = beside

    def deliver(self, messages: Sequence[Message]) -> int:
        """Write the side-cars of photos; a photo that several files carry has one beside each, a video one for all its frames.

        Raises:
            StorageError: the daemon's own folder is full or fails.
        """
        for number, message in enumerate(messages):
            photo = self._ledger.photo(message.body["photo"]["sha256"]) if message.kind == "photo" else None
            try:
                if photo is not None:
                    body = _of_all(dict(message.body), self._ledger.frames_until(photo.id))
                    for path in photo.paths:
                        self._write(Path(os.fsdecode(path)), body)
            except Exception:
                if number:
                    return number
                raise
        return len(messages)

    def close(self) -> None:
        """Nothing is open."""

    def _write(self, photo: Path, body: Mapping[str, Any]) -> None:
        beside = photo.with_name(photo.name + SUFFIX)
        try:
            if self._beside and photo.exists() and not beside.is_symlink():
                write_sidecar(beside, body)
                return
        except UnknownSidecarError as unknown:
            log.warning("%s is left alone: %s", shown(os.fsencode(beside)), unknown)
            return
        except OSError:  # a card that is write-protected, full or gone
            pass
        kept = self._folder.joinpath(*beside.parts[1:])
        with file_errors(self._folder):
            self._make(kept.parent)
            try:
                write_sidecar(kept, body)
            except UnknownSidecarError as unknown:
                log.warning("%s is left alone: %s", shown(os.fsencode(kept)), unknown)

    def _make(self, folder: Path) -> None:
        """A folder with those above it, on the disk."""
        if not folder.is_dir():
            self._make(folder.parent)
            folder.mkdir(exist_ok=True)
            sync_folder(folder.parent)


def _of_all(body: dict[str, Any], frames: Sequence[LedgerPhoto]) -> dict[str, Any]:
    """What a video's side-car says: each individual once, as the frame says that is surest of it, the known ones first."""
    if len(frames) > 1:
        surest: dict[tuple[str, str | None], Mapping[str, Any]] = {}
        animals = (animal for frame in frames for animal in frame.animals)
        for animal in sorted(animals, key=lambda each: (each["verdict"] != "known", -each["probability"])):
            surest.setdefault((animal["verdict"], animal["identity"]), animal)
        body["animals"] = list(surest.values())
        body["verdict"] = body["animals"][0]["verdict"] if surest else "empty"
    return body


class UnknownSidecarError(ValueError):
    """A file that is there and cannot be added to."""


def write_sidecar(path: Path, body: Mapping[str, Any]) -> bool:
    """Write a side-car, or add to the one that is there; returns whether anything changed. In one step: there is the old one or the new.

    Args:
        path: of the side-car.
        body: of a `photo` message.

    Raises:
        UnknownSidecarError: what is there is no XMP. OSError: it cannot be read or written.
    """
    there = _read(path)
    new = merged(there, body)
    if new == there:
        return False
    with replacing(path) as file:
        file.write(new)
    return True


def merged(there: bytes, body: Mapping[str, Any]) -> bytes:
    """An XMP packet with the answer of a `photo` message put into the one that is there, which may be empty.

    Raises:
        UnknownSidecarError: what is there is no XMP.
    """
    root = (
        _parsed(there) if there else ElementTree.fromstring(f'<x:xmpmeta xmlns:x="{_META}"><r:RDF xmlns:r="{_RDF}"/></x:xmpmeta>')
    )
    rdf = root if root.tag == f"{{{_RDF}}}RDF" else root.find(f".//{{{_RDF}}}RDF")
    if rdf is None:
        raise UnknownSidecarError("it holds no RDF")
    own = _own_description(rdf)
    former = {item.text or "" for item in own.iterfind(f"{_WRITTEN}/{{{_RDF}}}Bag/{{{_RDF}}}li")}
    keywords = _keywords(body)
    for child in [child for child in own if child.tag.startswith(f"{{{_OWN}}}")]:
        own.remove(child)
    _put_keywords(rdf, own, former, keywords)
    _put_organism(rdf, own, body, bool(former))
    for name, value in _facts(body).items():
        ElementTree.SubElement(own, f"{{{_OWN}}}{name}").text = value
    _bag(ElementTree.SubElement(own, _WRITTEN), keywords)
    for prefix, address in {**_namespaces(there), **_PREFIXES}.items():
        if prefix and not (prefix.startswith("ns") and prefix[2:].isdigit()):  # ElementTree keeps those for itself
            ElementTree.register_namespace(prefix, address)
    ElementTree.indent(root, " ")
    packet: bytes = ElementTree.tostring(root, "utf-8")
    return b'<?xml version="1.0" encoding="UTF-8"?>\n' + packet + b"\n"


def _read(path: Path) -> bytes:
    try:
        if path.stat().st_size > _MOST_BYTES:
            raise UnknownSidecarError("it is too large for a side-car")
        return path.read_bytes()
    except FileNotFoundError:
        return b""


def _parsed(data: bytes) -> ElementTree.Element:
    # A document type is no part of XMP, and its entities can grow without end.
    if b"<!DOCTYPE" in data or b"<!ENTITY" in data:
        raise UnknownSidecarError("it declares a document type")
    try:
        builder = ElementTree.TreeBuilder(insert_comments=True, insert_pis=True)
        return ElementTree.fromstring(data, ElementTree.XMLParser(target=builder))
    except (ElementTree.ParseError, ValueError, LookupError) as error:
        raise UnknownSidecarError(f"it is no XML ({error})") from None


def _namespaces(data: bytes) -> dict[str, str]:
    """The addresses of a packet by their prefixes."""
    found: dict[str, str] = {}
    for _, declared in ElementTree.iterparse(io.BytesIO(data), ["start-ns"]) if data else ():
        prefix, address = cast(tuple[str, str], declared)
        found[prefix] = address
    return found


def _own_description(rdf: ElementTree.Element) -> ElementTree.Element:
    """The description that holds what this program wrote, made where there is none: others keep theirs as they are."""
    for description in rdf.iterfind(f"{{{_RDF}}}Description"):
        if description.find(_WRITTEN) is not None:
            return description
    return ElementTree.SubElement(rdf, f"{{{_RDF}}}Description", {f"{{{_RDF}}}about": _about(rdf)})


def _about(rdf: ElementTree.Element) -> str:
    """All descriptions of a packet are about the same thing (XMP Part 1, 7.4)."""
    first = rdf.find(f"{{{_RDF}}}Description")
    return "" if first is None else first.get(f"{{{_RDF}}}about", "")


def _put_keywords(rdf: ElementTree.Element, own: ElementTree.Element, former: set[str], keywords: Sequence[str]) -> None:
    subject = rdf.find(f"{{{_RDF}}}Description/{{{_DC}}}subject")
    if subject is None:
        subject = ElementTree.SubElement(own, f"{{{_DC}}}subject")
    there = [item.text or "" for item in subject.iter(f"{{{_RDF}}}li")]
    kept = [word for word in there if word not in former or word in keywords]
    for child in list(subject):
        subject.remove(child)
    _bag(subject, [*kept, *(word for word in keywords if word not in kept)])


def _put_organism(rdf: ElementTree.Element, own: ElementTree.Element, body: Mapping[str, Any], written: bool) -> None:
    mine = own.find(f"{{{_DWC}}}Organism")
    if mine is not None and written:
        own.remove(mine)
    known = next((animal["identity"] for animal in body["animals"] if animal["verdict"] == "known"), None)
    if known is not None and rdf.find(f"{{{_RDF}}}Description/{{{_DWC}}}Organism") is None:
        organism = ElementTree.SubElement(own, f"{{{_DWC}}}Organism", {f"{{{_RDF}}}parseType": "Resource"})
        ElementTree.SubElement(organism, f"{{{_DWC}}}organismID").text = _plain(known)


def _bag(parent: ElementTree.Element, words: Sequence[str]) -> None:
    bag = ElementTree.SubElement(parent, f"{{{_RDF}}}Bag")
    for word in words:
        ElementTree.SubElement(bag, f"{{{_RDF}}}li").text = word


def _keywords(body: Mapping[str, Any]) -> list[str]:
    words = {"new": "new individual", "ask": "to check"}
    found = [_plain(words.get(animal["verdict"]) or animal["identity"]) for animal in body["animals"]] or ["empty"]
    return list(dict.fromkeys(found))


def _facts(body: Mapping[str, Any]) -> dict[str, str]:
    facts = {"sha256": body["photo"]["sha256"], "verdict": body["verdict"]}
    if body["animals"]:
        largest = body["animals"][0]
        facts["probability"] = f"{largest['probability']:.4f}"
        if largest["verdict"] == "ask" and largest["identity"]:
            facts["perhaps"] = _plain(largest["identity"])
    return facts


def _plain(text: str) -> str:
    """Without the characters that XML 1.0 cannot hold."""
    return "".join(
        character for character in text if character in "\t\n" or (character >= " " and character not in "\ufffe\uffff")
    )
