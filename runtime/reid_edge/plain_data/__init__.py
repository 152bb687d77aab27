"""TOML or JSON tables to frozen dataclasses and back, by their type hints; an error names the path of the key that is wrong.

A dataclass declares what a file may say, and `decode` reads exactly that:

    @dataclass(frozen=True)
    class Rerank:
        name: Annotated[str, Pattern(r"[a-z]+")]
        k1: Annotated[int, Range(1, 1000)]
        weights: tuple[float, ...] = ()

A field without a default must be there, unless it may be None. `Annotated` adds the rules below. A rule over several fields belongs in
`__post_init__`; its ReidEdgeError gets the path as well. The types:

    bool, int, float (finite), str (not empty, printable), Literal, Scalar, Any (any plain data)
    a dataclass, T | None, tuple[T, ...], tuple[T, T], Mapping[str, T], a union of dataclasses with `Tagged`
"""

from reid_edge.plain_data.decoding import decode, encode
from reid_edge.plain_data.rules import Convert, InvalidValue, Keys, Pattern, Range, Scalar, Tagged, Then, each_once, must_be

__all__ = [
    "Convert",
    "InvalidValue",
    "Keys",
    "Pattern",
    "Range",
    "Scalar",
    "Tagged",
    "Then",
    "decode",
    "each_once",
    "encode",
    "must_be",
]
