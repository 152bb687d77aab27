"""Workers on Ray: the one module that knows it. Each worker is an actor of Ray Data, which holds the pack and gets one batch after another.

Ray Data starts a batch again where its worker died, and gives out no more batches while results wait to be taken over.
"""

from __future__ import annotations

import contextlib
import logging
import os
import pickle
import socket
import sys
import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Any

from reid_edge.bulk.running import MOST_LOST, Task
from reid_edge.bulk.worker import Worker, WorkerRecipe, process_safely
from reid_edge.errors import EngineError, ReidEdgeError, UsageError
from reid_edge.threads import default_threads

os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # before Ray is imported: it reports to nobody
os.environ.setdefault("RAY_TQDM", "0")
os.environ.setdefault("RAY_BACKEND_LOG_LEVEL", "fatal")  # it writes to the terminal what is of no use there

import pyarrow as pa
import ray
import ray.data
from ray.data import ActorPoolStrategy, ExecutionResources
from ray.util.annotations import RayDeprecationWarning

LOCAL = "local"
"""The address of a Ray that is started on this machine for the command, and ends with it."""

_CONNECT_SECONDS = 5.0
_ATTEMPTS = 3  # to start a Ray here, which gives up where the machine is busy
_TASKS_AT_A_TIME = 50_000  # they lie in Ray's memory
_RETRIES = 2  # of a batch, within one pass
_STUCK_SECONDS = 900.0  # without a result or a new batch: a machine of the cluster is gone
_LOCAL_MEMORY = 256_000_000  # bytes for batches and results; Ray wants 75 MB at least


@dataclass(frozen=True)
class RayOptions:
    """How many workers, and where.

    Attributes:
        address: of a cluster, `HOST:PORT` or `auto` for the one that this machine belongs to; `local`.
        workers: how many; None for as many as there are processors or GPUs for.
        cpus, gpus: that each worker takes; a share of a GPU is possible.
        in_order: results come in the order of the tasks.
    """

    address: str = LOCAL
    workers: int | None = None
    cpus: int = 1
    gpus: float = 0.0
    in_order: bool = False


class RayPool:
    """Connected to a Ray; a context manager. A process has one at a time."""

    def __init__(self, options: RayOptions) -> None:
        """Start a Ray here, or connect to a cluster.

        Raises:
            UsageError: the address is none, or no machine of the cluster has what a worker takes.
            EngineError: the cluster cannot be reached, or has another Ray or Python.
        """
        self._options = options
        _connect(options)
        try:
            self.workers = _number_of_workers(options)
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> RayPool:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """End the workers, and a Ray that was started for them."""
        ray.shutdown()

    def results(self, recipe: WorkerRecipe, tasks: Sequence[Task], batch: int) -> Iterator[list[Task]]:
        """See `reid_edge.bulk.running.Pool`."""
        for start in range(0, len(tasks), _TASKS_AT_A_TIME):
            yield from self._pass(recipe, tasks[start : start + _TASKS_AT_A_TIME], batch)

    def _pass(self, recipe: WorkerRecipe, tasks: Sequence[Task], batch: int) -> Iterator[list[Task]]:
        batches = [_table(tasks[start : start + batch]) for start in range(0, len(tasks), batch)]
        workers = min(self.workers, len(batches))
        shared = ray.put(recipe)
        self._configure(ray.data.DataContext.get_current())
        with warnings.catch_warnings():
            # The limit of retries has no named parameter yet; pyproject.toml keeps to the versions of Ray that take it so.
            warnings.simplefilter("ignore", RayDeprecationWarning)
            dataset = ray.data.from_arrow(batches).map_batches(
                _RayWorker,
                fn_constructor_args=(shared,),
                batch_size=batch if self._options.gpus else None,  # a table either way; Ray wants a number where there are GPUs
                batch_format="pyarrow",
                compute=ActorPoolStrategy(size=workers, max_tasks_in_flight_per_actor=2),
                num_cpus=self._options.cpus,
                num_gpus=self._options.gpus or None,
                max_restarts=-1,
                max_task_retries=_RETRIES,
            )
        try:
            for table in dataset.iter_batches(batch_size=None, batch_format="pyarrow", prefetch_batches=0):
                results = _tasks(table)
                for _, result in results:
                    if isinstance(result, ReidEdgeError):
                        raise result
                yield results
        except ray.exceptions.RayError as error:
            # What has no result yet is tried again, as long as some have got one; see `work_through`.
            logging.getLogger(__name__).debug("a pass on Ray ended early", exc_info=error)
        except ray.data.exceptions.ExecutionTimeoutError as error:
            logging.getLogger(__name__).debug("a pass on Ray stood still", exc_info=error)

    def _configure(self, context: Any) -> None:
        context.enable_progress_bars = False
        context.print_on_execution_start = False
        context.max_errored_blocks = MOST_LOST
        context.execution_no_progress_timeout_s = _STUCK_SECONDS
        context.execution_options.preserve_order = self._options.in_order
        if self._options.address == LOCAL:
            context.execution_options.resource_limits = ExecutionResources.for_limits(object_store_memory=_LOCAL_MEMORY // 2)


class _RayWorker:
    """In a process of Ray's. The pack is loaded with the first batch: a worker that dies in between is started again."""

    def __init__(self, recipe: Any) -> None:
        self._recipe: WorkerRecipe = ray.get(recipe)
        self._worker: Worker | None = None

    def __call__(self, batch: pa.Table) -> pa.Table:
        tasks = _tasks(batch)
        try:
            self._worker = self._worker or self._recipe.open()
            results = process_safely(self._worker, [value for _, value in tasks])
        except ReidEdgeError as error:
            return _table([(tasks[0][0], error)])
        except Exception as error:
            return _table(
                [(tasks[0][0], EngineError(f"A worker cannot start: {type(error).__name__}: {error}", "See Ray's log."))]
            )
        return _table([(number, result) for (number, _), result in zip(tasks, results, strict=True)])


def _table(tasks: Sequence[Task]) -> pa.Table:
    numbers, values = pa.array([number for number, _ in tasks], pa.int64()), [pickle.dumps(value) for _, value in tasks]
    return pa.table({"number": numbers, "value": pa.array(values, pa.large_binary())})


def _tasks(table: pa.Table) -> list[Task]:
    return [(row["number"], pickle.loads(row["value"])) for row in table.to_pylist()]


def _connect(options: RayOptions) -> None:
    address, further = options.address, {}
    if address == LOCAL:
        cores = max(default_threads(), (options.workers or 1) * options.cpus)
        further = {"num_cpus": cores, "object_store_memory": _LOCAL_MEMORY, "include_dashboard": False}
    elif address != "auto":
        _reach(address)
    for attempt in range(_ATTEMPTS if address == LOCAL else 1):
        try:
            with _quiet_stderr():
                ray.init(address=address, log_to_driver=False, logging_level=logging.ERROR, **further)
            break
        except Exception as error:  # Ray raises bare exceptions
            ray.shutdown()
            if address == LOCAL and attempt + 1 < _ATTEMPTS:
                continue
            reason = (str(error).strip() or type(error).__name__).splitlines()[0]
            where = "on this machine" if address == LOCAL else f"at {address}"
            raise EngineError(
                f"Ray {where} cannot be used: {reason}",
                "Look with `ray status` on a machine of the cluster; all machines need the same versions of Ray and Python, and the same "
                "RAY_AUTH_MODE and token."
                if address != LOCAL
                else "Where the machine is busy, try again later. Ray's logs are in /tmp/ray/session_latest/logs.",
            ) from error
    for handler in logging.getLogger("ray.data").handlers:
        if isinstance(handler, logging.StreamHandler):
            handler.setLevel(logging.CRITICAL + 1)  # its file keeps all


@contextlib.contextmanager
def _quiet_stderr() -> Iterator[None]:
    """What Ray's own code in C++ writes to the terminal is left out; what it finds wrong, it raises."""
    sys.stderr.flush()
    kept, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, 2)
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)


def _reach(address: str) -> None:
    """Ray itself tries for a minute or more."""
    host, _, port = address.rpartition(":")
    if "://" in address or not host or not port.isdecimal():
        raise UsageError(
            f"{address} is not the address of a Ray cluster.",
            "Give HOST:PORT as `ray start --head` printed it, on a machine of the cluster; auto; or local.",
        )
    try:
        socket.create_connection((host.strip("[]"), int(port)), _CONNECT_SECONDS).close()
    except (OSError, OverflowError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise EngineError(
            f"There is no Ray cluster at {address}: {reason}.",
            "Start one: ray start --head; or leave --address out to work on this machine.",
        ) from None


def _number_of_workers(options: RayOptions) -> int:
    machines = [node["Resources"] for node in ray.nodes() if node["Alive"]]
    fitting = sum(_fitting(each, options) for each in machines)
    if not fitting:
        raise UsageError(
            f"A worker of --cpus-per-worker {options.cpus} and --gpus-per-worker {options.gpus:g} does not fit.",
            "Ray has machines with " + "; ".join(sorted({_in_words(each) for each in machines})) + ".",
        )
    return min(options.workers or fitting, fitting)


def _fitting(machine: Mapping[str, float], options: RayOptions) -> int:
    """How many workers fit on a machine: processors of one and the GPU of another make none."""
    fitting = int(machine.get("CPU", 0) // options.cpus)
    return min(fitting, int(machine.get("GPU", 0) / options.gpus + 1e-9)) if options.gpus else fitting


def _in_words(machine: Mapping[str, float]) -> str:
    return f"{machine.get('CPU', 0):g} processors and {machine.get('GPU', 0):g} GPUs"
