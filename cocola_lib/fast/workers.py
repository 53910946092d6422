"""One call for many things at once: in processes of this machine (joblib), or by workers of Dask, here or on a cluster.

Queueing, retries and what happens when a worker is lost are joblib's and `dask.distributed`'s. Grids of experiments
(`training.grids`) and long tables of pairs (`cocola score --pairs`) go through this one door.
"""

import contextlib
import warnings
from collections.abc import Callable, Generator, Sequence
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from functools import partial
from typing import Any

from cocola_lib.extras import need

BACKENDS = ("local", "dask")


@dataclass(frozen=True)
class Workers:
    """Who does the work.

    Attributes:
        backend: "local": processes of this machine; "dask": workers of `dask.distributed`.
        n_workers: processes on this machine, which share out its cores; None: one per core. A single "local" one is
            this process itself.
        scheduler: address of a running Dask scheduler, such as "tcp://10.0.0.1:8786", whose workers see the same
            files; None: a cluster on this machine, for as long as there is work.

    Raises:
        ValueError: an unknown backend, less than one worker, or a scheduler where it means nothing.
    """

    backend: str = "local"
    n_workers: int | None = None
    scheduler: str | None = None

    def __post_init__(self):
        if self.backend not in BACKENDS:
            raise ValueError(f"backend is {self.backend!r}; use {', '.join(BACKENDS)}")
        if self.n_workers is not None and self.n_workers < 1:
            raise ValueError(f"n_workers is {self.n_workers}; it must be at least 1")
        if self.scheduler is not None and (self.backend != "dask" or self.n_workers is not None):
            other = "n_workers: it has workers of its own" if self.backend == "dask" else "backend 'local': use 'dask'"
            raise ValueError(f"scheduler is {self.scheduler!r}, which does not go with {other}")

    def map(self, call: Callable[[Any], Any], items: Sequence) -> Generator[tuple[int, Any], None, None]:
        """Call a function with each of many things; results come as they are ready.

        Whoever leaves early, by an error or Ctrl-C, closes the generator: then no process of this machine works on.

        Args:
            call: a function of one argument that other processes can import.
            items: its arguments, picklable. One whose Dask worker is lost goes to another worker.

        Yields:
            (index of the item, result); the result is the exception where the call raised, or took its workers down.

        Raises:
            ExtraMissing: Dask is not installed.
            ChildProcessError: a process of the "local" backend died.
            OSError: no scheduler answers at the address.
        """
        if self.backend == "dask" and items:
            return self._by_dask(call, items)
        n = min(self.n_workers or _cores(), len(items))
        return self._by_processes(call, items, n) if n > 1 else (_attempt(call, one) for one in enumerate(items))

    def _by_processes(self, call, items, n):
        import joblib
        from joblib.externals.loky import get_reusable_executor

        warnings.filterwarnings("ignore", "A worker stopped", module="joblib")  # it is replaced; the task is not lost
        with joblib.parallel_config("loky", n_jobs=n, inner_max_num_threads=_cores() // n or 1):
            pool = joblib.Parallel(return_as="generator_unordered", batch_size=1)
        try:
            yield from pool(joblib.delayed(_attempt)(call, numbered) for numbered in enumerate(items))
        except BrokenProcessPool:
            raise ChildProcessError(
                "a worker process died, perhaps for want of memory; what is finished is kept, and the same call goes "
                "on: with fewer workers, or with Dask, which gives the work of a lost worker to another one"
            ) from None
        finally:
            get_reusable_executor(reuse=True).shutdown(wait=True, kill_workers=True)

    def _by_dask(self, call, items):
        need("grid", "dask", "distributed")
        from distributed import as_completed

        with self._client(len(items)) as client:
            futures = client.map(partial(_attempt, call), list(enumerate(items)), pure=False)
            index = {future.key: i for i, future in enumerate(futures)}
            try:
                for future in as_completed(futures, loop=client.loop):
                    error = future.exception()  # waits once more where a result was lost with its worker
                    yield (index[future.key], error) if error is not None else future.result()
                    future.release()  # or the loss of the worker that holds the result would ask for it again
            finally:
                client.cancel(futures)

    @contextlib.contextmanager
    def _client(self, n_items):
        """A client of the scheduler, or of a cluster on this machine that ends with the block."""
        from distributed import Client, LocalCluster

        if self.scheduler is not None:
            try:
                client = Client(self.scheduler, set_as_default=False)
            except (OSError, ValueError) as error:
                raise OSError(f"{self.scheduler}: no Dask scheduler answers there ({error})") from None
            with client:
                yield client
            return
        n = max(1, min(self.n_workers or _cores(), n_items))
        options = {  # no page to watch; no limit of memory, at which Dask would pause a worker for good
            "host": "127.0.0.1",
            "dashboard_address": "127.0.0.1:0",
            "scheduler_kwargs": {"dashboard": False},
            "memory_limit": 0,
        }
        with (
            _configured(threads=_cores() // n or 1),
            LocalCluster(n, threads_per_worker=1, **options) as cluster,
            Client(cluster, set_as_default=False) as client,
        ):
            yield client


def _attempt(call, numbered):
    """(index, result or exception) of one call."""
    i, item = numbered
    try:
        return i, call(item)
    except Exception as error:
        return i, error


def _cores() -> int:
    """The cores that this process may use."""
    import joblib

    return joblib.cpu_count()


def _configured(threads: int):
    """Dask's configuration while a cluster of this machine works: threads of each worker; one item at a time.

    Workers may have processes of their own (loaders of data), and an item waits at the scheduler until a worker is
    free, so that a lost worker takes one item with it.
    """
    import dask

    names = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")
    return dask.config.set(
        {f"distributed.nanny.pre-spawn-environ.{name}": threads for name in names}
        | {"distributed.worker.daemon": False, "distributed.scheduler.worker-saturation": 1.0}
    )
