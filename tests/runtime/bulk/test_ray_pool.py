"""Workers on a Ray cluster of two nodes: what one process would do, also where workers are killed and machines are lost."""

from __future__ import annotations

import contextlib
import json
import random
import shutil
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from reid_edge.bulk.describe import DescribeRun, to_describe
from reid_edge.bulk.describing import DescribeRecipe, PhotoToDescribe
from reid_edge.bulk.hashes import PhotoHashes
from reid_edge.engines.selection import available_devices
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


@dataclass(frozen=True)
class TwoNodes:
    """A cluster of two nodes with a processor each, which `--address auto` finds."""

    nodes: Any

    @property
    def address(self) -> str:
        return self.nodes.address

    def add(self, **resources: float) -> Any:
        """A further node."""
        for _ in range(ATTEMPTS):
            try:
                return self.nodes.add_node(object_store_memory=MEMORY, **LEAN, **resources)
            except Exception as error:  # as Ray raises it
                failure = error
        return pytest.skip(f"this machine is too busy to start a Ray: {failure}")

    def lose(self, node: Any) -> None:
        """All processes of a node are killed."""
        self.nodes.remove_node(node, allow_graceful=False)

    @contextlib.contextmanager
    def further(self, **resources: float) -> Iterator[Any]:
        """A further node, which ends with the test where that did not lose it."""
        node = self.add(**resources)
        try:
            yield node
        finally:
            if node in self.nodes.worker_nodes:
                self.lose(node)


@pytest.fixture(scope="module")
def cluster() -> Iterator[TwoNodes]:
    import ray
    from ray.cluster_utils import Cluster

    with tempfile.TemporaryDirectory(prefix="ray-") as folder, pytest.MonkeyPatch.context() as patch:
        patch.setenv("RAY_TMPDIR", folder)  # `auto` is the cluster that was started last in it
        patch.setenv(
            "RAY_AUTH_MODE", "disabled"
        )  # the utility starts nodes without a token, and `auto` would use one that it finds
        nodes = TwoNodes(Cluster())
        try:
            for _ in range(2):
                nodes.add(num_cpus=1)
            yield nodes
        finally:
            ray.shutdown()
            nodes.nodes.shutdown()


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
        with run, RayPool(RayOptions(cluster.address)) as pool:
            assert pool.workers == 2
            for done, _ in enumerate(run.run(pool, 2)):
                killed += done in (0, 3, 6) and kill_a_worker(choose)
    assert killed == 3
    assert run.counts == {"enrolled": 10, "failed": 1}
    assert lost_and_doubled(tmp_path / "g.sqlite", tmp_path / "results", [each.path for each in enrolments]) == (0, 0)


def test_an_error_of_a_worker_is_the_error_of_the_command(cluster, pack, many):
    other = replace(pack.workers, sha256="0" * 64)
    tasks = list(enumerate(PhotoToDescribe(each) for each in many(1)))
    with RayPool(RayOptions(cluster.address)) as pool, pytest.raises(PackError, match="is another one"):
        list(pool.results(DescribeRecipe(other, NONE, NONE), tasks, 2))


@pytest.mark.parametrize("takes", [{"gpus": 1.0}, {"cpus": 2}])
def test_a_worker_that_fits_on_no_machine_is_refused(cluster, takes):
    with pytest.raises(UsageError, match="does not fit") as refused:
        RayPool(RayOptions(cluster.address, **takes))
    assert refused.value.hint == "Ray has machines with 1 processors and 0 GPUs."


def test_a_machine_that_is_lost_while_it_works_loses_and_doubles_nothing(cluster, pack, many, tmp_path):
    enrolments = many(12)
    with Gallery.create(tmp_path / "g.sqlite") as gallery:
        run = DescribeRun(gallery, pack, tmp_path / "results", to_describe(enrolments))
        with cluster.further(num_cpus=1) as node, run, RayPool(RayOptions(cluster.address)) as pool:
            assert pool.workers == 3
            for done, _ in enumerate(run.run(pool, 1)):
                if done == 3:
                    cluster.lose(node)
    assert run.counts == {"enrolled": 12}
    assert lost_and_doubled(tmp_path / "g.sqlite", tmp_path / "results", [each.path for each in enrolments]) == (0, 0)


def test_workers_take_gpus_that_a_machine_has_and_one_that_cannot_use_its_gpu_is_an_error(cluster, pack, many):
    tasks = list(enumerate(PhotoToDescribe(each) for each in many(2)))
    with cluster.further(num_cpus=2, num_gpus=1):
        for gpus, workers in ((1.0, 1), (0.5, 2), (0.25, 2)):
            with RayPool(RayOptions(cluster.address, gpus=gpus)) as pool:
                assert pool.workers == workers
        with RayPool(RayOptions(cluster.address, gpus=0.5)) as pool:
            results = [result for part in pool.results(DescribeRecipe(pack.workers, NONE, NONE), tasks, 1) for result in part]
            assert sorted(number for number, _ in results) == [0, 1]
            if "cuda" not in {device.name for device in available_devices()}:
                recipe = DescribeRecipe(replace(pack.workers, device="cuda"), NONE, NONE)
                with pytest.raises(EngineError, match="cuda"):
                    list(pool.results(recipe, tasks, 1))


def test_answers_of_workers_on_the_cluster_of_this_machine_are_those_of_identify(
    cluster, run_main, samples, sample_gallery, answers, tmp_path
):
    folder = tmp_path / "photos"
    folder.mkdir()
    for name in ("trail_1.jpg", "trail_2.jpg"):
        shutil.copy(samples / "photos" / name, folder)
    (folder / "text.jpg").write_text("not a photo")
    asked = ("bulk", "identify", "photos", "--gallery", sample_gallery.path, "--device", "cpu", "--viewpoint", "left", "--json")
    done = run_main(*asked, "--address", "auto", "--batch", 1)
    assert done.returncode == 1
    assert "2 files answered.\n1 file that could not be read.\n" in done.stderr
    lines = {line["photo"]["name"]: line for line in map(json.loads, done.stdout.splitlines())}
    assert len(lines) == 3
    for name in ("trail_1.jpg", "trail_2.jpg"):
        assert (lines[name]["verdict"], lines[name]["identity"]) == (answers[name].verdict, answers[name].identity)
    again = run_main(*asked, "--address", "127.0.0.1:1")
    assert "Done before: 3 files." in again.stderr
    assert again.stdout == done.stdout


def test_an_audit_by_workers_finds_what_gallery_audit_finds(cluster, run_main, own_gallery, tmp_path):
    with Gallery.open(own_gallery) as gallery:
        gallery.split("Asha", [next(each.id for each in gallery.sightings() if each.photo_name == "asha_1.jpg")], "Zawadi")
    other = shutil.copy(own_gallery, tmp_path / "other.sqlite")
    bulk = run_main("bulk", "audit", "--gallery", own_gallery, "--address", cluster.address, "--device", "cpu", "--json")
    assert bulk.returncode == 0, bulk.stderr
    alone = run_main("gallery", "audit", "--gallery", other, "--device", "cpu", "--json")
    assert bulk.stdout.replace(str(own_gallery), str(other)) == alone.stdout
    assert "Zawadi" in bulk.stdout


@pytest.mark.parametrize("address", ["127.0.0.1:1", "no-such-host.invalid:6379"])
def test_a_cluster_that_cannot_be_reached_is_an_error_at_once(address):
    with pytest.raises(EngineError, match="There is no Ray cluster at"):
        RayPool(RayOptions(address))


@pytest.mark.parametrize("address", ["ray://head:10001", "head", "head:port"])
def test_what_is_no_address_is_refused(address):
    with pytest.raises(UsageError, match="is not the address of a Ray cluster"):
        RayPool(RayOptions(address))
