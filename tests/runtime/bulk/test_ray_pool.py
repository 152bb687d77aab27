"""Workers on a Ray cluster of two nodes: what one process would do, also where workers are killed."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from reid_edge.bulk.describe import DescribeRun, to_describe
from reid_edge.bulk.describing import DescribeRecipe, PhotoToDescribe
from reid_edge.bulk.hashes import PhotoHashes
from reid_edge.errors import EngineError, PackError, UsageError
from reid_edge.gallery import Gallery
from reid_edge.gallery.enrolment_list import Enrolment

pytest.importorskip("ray")

from reid_edge.bulk.ray_pool import RayOptions, RayPool
from reid_edge_benchmarks.bulk_work import kill_a_worker, lost_and_doubled

NONE = PhotoHashes.of([])
MEMORY = 80_000_000
LEAN = {"include_dashboard": False, "include_log_monitor": False, "no_monitor": True}
ATTEMPTS = 4  # a node of Ray gives up where the machine is so busy that it takes more than 15 seconds


@pytest.fixture(scope="module")
def cluster() -> Iterator[str]:
    """The address of two nodes with a processor each."""
    import ray
    from ray.cluster_utils import Cluster

    nodes = Cluster()
    try:
        for _ in range(2):
            add_node(nodes)
        yield nodes.address
    finally:
        ray.shutdown()
        nodes.shutdown()


def add_node(nodes: Any) -> None:
    for attempt in range(ATTEMPTS):
        try:
            nodes.add_node(num_cpus=1, object_store_memory=MEMORY, **LEAN)
            return
        except Exception as error:  # as Ray raises it
            if attempt + 1 == ATTEMPTS:
                pytest.skip(f"this machine is too busy to start a Ray: {error}")


@pytest.fixture
def many(samples: Path, tmp_path: Path) -> Callable[[int], list[Enrolment]]:
    """many(count): that many photos of one individual, the same picture in files of different bytes."""

    def make(count: int) -> list[Enrolment]:
        jpeg = (samples / "photos" / "trail_3.jpg").read_bytes()
        (tmp_path / "many").mkdir()
        found = []
        for number in range(count):
            comment = b"\xff\xfe\x00\x0a" + f"{number:08d}".encode()
            path = tmp_path / "many" / f"{number:04d}.jpg"
            path.write_bytes(jpeg[:2] + comment + jpeg[2:])
            found.append(Enrolment(path, "Kito"))
        return found

    return make


def test_workers_of_both_nodes_that_are_killed_lose_and_double_nothing(cluster, pack, many, tmp_path):
    enrolments, choose = many(10), random.Random(1)
    broken = tmp_path / "many" / "broken.jpg"
    broken.write_text("not a photo")
    killed = 0
    with Gallery.create(tmp_path / "g.sqlite") as gallery:
        run = DescribeRun(gallery, pack, tmp_path / "results", to_describe([*enrolments, Enrolment(broken, "Kito")]))
        with run, RayPool(RayOptions(cluster)) as pool:
            assert pool.workers == 2
            for done, _ in enumerate(run.run(pool, 2)):
                killed += done in (0, 3, 6) and kill_a_worker(choose)
    assert killed == 3
    assert run.counts == {"enrolled": 10, "failed": 1}
    assert lost_and_doubled(tmp_path / "g.sqlite", tmp_path / "results", [each.path for each in enrolments]) == (0, 0)


def test_an_error_of_a_worker_is_the_error_of_the_command(cluster, pack, many):
    other = replace(pack.workers, sha256="0" * 64)
    tasks = list(enumerate(PhotoToDescribe(each) for each in many(1)))
    with RayPool(RayOptions(cluster)) as pool, pytest.raises(PackError, match="is another one"):
        list(pool.results(DescribeRecipe(other, NONE, NONE), tasks, 2))


def test_a_worker_that_fits_nowhere_is_refused(cluster):
    with pytest.raises(UsageError, match="--gpus-per-worker 1 does not fit"):
        RayPool(RayOptions(cluster, gpus=1.0))


@pytest.mark.parametrize("address", ["127.0.0.1:1", "no-such-host.invalid:6379"])
def test_a_cluster_that_cannot_be_reached_is_an_error_at_once(address):
    with pytest.raises(EngineError, match="There is no Ray cluster at"):
        RayPool(RayOptions(address))


@pytest.mark.parametrize("address", ["ray://head:10001", "head", "head:port"])
def test_what_is_no_address_is_refused(address):
    with pytest.raises(UsageError, match="is not the address of a Ray cluster"):
        RayPool(RayOptions(address))
