"""XMP side-cars: keywords that photo managers read, other programs' content kept, and nothing written by halves."""

from __future__ import annotations

import json
import os
import subprocess
from xml.etree import ElementTree

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reid_edge.errors import StorageError
from reid_edge.watch.outputs.sidecar import Sidecars, UnknownSidecarError, merged, write_sidecar
from reid_edge.watch.outputs.sinks import deliver_waiting

BOX = (64, 48, 320, 240)
LIGHTROOM = b"""<?xpacket begin="\xef\xbb\xbf" id="W5M0MpCehiHzreSzNTczkc9d"?>
<x:xmpmeta xmlns:x="adobe:ns:meta/" x:xmptk="Other program 1.0">
 <rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">
  <!-- rated by hand -->
  <rdf:Description rdf:about="" xmlns:xmp="http://ns.adobe.com/xap/1.0/" xmlns:lr="http://ns.adobe.com/lightroom/1.0/"
    xmlns:dc="http://purl.org/dc/elements/1.1/" xmp:Rating="4">
   <dc:subject><rdf:Bag><rdf:li>waterhole</rdf:li><rdf:li>night</rdf:li></rdf:Bag></dc:subject>
   <lr:hierarchicalSubject><rdf:Bag><rdf:li>place|waterhole</rdf:li></rdf:Bag></lr:hierarchicalSubject>
  </rdf:Description>
 </rdf:RDF>
</x:xmpmeta>
<?xpacket end="w"?>"""
RDF = "{http://www.w3.org/1999/02/22-rdf-syntax-ns#}"
SUBJECT = "{http://purl.org/dc/elements/1.1/}subject"
ORGANISM = "{http://rs.tdwg.org/dwc/index.htm}organismID"


def body(*animals):
    """Of a photo message: (verdict, identity) of its animals."""
    answers = [
        {
            "verdict": verdict,
            "identity": identity,
            "probability": 0.97,
            "unknown": 0.97 if verdict == "new" else 0.01,
            "ranking": [{"identity": identity or "Cleo", "probability": 0.97 if identity else 0.02}],
        }
        for verdict, identity in animals
    ]
    return {"photo": {"sha256": "0" * 64}, "verdict": answers[0]["verdict"] if answers else "empty", "animals": answers}


def keywords(data):
    (subject,) = ElementTree.fromstring(data).iter(SUBJECT)
    return [item.text for item in subject.iter(f"{RDF}li")]


def organism(data):
    return [element.text for element in ElementTree.fromstring(data).iter(ORGANISM)]


@pytest.mark.parametrize(
    ("animals", "words", "individual"),
    [
        ([("known", "Asha")], ["Asha"], ["Asha"]),
        ([("ask", "Bela"), ("known", "Zoé & <Co>")], ["to check", "Zoé & <Co>"], ["Zoé & <Co>"]),
        ([("new", None), ("new", None)], ["new individual"], []),
        ([], ["empty"], []),
    ],
)
def test_a_new_side_car_has_the_answer_as_keywords(animals, words, individual):
    data = merged(b"", body(*animals))
    assert keywords(data) == words
    assert organism(data) == individual


@pytest.mark.parametrize(
    ("answer", "headline"),
    [(("known", "Asha"), "Asha, 97 %"), (("ask", "Asha"), "possibly Asha, 97 %"), (("new", None), "a new individual, 97 %")],
)
def test_a_side_car_has_the_headline_of_the_largest_animal(answer, headline):
    (element,) = ElementTree.fromstring(merged(b"", body(answer, ("known", "Bela")))).iter("{urn:reid-edge:xmp:1.0#}headline")
    assert element.text == headline


def test_what_another_program_wrote_is_kept_and_added_to():
    data = merged(LIGHTROOM, body(("known", "Asha")))
    assert keywords(data) == ["waterhole", "night", "Asha"]
    for kept in (b"rated by hand", b'xmp:Rating="4"', b"<lr:hierarchicalSubject>", b"place|waterhole", b"Other program 1.0"):
        assert kept in data


def test_a_later_answer_takes_back_the_earlier_one_and_nothing_else():
    first = merged(LIGHTROOM, body(("known", "Asha"), ("new", None)))
    second = merged(first, body(("known", "Bela")))
    assert keywords(second) == ["waterhole", "night", "Bela"]
    assert organism(second) == ["Bela"]
    assert merged(second, body(("known", "Bela"))) == second
    assert organism(merged(second, body())) == []


@settings(max_examples=50)
@given(
    answers=st.lists(
        st.lists(st.tuples(st.sampled_from(["known", "ask", "new"]), st.text(min_size=1, max_size=8)), max_size=3),
        min_size=1,
        max_size=4,
    )
)
def test_only_the_last_answer_counts_whatever_came_before(answers):
    data = LIGHTROOM
    for answer in answers:
        data = merged(data, body(*answer))
    clean = keywords(merged(LIGHTROOM, body(*answers[-1])))
    assert sorted(filter(None, keywords(data))) == sorted(filter(None, clean))


# A byte search for "<!DOCTYPE" finds nothing in UTF-16.
ENTITIES = (
    '<?xml version="1.0" encoding="utf-16"?><!DOCTYPE a [<!ENTITY b "bbbb"><!ENTITY c "&b;&b;">]>'
    "<x:xmpmeta xmlns:x='adobe:ns:meta/'><r:RDF xmlns:r='http://www.w3.org/1999/02/22-rdf-syntax-ns#'>&c;</r:RDF></x:xmpmeta>"
)


@pytest.mark.parametrize(
    "there",
    [
        b"not xml",
        b"<x:xmpmeta xmlns:x='adobe:ns:meta/'/>",
        LIGHTROOM[:-200],
        b'<!DOCTYPE a [<!ENTITY b "bbbb"><!ENTITY c "&b;&b;">]>' + LIGHTROOM[56:],
        b"\xff\xfe\x00\x01",
        ENTITIES.encode("utf-16"),
        ENTITIES.replace("utf-16", "utf-16-be").encode("utf-16-be"),
        ENTITIES.replace("utf-16", "iso-8859-1").replace("<!DOCTYPE", "<!-- a comment --><!DOCTYPE").encode("latin-1"),
        b"<a>" * 10_000 + b"</a>" * 10_000,
    ],
)
def test_a_side_car_that_cannot_be_understood_is_left_alone(tmp_path, there):
    path = tmp_path / "a.jpg.xmp"
    path.write_bytes(there)
    with pytest.raises(UnknownSidecarError):
        write_sidecar(path, body(("known", "Asha")))
    assert path.read_bytes() == there
    assert [each.name for each in tmp_path.iterdir()] == ["a.jpg.xmp"]


def test_each_file_of_a_photo_gets_its_side_car_once(ledger, commit, answer_for, tmp_path):
    photos = [tmp_path / name for name in ("a.jpg", os.fsdecode(b"l\xf6we\n.jpg"), "empty.jpg")]
    for photo in photos:
        photo.write_bytes(b"pixels")
    commit(ledger, photos[0], [answer_for(0, "Asha", 0.97, BOX)])
    commit(ledger, photos[1], [answer_for(0, None, 0.9, BOX)])
    commit(ledger, photos[2], [])
    sink = Sidecars(ledger, tmp_path / "out")
    while deliver_waiting(ledger, sink, 2):
        pass
    found = {photo.name: (photo.parent / f"{photo.name}.xmp").read_bytes() for photo in photos}
    assert [keywords(data) for data in found.values()] == [["Asha"], ["new individual"], ["empty"]]
    assert all(photo.read_bytes() == b"pixels" for photo in photos)
    times = [(photo.parent / f"{photo.name}.xmp").stat().st_mtime_ns for photo in photos]
    sink.deliver(ledger.messages_after(0))  # again, after a kill before it was noted
    assert [(photo.parent / f"{photo.name}.xmp").stat().st_mtime_ns for photo in photos] == times
    assert not (tmp_path / "out").exists()


def test_a_photo_that_is_gone_or_write_protected_has_its_side_car_in_the_daemons_folder(ledger, commit, answer_for, tmp_path):
    gone, linked = tmp_path / "card" / "gone.jpg", tmp_path / "linked.jpg"
    linked.write_bytes(b"pixels")
    target = tmp_path / "elsewhere"
    target.write_text("not to be replaced")
    (tmp_path / "linked.jpg.xmp").symlink_to(target)
    for path in (gone, linked):
        commit(ledger, path, [answer_for(0, "Asha", 0.97, BOX)])
    sink = Sidecars(ledger, tmp_path / "out")
    sink.deliver(ledger.messages_after(0))
    for path in (gone, linked):
        assert keywords((tmp_path / "out").joinpath(*path.parts[1:-1], path.name + ".xmp").read_bytes()) == ["Asha"]
    assert target.read_text() == "not to be replaced"


def test_a_full_card_does_not_hold_up_the_others_and_a_full_disk_is_tried_again(ledger, commit, answer_for, small_disk, tmp_path):
    card = small_disk("size=64k")
    (card / "a.jpg").write_bytes(b"pixels")
    (card / "filler").write_bytes(bytes(52_000))
    with (card / "filler").open("ab", buffering=0) as file:
        try:
            while file.write(bytes(4096)):
                pass
        except OSError:
            pass
    commit(ledger, card / "a.jpg", [answer_for(0, "Asha", 0.97, BOX)])
    messages = ledger.messages_after(0)
    with pytest.raises(StorageError, match="full"):
        Sidecars(ledger, card).deliver(messages)
    assert sorted(path.name for path in card.iterdir() if path.is_file()) == ["a.jpg", "filler"]
    assert Sidecars(ledger, tmp_path / "out").deliver(messages) == len(messages)
    (card / "filler").unlink()
    assert Sidecars(ledger, tmp_path / "out").deliver(messages) == len(messages)
    assert keywords((card / "a.jpg.xmp").read_bytes()) == ["Asha"]


@pytest.mark.parametrize("there", [b"", LIGHTROOM])
def test_exiftool_reads_it(tmp_path, there, program):
    path = tmp_path / "a.jpg.xmp"
    path.write_bytes(merged(there, body(("known", "Asha"), ("new", None))))
    shown = subprocess.run([program("exiftool"), "-j", "-G", path], capture_output=True, text=True, check=True)
    (told,) = json.loads(shown.stdout)
    assert told["XMP:Subject"] == (["waterhole", "night"] if there else []) + ["Asha", "new individual"]
    assert told["XMP:OrganismID"] == "Asha"
    assert told.get("XMP:Rating") == (4 if there else None)


def test_the_side_car_of_a_video_names_the_animals_of_all_its_frames(ledger, tmp_path, commit, answer_for):
    video = tmp_path / "card" / "night.mp4"
    video.parent.mkdir()
    video.write_bytes(b"video")
    commit(ledger, video, [answer_for(0, "Asha", 0.97, BOX)])
    commit(ledger, tmp_path / "2", [answer_for(0, None, 0.9, BOX)])
    commit(ledger, tmp_path / "3", [])
    ledger.database.execute("UPDATE photo SET frame_of = 1")
    ledger.database.execute("UPDATE file SET photo_id = NULL")
    deliver_waiting(ledger, Sidecars(ledger, tmp_path / "side"))
    data = video.with_name("night.mp4.xmp").read_bytes()
    assert keywords(data) == ["Asha", "new individual"]
    assert organism(data) == ["Asha"]
