"""How a program begins: a gallery and a pack are opened by name or path."""

from __future__ import annotations

import os

from reid_edge.identify.session import Session
from reid_edge.pack import Pack, find_pack
from reid_edge.pack import open_pack as open_pack_at
from reid_edge.storage.address import read_place


def open_session(gallery: str | os.PathLike[str], pack: str | os.PathLike[str] = "field", device: str = "auto") -> Session:
    """Open a gallery and a pack together; close the session, or use it in a `with` statement.

    Gallery photos that another pack described are not compared; `reid-edge identify` on the command line describes them anew.

    Args:
        gallery: the catalogue's file, or its address on a server; `Gallery.create` makes one.
        pack: a bundled or imported pack's name, or the path of a pack.
        device: what runs the networks: ``auto`` (the best that passes its self-test), ``cpu``, ``cuda``, ``tensorrt``,
            ``tensorrt-rtx``, ``openvino``.

    Raises:
        GalleryError: the gallery is missing or cannot be read.
        PackError: there is no such pack, or it is broken.
        EngineError, UsageError: the device cannot run it, or there is no such device.

    Example:
        >>> with reid_edge.open_session("catalogue.sqlite", pack="field", device="cpu") as session:
        ...     for decision in session.identify("photo.jpg"):
        ...         print(decision.verdict, decision.identity)
        known Chipo
    """
    return Session.open(read_place(gallery), os.fspath(pack), device)


def open_pack(name_or_path: str | os.PathLike[str]) -> Pack:
    """Open a model pack and verify every file of it.

    Args:
        name_or_path: a bundled or imported pack's name, or the path of a folder or zip.

    Raises:
        PackError: there is no such pack, or it is broken.

    Example:
        >>> reid_edge.open_pack("field").manifest.name
        'field'
    """
    return open_pack_at(find_pack(os.fspath(name_or_path)))
