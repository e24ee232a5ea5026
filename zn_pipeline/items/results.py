"""What a map returns: the outputs in the order of the input, and what became of each item."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from zn_pipeline.items.records import Failure
from zn_pipeline.serialize.frames import Frames


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

    __slots__ = ("_rows", "failures", "report")

    failures: list[Failure]
    report: MapReport
    _rows: Callable[[], Iterable[int]] | Iterable[int]

    @classmethod
    def of(
        cls,
        frames: Frames,
        rows: Callable[[], Iterable[int]] | Iterable[int],
        failures: list[Failure],
        report: MapReport,
    ) -> MapResults:
        """Return `frames` with what is known of their making."""
        made = cls.from_source(
            frames._source, frames._index, group=frames._group, name=frames._name
        )
        made._rows, made.failures, made.report = rows, failures, report
        return made

    def __reduce__(self) -> tuple[Any, ...]:
        return _restored, (
            Frames.from_source(self._source, self._index, group=self._group, name=self._name),
            self.rows.tolist(),
            self.failures,
            self.report,
        )

    @property
    def rows(self) -> np.ndarray:
        """Input row that each structure came from, int64 (n_frames,)."""
        if callable(self._rows):
            self._rows = self._rows()
        if not isinstance(self._rows, np.ndarray):
            self._rows = np.fromiter(self._rows, dtype=np.int64)
        return self._rows


def _restored(
    frames: Frames, rows: list[int], failures: list[Failure], report: MapReport
) -> MapResults:
    return MapResults.of(frames, rows, failures, report)


class MapValues(list[Any]):
    """All outputs of a map that are not structures, in the order of the input.

    Attributes
    ----------
    rows : int64 (n_values,), the input row that each value came from
    failures : items without a result, and why
    report : how many were computed, found, failed
    """

    def __init__(
        self,
        values: Iterable[Any],
        rows: Iterable[int],
        failures: list[Failure],
        report: MapReport,
    ) -> None:
        super().__init__(values)
        self.rows = np.fromiter(rows, dtype=np.int64)
        self.failures, self.report = failures, report
