"""Workers in the process of the tests, so that all but `ray_pool` is tested without Ray, and a few photos to work on."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from reid_edge.bulk.describing import DescribeRecipe, DescribeWorker
from reid_edge.bulk.opening import BulkPack
from reid_edge.bulk.running import Task
from reid_edge.bulk.worker import Worker, WorkerRecipe, process_safely
from reid_edge.describe.description import DescribedAnimal
from reid_edge.describe.query import Query
from reid_edge.identify.identifier import Identifier
from reid_edge.photo import Photo


class Remembering:
    """An identifier that describes a photo once for all tests."""

    def __init__(self, identifier: Identifier) -> None:
        self._identifier = identifier
        self._described: dict[object, list[DescribedAnimal]] = {}

    def __getattr__(self, name: str) -> Any:
        return getattr(self._identifier, name)

    def for_many_photos(self) -> Remembering:
        return self

    def describe(self, photo: Photo, query: Query, largest_only: bool = False) -> list[DescribedAnimal]:
        asked = (photo.sha256, repr(query), largest_only)
        if asked not in self._described:
            self._described[asked] = self._identifier.describe(photo, query, largest_only=largest_only)
        return self._described[asked]


class InProcess:
    """A pool of one worker, in this process. It counts the photos that it worked on."""

    def __init__(self, identifier: Remembering) -> None:
        self._identifier = identifier
        self.worked_on = 0

    def results(self, recipe: WorkerRecipe, tasks: Sequence[Task], batch: int) -> Iterator[list[Task]]:
        # Where it describes, the pack is loaded once for all tests.
        known = isinstance(recipe, DescribeRecipe)
        worker: Worker = DescribeWorker(self._identifier, recipe) if known else recipe.open()
        for start in range(0, len(tasks), batch):
            part = tasks[start : start + batch]
            self.worked_on += len(part)
            results = process_safely(worker, [value for _, value in part])
            yield [(number, result) for (number, _), result in zip(part, results, strict=True)]


@pytest.fixture(scope="session")
def remembering(identifier: Identifier) -> Remembering:
    return Remembering(identifier)


@pytest.fixture
def pool(remembering: Remembering) -> InProcess:
    return InProcess(remembering)


@pytest.fixture(scope="session")
def pack() -> BulkPack:
    return BulkPack("field", "cpu")


@pytest.fixture
def animals(samples: Path, tmp_path: Path) -> Path:
    """Two photos each of Asha and Enzi in a folder per individual, one of them twice, and a file that is no photo."""
    folder = tmp_path / "animals"
    for name in ("Asha", "Enzi"):
        (folder / name).mkdir(parents=True)
        for number in (1, 2):
            shutil.copy(samples / "gallery" / name / f"{name.lower()}_{number}.jpg", folder / name)
    shutil.copy(folder / "Asha" / "asha_1.jpg", folder / "Asha" / "asha_1_copy.jpg")
    (folder / "Enzi" / "text.jpg").write_text("not a photo")
    return folder


@pytest.fixture(scope="session")
def rows_of() -> Callable[..., list[dict[str, object]]]:
    """rows_of(folder, column...): these columns of all rows of a folder of results, sorted."""
    import pyarrow.parquet as pq

    def read(folder: Path, *columns: str) -> list[dict[str, object]]:
        tables = [pq.read_table(path, columns=list(columns)) for path in sorted(folder.glob("part-*.parquet"))]
        return sorted((row for table in tables for row in table.to_pylist()), key=str)

    return read
