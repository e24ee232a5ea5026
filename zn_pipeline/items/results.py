"""What a map returns: the outputs in the order of the input, and what became of each item."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from zn_pipeline.items.records import Failure
from zn_pipeline.serialize.frames import Frames

Origins = tuple[list[int], list[dict[str, Any]]]
"""For each output the row of the input, and the setting of the sweep."""


@dataclasses.dataclass(frozen=True)
class MapReport:
    """How many items of a map were computed, found, failed, or are not finished."""

    n_ok: int = 0
    n_cached: int = 0
    n_failed: int = 0
    n_pending: int = 0

    def __str__(self) -> str:
        text = f"{self.n_ok} computed, {self.n_cached} found in the store, {self.n_failed} failed"
        return text + (f", {self.n_pending} not finished" if self.n_pending else "")


class MapResults(Frames):
    """All output structures of a map, in the order of the input.

    Attributes
    ----------
    failures : items without a result, and why
    report : how many were computed, found, failed
    """

    __slots__ = ("_origins", "failures", "report")

    failures: list[Failure]
    report: MapReport
    _origins: Callable[[], Origins] | Origins

    @classmethod
    def of(
        cls,
        frames: Frames,
        origins: Callable[[], Origins] | Origins,
        failures: list[Failure],
        report: MapReport,
    ) -> MapResults:
        """Return `frames` with what is known of their making.

        Parameters
        ----------
        origins : row and setting of each structure, or a function that finds them
        """
        made = cls.from_source(
            frames._source, frames._index, group=frames._group, name=frames._name
        )
        made._origins, made.failures, made.report = origins, failures, report
        return made

    def __reduce__(self) -> tuple[Any, ...]:
        return _restored, (
            Frames.from_source(self._source, self._index, group=self._group, name=self._name),
            self._found(),
            self.failures,
            self.report,
        )

    @property
    def rows(self) -> np.ndarray:
        """Input row that each structure came from, int64 (n_frames,)."""
        return np.array(self._found()[0], dtype=np.int64)

    @property
    def settings(self) -> list[dict[str, Any]]:
        """Setting of the sweep that each structure came from; empty ones without a sweep."""
        return self._found()[1]

    def _found(self) -> Origins:
        if callable(self._origins):
            self._origins = self._origins()
        return self._origins


def _restored(
    frames: Frames, origins: Origins, failures: list[Failure], report: MapReport
) -> MapResults:
    return MapResults.of(frames, origins, failures, report)


class MapValues(list[Any]):
    """All outputs of a map that are not structures, in the order of the input.

    Attributes
    ----------
    rows : int64 (n_values,), the input row that each value came from
    failures : items without a result, and why
    report : how many were computed, found, failed
    settings : of a sweep, in which each value is a list over its settings: these settings
    """

    settings: list[list[dict[str, Any]]]

    def __init__(
        self,
        values: Iterable[Any],
        rows: Iterable[int],
        failures: list[Failure],
        report: MapReport,
    ) -> None:
        super().__init__(values)
        self.rows = np.fromiter(rows, dtype=np.int64)
        self.failures, self.report, self.settings = failures, report, []
