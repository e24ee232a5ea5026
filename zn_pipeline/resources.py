"""What a node needs of a machine."""

from __future__ import annotations

import dataclasses


@dataclasses.dataclass(frozen=True, slots=True)
class Resources:
    """Demand of one node; never part of what makes a node stale.

    Parameters
    ----------
    cpus : number of CPU cores
    gpus : number of GPUs; for batch systems
    memory_gib : memory in GiB, None for no limit; for batch systems
    walltime_minutes : a node that runs longer fails; None for no limit
    retries : how often a failed node is tried again within one run
    """

    cpus: int = 1
    gpus: int = 0
    memory_gib: float | None = None
    walltime_minutes: float | None = None
    retries: int = 0

    def __post_init__(self) -> None:
        if self.cpus < 1:
            raise ValueError(f"Resources.cpus must be at least 1, received {self.cpus}")
        if self.gpus < 0:
            raise ValueError(f"Resources.gpus must not be negative, received {self.gpus}")
        if self.retries < 0:
            raise ValueError(f"Resources.retries must not be negative, received {self.retries}")
        for name in ("memory_gib", "walltime_minutes"):
            value = getattr(self, name)
            if value is not None and value <= 0:
                raise ValueError(f"Resources.{name} must be positive or None, received {value}")

    def merge(self, other: Resources) -> Resources:
        """Return the demand that satisfies both."""
        return Resources(
            cpus=max(self.cpus, other.cpus),
            gpus=max(self.gpus, other.gpus),
            memory_gib=_largest(self.memory_gib, other.memory_gib),
            walltime_minutes=_largest(self.walltime_minutes, other.walltime_minutes),
            retries=max(self.retries, other.retries),
        )


def _largest(first: float | None, second: float | None) -> float | None:
    given = [value for value in (first, second) if value is not None]
    return max(given) if given else None
