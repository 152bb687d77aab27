"""XMP side-cars: `photo.jpg.xmp` beside a photo, with the individuals as keywords that photo managers show and search.

XMP Specification Part 1 (ISO 16684-1). The file has `dc:subject` (the individuals, or `new individual`, `empty`, `to check`),
`dwc:Organism` with the `organismID` of the largest known animal (Darwin Core as ExifTool writes it; `individualID` is its old name), and
`reidEdge` properties. The data of other programs is kept: keywords are added to theirs, and a file that is not XMP is not touched. When the
folder of a photo is not writable, its side-car is written below the daemon's own folder.
"""

from __future__ import annotations

import io
import logging
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, cast
from xml.etree import ElementTree
from xml.parsers import expat

from reid_edge.decide.facts import ReviewFacts
from reid_edge.decide.wording import wording_of_json
from reid_edge.storage.durable import make_folder, replacing
from reid_edge.storage.errors import file_errors
from reid_edge.watch.ledger.answers import is_no_animal
from reid_edge.watch.ledger.ledger import Ledger, LedgerPhoto, Message, shown

SUFFIX = ".xmp"
_META, _RDF = "adobe:ns:meta/", "http://www.w3.org/1999/02/22-rdf-syntax-ns#"
_DC, _DWC = "http://purl.org/dc/elements/1.1/", "http://rs.tdwg.org/dwc/index.htm"
_OURS = "urn:reid-edge:xmp:1.0#"
_PREFIXES = {"x": _META, "rdf": _RDF, "dc": _DC, "dwc": _DWC, "reidEdge": _OURS}
_MOST_BYTES = 16_000_000
_DEEPEST = 200
_WRITTEN = f"{{{_OURS}}}keywords"  # the keywords of this program, so that a later answer removes only these

log = logging.getLogger(__name__)


class Sidecars:
    """The sink `sidecar`."""

    name = "sidecar"

    def __init__(self, ledger: Ledger, folder: Path, beside: bool = True) -> None:
        """Nothing is written yet.

        Args:
            ledger: has the current paths of the photos.
            folder: for side-cars that are not beside their photo, each under the full path of its photo; created when needed.
            beside: write side-cars beside the photos where possible.
        """
        self._ledger = ledger
        self._folder = folder
        self._beside = beside

    def deliver(self, messages: Sequence[Message]) -> int:
        """Write the side-cars of photos: one beside each file of a photo, and one for all frames of a video.

        Raises:
            StorageError: the disk of the daemon's folder is full or fails.
        """
        for number, message in enumerate(messages):
            photo = self._ledger.photo(message.body["photo"]["sha256"]) if message.kind == "photo" else None
            try:
                if photo is not None:
                    body = _with_all_frames(dict(message.body), self._ledger.frames_until(photo.id))
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
        path = photo.with_name(photo.name + SUFFIX)
        try:
            try:
                if self._beside and photo.exists() and not path.is_symlink():
                    write_sidecar(path, body)
                    return
            except OSError:  # a card that is write-protected, full or gone
                pass
            path = self._folder.joinpath(*path.parts[1:])
            with file_errors(self._folder):
                make_folder(path.parent)
                write_sidecar(path, body)
        except UnknownSidecarError as unknown:
            log.warning("%s is not changed: %s", shown(os.fsencode(path)), unknown)


def _with_all_frames(body: dict[str, Any], frames: Sequence[LedgerPhoto]) -> dict[str, Any]:
    """The message of a video: each individual once, from the frame with the highest probability, known individuals first."""
    if len(frames) > 1:
        best: dict[tuple[str, str | None], Mapping[str, Any]] = {}
        animals = (animal for frame in frames for animal in frame.animals)
        for animal in sorted(animals, key=lambda each: (each["verdict"] != "known", -each["probability"])):
            best.setdefault((animal["verdict"], animal["identity"]), animal)
        body["animals"] = list(best.values())
        body["verdict"] = next((each["verdict"] for each in body["animals"] if not is_no_animal(each)), "empty")
    return body


class UnknownSidecarError(ValueError):
    """An existing file that is not XMP."""


def write_sidecar(path: Path, body: Mapping[str, Any]) -> bool:
    """Write a side-car, or add to the existing one, in one step; returns whether anything changed.

    Args:
        path: of the side-car.
        body: of a `photo` message.

    Raises:
        UnknownSidecarError: the existing file is not XMP. OSError: it cannot be read or written.
    """
    existing = _read(path)
    new = merged(existing, body)
    if new == existing:
        return False
    with replacing(path) as file:
        file.write(new)
    return True


def merged(existing: bytes, body: Mapping[str, Any]) -> bytes:
    """The existing XMP packet, which may be empty, with the answer of a `photo` message.

    Raises:
        UnknownSidecarError: the existing packet is not XMP.
    """
    root = (
        _parsed(existing)
        if existing
        else ElementTree.fromstring(f'<x:xmpmeta xmlns:x="{_META}"><r:RDF xmlns:r="{_RDF}"/></x:xmpmeta>')
    )
    rdf = root if root.tag == f"{{{_RDF}}}RDF" else root.find(f".//{{{_RDF}}}RDF")
    if rdf is None:
        raise UnknownSidecarError("it has no RDF")
    description = _description(rdf)
    former = {item.text or "" for item in description.iterfind(f"{_WRITTEN}/{{{_RDF}}}Bag/{{{_RDF}}}li")}
    keywords = _keywords(body)
    for child in [child for child in description if child.tag.startswith(f"{{{_OURS}}}")]:
        description.remove(child)
    _put_keywords(rdf, description, former, keywords)
    _put_organism(rdf, description, body, bool(former))
    for name, value in _facts(body).items():
        ElementTree.SubElement(description, f"{{{_OURS}}}{name}").text = value
    _bag(ElementTree.SubElement(description, _WRITTEN), keywords)
    for prefix, address in {**_namespaces(existing), **_PREFIXES}.items():
        if prefix and not (prefix.startswith("ns") and prefix[2:].isdigit()):  # ElementTree reserves these
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
    try:
        _refuse_document_type(data)
        builder = ElementTree.TreeBuilder(insert_comments=True, insert_pis=True)
        return ElementTree.fromstring(data, ElementTree.XMLParser(target=builder))
    except UnknownSidecarError:
        raise
    except (ElementTree.ParseError, expat.ExpatError, ValueError, LookupError) as error:
        raise UnknownSidecarError(f"it is not XML ({error})") from None


def _refuse_document_type(data: bytes) -> None:
    """Raise UnknownSidecarError for XML with a document type or entities, which can expand without limit and read files; XMP has neither.

    The parser itself reports them, in whatever encoding they are written. Elements that lie too deep for Python are refused as well.
    """
    depth = 0

    def refuse(*_: object) -> None:
        raise UnknownSidecarError("it declares a document type")

    def begin(*_: object) -> None:
        nonlocal depth
        depth += 1
        if depth > _DEEPEST:
            raise UnknownSidecarError(f"its elements lie more than {_DEEPEST} deep")

    def end(*_: object) -> None:
        nonlocal depth
        depth -= 1

    parser = expat.ParserCreate()
    parser.StartDoctypeDeclHandler = parser.EntityDeclHandler = refuse
    parser.StartElementHandler, parser.EndElementHandler = begin, end
    parser.Parse(data, True)


def _namespaces(data: bytes) -> dict[str, str]:
    """The addresses of a packet by their prefixes."""
    found: dict[str, str] = {}
    for _, declared in ElementTree.iterparse(io.BytesIO(data), ["start-ns"]) if data else ():
        prefix, address = cast(tuple[str, str], declared)
        found[prefix] = address
    return found


def _description(rdf: ElementTree.Element) -> ElementTree.Element:
    """The description of this program, created where there is none; those of other programs are not changed."""
    for description in rdf.iterfind(f"{{{_RDF}}}Description"):
        if description.find(_WRITTEN) is not None:
            return description
    return ElementTree.SubElement(rdf, f"{{{_RDF}}}Description", {f"{{{_RDF}}}about": _about(rdf)})


def _about(rdf: ElementTree.Element) -> str:
    """All descriptions of a packet are about the same thing (XMP Part 1, 7.4)."""
    first = rdf.find(f"{{{_RDF}}}Description")
    return "" if first is None else first.get(f"{{{_RDF}}}about", "")


def _put_keywords(rdf: ElementTree.Element, description: ElementTree.Element, former: set[str], keywords: Sequence[str]) -> None:
    subject = rdf.find(f"{{{_RDF}}}Description/{{{_DC}}}subject")
    if subject is None:
        subject = ElementTree.SubElement(description, f"{{{_DC}}}subject")
    existing = [item.text or "" for item in subject.iter(f"{{{_RDF}}}li")]
    kept = [word for word in existing if word not in former or word in keywords]
    for child in list(subject):
        subject.remove(child)
    _bag(subject, [*kept, *(word for word in keywords if word not in kept)])


def _put_organism(rdf: ElementTree.Element, description: ElementTree.Element, body: Mapping[str, Any], is_ours: bool) -> None:
    former = description.find(f"{{{_DWC}}}Organism")
    if former is not None and is_ours:
        description.remove(former)
    known = next((animal["identity"] for animal in body["animals"] if animal["verdict"] == "known"), None)
    if known is not None and rdf.find(f"{{{_RDF}}}Description/{{{_DWC}}}Organism") is None:
        organism = ElementTree.SubElement(description, f"{{{_DWC}}}Organism", {f"{{{_RDF}}}parseType": "Resource"})
        ElementTree.SubElement(organism, f"{{{_DWC}}}organismID").text = _plain(known)


def _bag(parent: ElementTree.Element, words: Sequence[str]) -> None:
    bag = ElementTree.SubElement(parent, f"{{{_RDF}}}Bag")
    for word in words:
        ElementTree.SubElement(bag, f"{{{_RDF}}}li").text = word


def _keywords(body: Mapping[str, Any]) -> list[str]:
    words = {"new": "new individual", "ask": "to check"}
    animals = [animal for animal in body["animals"] if not is_no_animal(animal)]
    found = [_plain(words.get(animal["verdict"]) or animal["identity"]) for animal in animals] or ["empty"]
    return list(dict.fromkeys(found))


def _facts(body: Mapping[str, Any]) -> dict[str, str]:
    facts = {"sha256": body["photo"]["sha256"], "verdict": body["verdict"]}
    if body["animals"]:
        largest = body["animals"][0]
        facts["headline"] = _plain(wording_of_json(largest).headline())
        facts["probability"] = f"{largest['probability']:.4f}"
        if largest["verdict"] == "ask" and largest["identity"]:
            facts["perhaps"] = _plain(largest["identity"])
        if (review := largest.get("review")) and ReviewFacts(**review).is_final:
            facts["review"] = review["kind"]
            facts["reviewedBy"] = _plain(review["person"])
            facts["reviewedAt"] = review["decided_at"]
    return facts


def _plain(text: str) -> str:
    """The text without the characters that XML 1.0 cannot hold."""
    return "".join(
        character for character in text if character in "\t\n" or (character >= " " and character not in "\ufffe\uffff")
    )
