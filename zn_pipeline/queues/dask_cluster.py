"""Dask workers in a pool: processes here, or batch jobs that come and go with the work."""

from __future__ import annotations

import contextlib
import shlex
import signal
from collections.abc import Generator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psutil

from zn_pipeline.errors import MissingExtraError
from zn_pipeline.queues.environment import worker_environment
from zn_pipeline.queues.job import margin_seconds
from zn_pipeline.queues.pools import Pool
from zn_pipeline.queues.schedulers import scheduler_for
from zn_pipeline.queues.schedulers.base import queue_name
from zn_pipeline.queues.transport import Local
from zn_pipeline.resources import Resources

if TYPE_CHECKING:
    from distributed.deploy.cluster import Cluster

LOOPBACK = "127.0.0.1"
CLUSTERS = {"slurm": "SLURMCluster", "sge": "SGECluster", "pbs": "PBSCluster"}
# Only what `job_options` says stands in the head of a script: every line of Dask's own has this.
ALL_LINES = "#"
# Work for longer than this gets one more worker; tasks are made to take about as long.
TARGET_DURATION = "1s"
UNLIMITED = "1PiB"  # Dask takes the machine's memory where that is less


def cluster_for(
    pool: Pool, *, resources: Resources | None = None, folder: Path | None = None
) -> Cluster:
    """Return a cluster of up to `pool.workers` workers of one thread; without work there are none.

    It is closed by ``close()`` or by the end of a ``with`` block. It listens on loopback; if the
    pool names a network interface, there, with TLS and certificates of its own.

    Parameters
    ----------
    resources : what the work asks of a worker, on top of what the pool says
    folder : for logs and certificates; all nodes must see it

    Raises
    ------
    ValueError
        If the pool lies behind ssh: its workers would find no way back.
    MissingExtraError
        If ``dask-jobqueue`` is needed and not installed.
    """
    if pool.ssh is not None:
        raise ValueError(
            f"pool {pool.name!r} must not lie behind ssh for Dask, received host "
            f"{pool.ssh.host!r}; use mode 'detached'"
        )
    demand = pool.demand(resources)
    if pool.kind == "local":
        cluster = _local_cluster(demand)
        cluster.adapt(minimum=0, maximum=pool.workers, target_duration=TARGET_DURATION)
        return cluster
    try:
        with _signals_untouched():
            import dask_jobqueue
    except ImportError as error:
        raise MissingExtraError(
            f"pool {pool.name!r} of kind {pool.kind!r} needs dask-jobqueue for mode 'dask'; "
            "install zn-pipeline[jobqueue]"
        ) from error
    folder = folder or Path.home() / ".cache" / "zn_pipeline" / "dask"
    folder.mkdir(parents=True, exist_ok=True)
    cluster = getattr(dask_jobqueue, CLUSTERS[pool.kind])(**job_options(pool, demand, folder))
    cluster.adapt(minimum_jobs=0, maximum_jobs=pool.workers, target_duration=TARGET_DURATION)
    return cluster


@contextlib.contextmanager
def _signals_untouched() -> Generator[None]:
    """Keep a package from taking Ctrl-C over when it is imported, which fails in any thread."""
    real = signal.signal
    signal.signal = lambda *_: None  # type: ignore[assignment]
    try:
        yield
    finally:
        signal.signal = real


def job_options(pool: Pool, resources: Resources, folder: Path) -> dict[str, Any]:
    """Return the arguments for the cluster class of a batch system.

    The head of a worker's script is that of any job of the pool.
    """
    scheduler = scheduler_for(pool, Local(folder))
    name = queue_name("dask", str(folder), scheduler.name_limit)
    variables = {**worker_environment(resources), **pool.environment}
    memory = resources.memory_gib
    options: dict[str, Any] = {
        "cores": 1,
        "processes": 1,
        "memory": UNLIMITED if memory is None else f"{memory}GiB",
        "python": pool.python,
        "job_directives_skip": [ALL_LINES],
        "job_extra_directives": [*scheduler.options(name, resources), *pool.extra],
        "job_script_prologue": [
            *pool.directives,
            f"exec >>{shlex.quote(str(folder))}/worker-$(hostname)-$$.log 2>&1",
            *(f"export {key}={shlex.quote(value)}" for key, value in variables.items()),
            *pool.setup,
        ],
        "worker_extra_args": lifetime_options(resources.walltime_minutes),
        "scheduler_options": {"dashboard": False, "dashboard_address": f"{LOOPBACK}:0"},
        "interface": pool.interface or loopback_interface(),
        "shared_temp_directory": str(folder),
    }
    if options["interface"] != loopback_interface():
        from distributed.security import Security

        options["security"] = Security.temporary()
    return options


def lifetime_options(walltime_minutes: float | None) -> list[str]:
    """Return options that make workers leave before their walltime, one after the other.

    A worker that leaves by itself hands its results on; one that is killed loses them.
    """
    if walltime_minutes is None:
        return []
    seconds = walltime_minutes * 60
    margin = margin_seconds(seconds)
    return ["--lifetime", f"{seconds - 2 * margin:.0f}s", "--lifetime-stagger", f"{margin:.0f}s"]


def loopback_interface() -> str:
    """Return the name of the interface that leads to this machine alone."""
    for name, addresses in psutil.net_if_addrs().items():
        if any(address.address == LOOPBACK for address in addresses):
            return name
    return "lo"


def _local_cluster(resources: Resources) -> Any:
    """Return a cluster of processes here, each with the GPUs of its slot."""
    from distributed import LocalCluster

    class SlotCluster(LocalCluster):
        """A local cluster that gives each worker the smallest free slot."""

        def new_worker_spec(self) -> dict[Any, Any]:
            """Return name and settings of the next worker."""
            ((name, spec),) = dict[Any, Any](super().new_worker_spec()).items()
            taken = {known.get("slot") for known in self.worker_spec.values()}
            slot = next(number for number in range(len(taken) + 1) if number not in taken)
            environment = worker_environment(resources, slot)
            options = {**spec["options"], "env": environment}
            return {name: {**spec, "options": options, "slot": slot}}

    quiet = {"dashboard": False, "dashboard_address": f"{LOOPBACK}:0"}
    settings: dict[str, Any] = {"host": LOOPBACK, "scheduler_kwargs": quiet}
    return SlotCluster(n_workers=0, threads_per_worker=1, processes=True, **settings)
