"""Names: words that name nobody are no individuals, spellings of one name are one individual, and a slip is asked about."""

from __future__ import annotations

import unicodedata

import pytest

from reid_edge.errors import GalleryError, UsageError
from reid_edge.gallery import Gallery
from reid_edge.gallery.names import is_placeholder, name_key, near_names, same_but_for_accents

WORDS = (
    *(
        "unknown",
        "Unknown",
        "UNKNOWN ",
        "NA",
        "n/a",
        "N.A.",
        "?",
        "??",
        "none",
        "None",
        "unidentified",
        "-",
        "--",
        "",
        " ",
        "nan",
        "<NA>",
    ),
    *(
        "null",
        "____",
        "-1",
        "not_identified",
        "(unknown)",
        "unknown?",
        "inconnu",
        "desconocida",
        "não identificado",
        "unbekannt",
        "okänd",
    ),
    *("неизвестно", "不明", "未知", "haijulikani", "No-ID", "\u200b", "…"),
)


@pytest.mark.parametrize("word", WORDS)
def test_what_people_and_tables_write_for_nobody_is_no_name(word):
    assert is_placeholder(word.replace("\u200b", ""))


@pytest.mark.parametrize(
    "name", ["Asha", "Nala", "Noname Jr", "T1", "1", "0", "unknown 1", "🦓", "../x", "Empty Quarter", "Nana", "A"]
)
def test_what_can_be_a_name_is_one(name):
    assert not is_placeholder(name)


def test_case_unicode_form_invisible_characters_and_blanks_do_not_make_another_name():
    spellings = ["Zoë Two", "zoë two", "ZOËTWO", unicodedata.normalize("NFD", "Zoë Two"), "Zoë\u00a0 Two", "Zoë\u200b Two"]
    assert len({name_key(spelling) for spelling in spellings}) == 1
    assert name_key("T 1") == name_key("t1")
    assert len({name_key("1 12"), name_key("11 2"), name_key("112")}) == 3
    assert name_key("Straße") == name_key("STRASSE")


def test_a_near_name_differs_by_a_letter_an_accent_or_punctuation_but_never_by_a_digit():
    held = ["Beads", "Zebra_01", "Zebra_02", "Asha", "Zoé", "Li"]
    assert near_names("Bead", held) == ["Beads"]
    assert near_names("Baeds", held) == ["Beads"]
    assert near_names("Zebra-01", held) == ["Zebra_01"]
    assert near_names("Zoe", held) == ["Zoé"]
    assert near_names("Zebra_03", held) == []
    assert near_names("beads", held) == []
    assert near_names("La", held) == []
    assert near_names("Kito", held) == []
    assert same_but_for_accents("Zoe", held) == ["Zoé"]
    assert same_but_for_accents("Bead", held) == []


def test_a_spelling_of_a_name_is_the_individual_of_that_name(gallery, add):
    add(gallery, 1, "Beads")
    add(gallery, 2, "beads")
    add(gallery, 3, " BE ADS")
    gallery.add_individual("bEaDs", "batch")
    assert [(one.name, one.sightings) for one in gallery.individuals()] == [("Beads", 3)]
    assert gallery.individual("BEADS").name == "Beads"
    assert len(gallery.sightings(individual="beads")) == 3
    gallery.rename("beads", "BEADS")
    assert [one.name for one in gallery.individuals()] == ["BEADS"]
    add(gallery, 4, "Zoe")
    for decide in (
        lambda: gallery.rename("zoe", "beads"),
        lambda: gallery.split("beads", [1], "zoe"),
        lambda: gallery.merge(["ZOE"], "zoe"),
    ):
        with pytest.raises(GalleryError):
            decide()
    gallery.merge(["ZOE"], "beads")
    assert [(one.name, one.sightings) for one in gallery.individuals()] == [("BEADS", 4)]
    gallery.undo(4)


def test_a_gallery_that_has_two_spellings_already_keeps_both_and_asks_for_one_of_them(gallery, add):
    add(gallery, 1, "Asha")
    with gallery.transaction():
        gallery.database.insert("individual", name="asha")
    assert gallery.individual("Asha").sightings == 1
    assert gallery.individual("asha").sightings == 0
    with pytest.raises(GalleryError, match="Asha and asha, which are spellings of one name"):
        gallery.individual("ASHA")


def test_no_decision_names_an_individual_after_nobody(gallery, add):
    add(gallery, 1, "Zoe")
    add(gallery, 2, "Zoe")
    for decide in (lambda: gallery.rename("Zoe", "unknown"), lambda: gallery.split("Zoe", [1], "N/A")):
        with pytest.raises(UsageError, match="stands for an animal that nobody knows"):
            decide()


def test_a_name_near_another_one_has_to_be_said_to_be_new(gallery, add):
    add(gallery, 1, "Beads")
    gallery.check_name("beads", new=False)
    gallery.check_name("Kito", new=False)
    gallery.check_name("Bead", new=True)
    with pytest.raises(GalleryError, match="no individual 'Bead', but Beads") as refused:
        gallery.check_name("Bead", new=False)
    assert "--new" in refused.value.hint
    with pytest.raises(GalleryError, match="already has an individual 'Beads'"):
        gallery.check_name("BEADS", new=True)


def test_a_photo_without_a_species_gets_that_of_its_individual_or_of_the_gallery(gallery, add):
    assert gallery.species_of("Zoe") == ("", ())
    add(gallery, 1, "Zoe", species="Plains zebra")
    add(gallery, 2, "Zoe")
    assert gallery.species_of("Kito") == ("Plains zebra", ())
    assert gallery.species_of("Kito", "plains ZEBRA") == ("Plains zebra", ())
    add(gallery, 3, "Tara", species="tiger")
    assert gallery.species_of("zoe") == ("Plains zebra", ())
    assert gallery.species_of("Kito") == ("", ("Plains zebra", "tiger"))
    add(gallery, 4, "Tara", species="lion")
    assert gallery.species_of("Tara") == ("", ("lion", "tiger"))


def test_two_processes_that_make_one_gallery_both_get_it(folder, monkeypatch):
    made = Gallery.create

    def late(path):
        made(path).close()  # the other process
        return made(path)

    monkeypatch.setattr(Gallery, "create", late)
    with Gallery.open_or_create(folder / "new.sqlite") as opened:
        assert opened.individuals() == []
