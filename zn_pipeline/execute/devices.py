"""The GPUs of this machine, dealt out to workers."""

from __future__ import annotations

import os
import re
from pathlib import Path

VISIBLE = "CUDA_VISIBLE_DEVICES"
_NVIDIA = re.compile(r"nvidia(\d+)\Z")


class Devices:
    """Which GPUs are free.

    Parameters
    ----------
    names : of the GPUs, as in ``CUDA_VISIBLE_DEVICES``; those that this process sees if not given
    """

    def __init__(self, names: list[str] | None = None) -> None:
        self._free = visible() if names is None else list(names)
        self._count = len(self._free)

    def take(self, demand: int) -> tuple[str, ...] | None:
        """Take GPUs for one worker; None if it has to wait.

        A node that demands more than there are gets all; where there are none it runs without.
        """
        wanted = min(demand, self._count)
        if wanted > len(self._free):
            return None
        taken, self._free = self._free[:wanted], self._free[wanted:]
        return tuple(taken)

    def give_back(self, names: tuple[str, ...]) -> None:
        """Let others have them."""
        self._free = [*names, *self._free]


def visible() -> list[str]:
    """Return the GPUs that this process may use."""
    told = os.environ.get(VISIBLE)
    if told is not None:
        return [name.strip() for name in told.split(",") if name.strip()]
    found = (_NVIDIA.match(path.name) for path in Path("/dev").glob("nvidia*"))
    return sorted((match[1] for match in found if match), key=int)
