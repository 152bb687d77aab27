"""Names of individuals: which spellings are the same name, which are near it, and which words name nobody."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from functools import lru_cache

from reid_edge.errors import UsageError
from reid_edge.gallery.records import identity_name

PLACEHOLDERS = frozenset(
    {
        # what programs and data sets write
        "", "na", "n/a", "n.a", "n.a.", "#n/a", "<na>", "nan", "nat", "nil", "null", "none", "-1", "undefined", "unset", "blank", "empty",
        # English
        "unknown", "unkown", "unknow", "unknwon", "unk", "unidentified", "unid", "unidentifiable", "not identified", "undetermined",
        "indeterminate", "unnamed", "no name", "noname", "no id", "noid", "nobody", "unassigned", "unlabelled", "unlabeled", "tbd",
        "unknown individual", "unknown animal", "unidentified individual", "unidentified animal", "unknown id", "to be determined",
        # German, French, Spanish, Portuguese, Italian, Dutch
        "unbekannt", "unbekanntes tier", "unbestimmt", "nicht bestimmt", "inconnu", "inconnue", "inconnus", "indetermine", "non identifie",
        "desconocido", "desconocida", "no identificado", "sin identificar", "sin nombre", "indeterminado", "desconhecido", "desconhecida",
        "nao identificado", "sconosciuto", "sconosciuta", "non identificato", "ignoto", "onbekend", "onbekende", "niet geidentificeerd",
        # Danish and Norwegian, Swedish, Finnish, Polish, Czech, Turkish, Indonesian, Swahili
        "ukendt", "ukjent", "okand", "okant", "tuntematon", "nieznany", "nieznana", "neznamy", "neznama", "bilinmiyor", "bilinmeyen",
        "tidak diketahui", "tidak dikenal", "haijulikani", "hajulikani",
        # Russian, Ukrainian, Chinese, Japanese, Korean, Hindi, Arabic
        "неизвестно", "неизвестный", "неизвестная", "неизвестен", "невідомо", "невідомий", "未知", "不明", "未识别", "未識別", "無名",
        "알 수 없음", "미상", "अज्ञात", "غير معروف", "مجهول",
    }
)  # fmt: skip
_SEPARATORS = re.compile(r"[\s_\-]+")
_SHORTEST_TYPO = 4  # letters: of shorter names, one letter more or less is usually another animal


@lru_cache(1 << 17)
def name_key(name: str) -> str:
    """Equal for spellings of one name: case, Unicode form, invisible characters and blanks do not count.

    A blank between two digits does count: `1 12` is not `11 2`.
    """
    plain = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", name).casefold())
    return re.sub(r"(?<!\d)\s+|\s+(?!\d)", "", re.sub(r"\s+", " ", _visible(plain).strip()))


@lru_cache(1 << 12)
def is_placeholder(name: str) -> bool:
    """Whether a person or a table writes this where no individual is known: `unknown`, `NA`, `n/a`, `?`, `-`, in common languages."""
    plain = _unaccented(_visible(unicodedata.normalize("NFKC", name).casefold()).strip())
    words = _SEPARATORS.sub(" ", plain.strip("()[]{}<>\"'? ")).strip()
    punctuation = all(unicodedata.category(character)[0] in "PZ" for character in plain)
    return punctuation or plain in _PLAIN_PLACEHOLDERS or words in _PLAIN_PLACEHOLDERS


def new_identity_name(text: str) -> str:
    """The stored form of a name that a person gives to an individual.

    Raises:
        UsageError: it cannot be a name (`identity_name`), or stands for an animal that nobody knows.
    """
    name = identity_name(text)
    if is_placeholder(name):
        raise UsageError(
            f"{name!r} stands for an animal that nobody knows, so it is not the name of an individual.",
            "Give the individual a name of its own, or leave the photo out.",
        )
    return name


def near_names(name: str, others: Iterable[str]) -> list[str]:
    """The other names that may be a slip of this one: apart from accents and punctuation, at most one letter differs, and no digit."""
    base = _base(name)
    return [other for other in others if name_key(other) != name_key(name) and _near(base, _base(other))]


def same_but_for_accents(name: str, others: Iterable[str]) -> list[str]:
    """The other names that differ from this one only by accents and punctuation."""
    base = _base(name)
    return [other for other in others if name_key(other) != name_key(name) and base and base == _base(other)]


@lru_cache(1 << 17)
def _base(name: str) -> str:
    """Letters and digits without accents; digits that punctuation separates stay apart."""
    words = re.sub(r"(?<=\d)[\W_]+(?=\d)", " ", _unaccented(name_key(name)))
    return "".join(character for character in words if character.isalnum() or character == " ")


def _visible(text: str) -> str:
    return "".join(character for character in text if unicodedata.category(character) != "Cf")


def _unaccented(text: str) -> str:
    decomposed = unicodedata.normalize("NFD", text)
    # Only of Latin, Greek and Cyrillic letters: in other scripts a mark may be the vowel.
    return unicodedata.normalize("NFC", re.sub("[\u0300-\u036f]", "", decomposed))


def _near(one: str, other: str) -> bool:
    if one == other:
        return bool(one)
    if min(len(one), len(other)) < _SHORTEST_TYPO or abs(len(one) - len(other)) > 1 or _digits(one) != _digits(other):
        return False
    start = next((at for at, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), min(len(one), len(other)))
    left, right = one[start:], other[start:]
    swapped = len(left) == len(right) >= 2 and left[0] == right[1] and left[1] == right[0] and left[2:] == right[2:]
    return left[1:] == right[1:] or left[1:] == right or left == right[1:] or swapped


def _digits(text: str) -> str:
    return re.sub(r"\D", "", text)


_PLAIN_PLACEHOLDERS = frozenset(_unaccented(unicodedata.normalize("NFKC", word).casefold()) for word in PLACEHOLDERS)
