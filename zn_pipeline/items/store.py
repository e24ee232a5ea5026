"""The item store: results by key, kept in segments, found by an index, shared by all branches."""

from __future__ import annotations

import contextlib
import os
import shutil
import threading
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, Final

from zn_pipeline.errors import PipelineError
from zn_pipeline.fingerprint.recipe import Recipe
from zn_pipeline.items.index import Facts, Index, Segment
from zn_pipeline.items.leases import Leases
from zn_pipeline.items.records import Entry, ItemRecord, Place
from zn_pipeline.items.segment import DamagedError, SegmentWriter, check, may_grow
from zn_pipeline.items.values import decode, encode
from zn_pipeline.store.repository import Repository
from zn_pipeline.store.work_trees import main_tree

REMOVED: Final = "removed.txt"
"""File in the folder of a store: names of segments that were thrown away."""

_MAX_OPEN: Final = 64
_NO_STRUCTURE: Final = bytes(16)


class ItemStore:
    """Results of single items.

    Parameters
    ----------
    folder : where the store lies; it is made when the first record is written

    Attributes
    ----------
    segments : folder of the segments, which hold all that is known
    index : finds records; can be removed at any time
    leases : who computes what

    Notes
    -----
    One object may be used from several threads and after a fork; its making touches no file.
    """

    def __init__(self, folder: Path | str) -> None:
        self.folder = Path(folder).absolute()
        self.segments = self.folder / "segments"
        self.index = Index(self.folder / "index.sqlite", self.segments)
        self.leases = Leases(self.folder / "leases.sqlite")
        self._writer = SegmentWriter(self.segments)
        self._files: dict[str, int] = {}
        self._recipes: set[bytes] = set()
        self._lock = threading.Lock()

    @classmethod
    def default(cls, start: Path | None = None) -> ItemStore:
        """Return the store of the DVC repository around a folder, else ``.zn_items`` in it.

        Parameters
        ----------
        start : the working directory if not given
        """
        return cls(default_folder(start))

    def close(self) -> None:
        """Close all files; they are opened again when needed."""
        self._writer.close()
        self.index.close()
        self.leases.close()
        with self._lock:
            for file in self._files.values():
                os.close(file)
            self._files.clear()

    # Finding and reading.

    def find(self, keys: Sequence[bytes], *, refresh: bool = True) -> dict[bytes, Entry]:
        """Return the entries of those keys that are known, failures too.

        Parameters
        ----------
        refresh : look first at what other writers have appended since
        """
        if refresh:
            self.index.refresh()
        return self.index.find(keys)

    def refresh(self) -> None:
        """Look at what writers have appended, and at what else became of the segments."""
        self.index.refresh()

    def rebuild(self) -> None:
        """Make the index anew from the segments."""
        self.index.drop()
        self.index.refresh()

    def read(self, place: Place, key: bytes | None = None) -> Any:
        """Return the value of a record.

        Parameters
        ----------
        key : of the record; with it, one that was moved meanwhile is found again

        Raises
        ------
        DamagedError
            If the record is not what was written; from now on its key counts as not done.
        """
        try:
            return decode(self._body(place, key))
        except DamagedError:
            if key is None:
                raise
            self.index.refresh()
            entry = self.index.find([key]).get(key)
            if entry is None or entry.place == place:
                raise
            return decode(self._body(entry.place, key))

    def read_many(
        self, places: Iterable[Place], keys: Iterable[bytes] | None = None
    ) -> Iterator[Any]:
        """Yield the values of records, in the order given; see :meth:`read`."""
        if keys is None:
            yield from map(self.read, places)
        else:
            yield from map(self.read, places, keys)

    def read_frame(self, place: Place) -> bytes:
        """Return the bytes of a record as they lie in the file, unchecked.

        Raises
        ------
        DamagedError
            If the segment is not there.
        """
        try:
            with self._lock:
                return os.pread(self._file(place.segment), place.size, place.offset)
        except FileNotFoundError:
            raise DamagedError(
                f"segment {place.segment} must be in {self.segments}, but is not; "
                "its records count as not done"
            ) from None

    def _body(self, place: Place, key: bytes | None) -> memoryview:
        try:
            try:
                frame, body = check(self.read_frame(place), place)
            except DamagedError:  # of a file that was replaced since it was opened?
                self._release(place.segment)
                frame, body = check(self.read_frame(place), place)
            if key is not None and frame.key != key:
                raise DamagedError(
                    f"the record in {place.segment} at byte {place.offset} must have the key "
                    f"{key.hex()}, received {frame.key.hex()}; it counts as not done"
                )
        except DamagedError:
            self.index.forget_place(place)
            raise
        return body

    def _file(self, segment: str) -> int:
        file = self._files.get(segment)
        if file is None:
            file = os.open(self.segments / segment, os.O_RDONLY | os.O_CLOEXEC)
            if len(self._files) >= _MAX_OPEN:
                os.close(self._files.pop(next(iter(self._files))))
            self._files[segment] = file
        return file

    def _release(self, segment: str) -> None:
        with self._lock:
            file = self._files.pop(segment, None)
            if file is not None:
                os.close(file)

    def may_grow(self, segment: Segment) -> bool:
        """Whether a writer may still add to a segment."""
        return not segment.closed and may_grow(self.segments / segment.name)

    # Writing.

    def writer(self) -> SegmentWriter:
        """Return the writer of this process."""
        return self._writer

    def add(self, entries: Iterable[tuple[Facts, Place]]) -> None:
        """Take over what writers report; the bodies of the records are not looked at."""
        self.index.add(entries)

    def put(self, records: Iterable[ItemRecord]) -> list[Place]:
        """Write records and let the index know; return where they lie."""
        written = [(record, self._writer.append(record)) for record in records]
        self.index.add(written)
        return [place for _, place in written]

    def adopt(self, segment: Path) -> None:
        """Take a segment that was written elsewhere, or as much of it as there is by now."""
        target = self.segments / segment.name
        if target.exists() and target.stat().st_size >= segment.stat().st_size:
            return
        self.segments.mkdir(parents=True, exist_ok=True)
        part = target.with_name(f".{segment.name}.{os.getpid()}.part")
        shutil.copyfile(segment, part)
        os.replace(part, target)
        self._release(segment.name)

    def note_recipe(self, recipe: Recipe) -> None:
        """Keep the text of a recipe, once, so that it can be told later what a result is of."""
        if recipe.id in self._recipes:
            return
        if recipe.id not in self.index.find([recipe.id]):
            body = encode(dict(recipe.text))
            self.put([ItemRecord(recipe.id, recipe.id, _NO_STRUCTURE, "recipe", body)])
        self._recipes.add(recipe.id)

    def recipe(self, identity: bytes) -> dict[str, Any] | None:
        """Return the text of a recipe, None if it is not known."""
        entry = self.index.find([identity]).get(identity)
        if entry is None or entry.status != "recipe":
            return None
        with contextlib.suppress(DamagedError):
            text: dict[str, Any] = self.read(entry.place, identity)
            return text
        return None

    def scratch(self, key: bytes) -> Path:
        """Return the folder of an item that is kept between attempts; it is not made here."""
        return self.folder / "scratch" / key.hex()


def default_folder(start: Path | None = None) -> Path:
    """Return where the store of a folder lies.

    In the DVC cache of the repository around it, in that of the main work tree if it is one of
    several of one Git repository; without a DVC repository ``.zn_items`` in the folder.
    """
    folder = Path.cwd() if start is None else Path(start)
    try:
        repository = Repository.find(folder)
    except PipelineError:
        return folder / ".zn_items"
    if repository.cache.is_relative_to(repository.dvc_root):
        repository = Repository.find(main_tree(repository.dvc_root))
    return repository.cache / "zn_pipeline" / "items"
