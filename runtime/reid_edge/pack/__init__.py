"""The model pack: networks, calibration and a recipe in one verified directory or zip."""

from reid_edge.pack.manifest import Manifest, Network, PackedFile, Preprocessing
from reid_edge.pack.manifest_toml import parse_manifest, write_manifest
from reid_edge.pack.reading import Pack, open_pack, read_manifest
from reid_edge.pack.store import bundled_packs, default_store, find_pack, import_pack, imported_packs
from reid_edge.pack.writing import NewFile, write_pack, write_zip

__all__ = [
    "Manifest",
    "Network",
    "NewFile",
    "Pack",
    "PackedFile",
    "Preprocessing",
    "bundled_packs",
    "default_store",
    "find_pack",
    "import_pack",
    "imported_packs",
    "open_pack",
    "parse_manifest",
    "read_manifest",
    "write_manifest",
    "write_pack",
    "write_zip",
]
