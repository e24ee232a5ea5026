"""Which frames belong together: lists within lists, as ranges of frame numbers.

As text, a nesting is counts and brackets: ``<2><1<3>>1`` stands for two frames in a group, a group
of one frame and a group of three, and one frame by itself. A set without groups has no nesting.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import pairwise
from typing import NamedTuple

import numpy as np

_TOKEN = re.compile(r"\d+|[<>]")


class Group(NamedTuple):
    """Neighbouring frames that belong together.

    Attributes
    ----------
    start, stop
        First frame of the group, and the one after its last.
    groups
        Groups within it, in order; frames outside all of them stand by themselves.
    name
        File that the group was read from, "" elsewhere.
    """

    start: int
    stop: int
    groups: tuple[Group, ...] = ()
    name: str = ""

    def shifted(self, offset: int) -> Group:
        """The same group, `offset` frames later."""
        groups = tuple(group.shifted(offset) for group in self.groups)
        return Group(self.start + offset, self.stop + offset, groups, self.name)


class NestingRecorder:
    """Builds a nesting while frames are counted and groups are begun and ended."""

    def __init__(self) -> None:
        self.n_frames = 0
        self.n_groups = 0
        self._open: list[tuple[int, list[Group]]] = [(0, [])]

    def frames(self, count: int = 1) -> None:
        """Count frames into the innermost open group."""
        self.n_frames += count

    def begin(self) -> None:
        """Begin a group."""
        self.n_groups += 1
        self._open.append((self.n_frames, []))

    def end(self) -> None:
        """End the innermost group; without one, nothing happens."""
        if len(self._open) > 1:
            start, groups = self._open.pop()
            self._open[-1][1].append(Group(start, self.n_frames, tuple(groups)))

    def feed(self, text: str) -> None:
        """Continue with a piece of the text form; brackets may be unbalanced."""
        for token in _TOKEN.findall(text):
            if token == "<":
                self.begin()
            elif token == ">":
                self.end()
            else:
                self.frames(int(token))

    def root(self) -> Group | None:
        """The whole set, or None if it has no groups; ends what is open."""
        while len(self._open) > 1:
            self.end()
        groups = tuple(self._open[0][1])
        return Group(0, self.n_frames, groups) if groups else None


def parse_nesting(text: str) -> Group | None:
    """Inverse of `nesting_text`."""
    recorder = NestingRecorder()
    recorder.feed(text)
    return recorder.root()


def nesting_text(root: Group) -> str:
    """Text form of what is inside `root`."""
    parts: list[str] = []
    at = root.start
    for group in root.groups:
        if group.start > at:
            parts.append(str(group.start - at))
        parts.append(f"<{nesting_text(group)}>")
        at = group.stop
    if root.stop > at:
        parts.append(str(root.stop - at))
    return "".join(parts)


def split_top(root: Group | None, frames: np.ndarray) -> Iterator[tuple[Group | None, int, int]]:
    """Top level of a selection of frames, from one group or run of single frames to the next.

    Parameters
    ----------
    root
        Group that the frames are in, None if they stand by themselves.
    frames
        Frame numbers, int64, in any order.

    Yields
    ------
    group
        The group, or None for neighbours that are in none.
    low, high
        Range of positions in `frames`.
    """
    if root is None:
        if len(frames):
            yield None, 0, len(frames)
        return
    if len(frames) == root.stop - root.start and np.array_equal(
        frames, np.arange(root.start, root.stop)
    ):
        yield from _split_whole(root)
        return
    groups = [group for group in root.groups if group.stop > group.start]
    starts = np.array([group.start for group in groups], dtype=np.int64)
    stops = np.array([group.stop for group in groups], dtype=np.int64)
    owner = np.searchsorted(starts, frames, side="right") - 1
    if len(groups):
        owner[frames >= stops[owner]] = -1  # also where owner is -1: stops[-1] is the last one
    edges = [0, *(np.flatnonzero(np.diff(owner)) + 1).tolist(), len(frames)]
    for low, high in pairwise(edges):
        if high > low:
            yield (groups[owner[low]] if owner[low] >= 0 else None), low, high


def _split_whole(root: Group) -> Iterator[tuple[Group | None, int, int]]:
    at = root.start
    for group in root.groups:
        if group.start > at:
            yield None, at - root.start, group.start - root.start
        yield group, group.start - root.start, group.stop - root.start
        at = group.stop
    if root.stop > at:
        yield None, at - root.start, root.stop - root.start


def restrict(root: Group | None, frames: np.ndarray) -> Group | None:
    """Nesting of a selection of frames, which are counted from 0 on in the result."""
    groups = _restricted(root, frames, 0) if root is not None else ()
    return Group(0, len(frames), groups) if groups else None


def _restricted(root: Group, frames: np.ndarray, offset: int) -> tuple[Group, ...]:
    return tuple(
        Group(
            offset + low,
            offset + high,
            _restricted(group, frames[low:high], offset + low) if group.groups else (),
            group.name,
        )
        for group, low, high in split_top(root, frames)
        if group is not None
    )
