"""What a worker is told by its environment: how many threads, and which GPUs."""

from __future__ import annotations

import os

from zn_pipeline.resources import Resources

THREAD_VARIABLES: tuple[str, ...] = (
    "OMP_NUM_THREADS",
    "MKL_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "NUMEXPR_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS",
)


def worker_environment(resources: Resources, slot: int | None = None) -> dict[str, str]:
    """Return the variables of one worker.

    Parameters
    ----------
    resources : what the worker has
    slot : number of the worker on its machine, from 0; with it the GPUs of this machine are dealt
        out, without it (on batch systems) the GPUs are those that the scheduler says
    """
    variables = dict.fromkeys(THREAD_VARIABLES, str(resources.cpus))
    if slot is not None:
        variables["CUDA_VISIBLE_DEVICES"] = visible_gpus(resources.gpus, slot)
    return variables


def visible_gpus(gpus: int, slot: int) -> str:
    """Return the GPUs of one worker; of those that this process may see, where that is limited.

    Workers beyond the number of visible GPUs begin again with the first.
    """
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    places = range(slot * gpus, (slot + 1) * gpus)
    if visible is None:
        return ",".join(map(str, places))
    devices = [device.strip() for device in visible.split(",") if device.strip()]
    if not devices:
        return ""
    return ",".join(dict.fromkeys(devices[place % len(devices)] for place in places))
