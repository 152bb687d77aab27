"""Scientific names of species by their common names: a small table, which a user extends by `species.csv` in the daemon's folder."""

from __future__ import annotations

import csv
from pathlib import Path

from reid_edge.errors import UsageError
from reid_edge.storage.errors import file_errors

SPECIES = "species.csv"
COLUMNS = ("species", "scientificName")

_SCIENTIFIC = {
    "african elephant": "Loxodonta africana",
    "african lion": "Panthera leo",
    "african wild dog": "Lycaon pictus",
    "bobcat": "Lynx rufus",
    "brown bear": "Ursus arctos",
    "cheetah": "Acinonyx jubatus",
    "eurasian lynx": "Lynx lynx",
    "giraffe": "Giraffa camelopardalis",
    "green turtle": "Chelonia mydas",
    "grevy's zebra": "Equus grevyi",
    "grey seal": "Halichoerus grypus",
    "harbour seal": "Phoca vitulina",
    "hawksbill turtle": "Eretmochelys imbricata",
    "humpback whale": "Megaptera novaeangliae",
    "jaguar": "Panthera onca",
    "leopard": "Panthera pardus",
    "lion": "Panthera leo",
    "loggerhead turtle": "Caretta caretta",
    "manta ray": "Mobula birostris",
    "ocelot": "Leopardus pardalis",
    "plains zebra": "Equus quagga",
    "ringed seal": "Pusa hispida",
    "saimaa ringed seal": "Pusa hispida saimensis",
    "snow leopard": "Panthera uncia",
    "spotted hyena": "Crocuta crocuta",
    "tiger": "Panthera tigris",
    "whale shark": "Rhincodon typus",
    "zebra": "Equus quagga",
}


def scientific_name(species: str, table: Path) -> str:
    """The scientific name of a species: by the user's table, else by the one of this program; the name itself where neither has it.

    Args:
        species: a common name in any case of letters, or a scientific one.
        table: the user's, a CSV file with the columns species and scientificName; need not exist.

    Raises:
        UsageError: the table lacks a column. StorageError: it cannot be read.
    """
    names = {**_SCIENTIFIC, **_read(table)}
    return names.get(_key(species), species)


def _read(path: Path) -> dict[str, str]:
    if not path.exists():
        return {}
    with file_errors(path), path.open(newline="", encoding="utf-8-sig") as file:
        table = csv.DictReader(file)
        if missing := [column for column in COLUMNS if column not in (table.fieldnames or ())]:
            raise UsageError(f"{path} has no column {missing[0]}.", f"Its columns are {' and '.join(COLUMNS)}.")
        return {_key(row["species"]): row["scientificName"].strip() for row in table if row["scientificName"]}


def _key(species: str) -> str:
    return " ".join(species.casefold().replace("_", " ").replace("\N{RIGHT SINGLE QUOTATION MARK}", "'").split())
