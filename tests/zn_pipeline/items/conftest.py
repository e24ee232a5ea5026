"""Structures, an item store of their own, and a count of evaluations."""

from __future__ import annotations

import hashlib
import importlib.util
import sys
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk

from zn_pipeline.fingerprint.recipe import Recipe
from zn_pipeline.items.records import ItemRecord, Place
from zn_pipeline.items.store import ItemStore
from zn_pipeline.items.values import encode


@pytest.fixture
def counting(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """Return the module of counting functions, importable by workers too."""
    name = "counting_items"
    if name not in sys.modules:
        file = Path(__file__).with_name("counting.py")
        spec = importlib.util.spec_from_file_location(name, file)
        assert spec is not None
        assert spec.loader is not None
        sys.modules[name] = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(sys.modules[name])
    monkeypatch.setenv("ZN_TEST_COUNT", str(tmp_path / "count"))
    return sys.modules[name]


@pytest.fixture
def evaluations(tmp_path: Path) -> Callable[[], int]:
    """Return a function that counts the evaluations since it was called last."""
    seen = 0

    def count() -> int:
        nonlocal seen
        file = tmp_path / "count"
        total = len(file.read_text().splitlines()) if file.exists() else 0
        new, seen = total - seen, total
        return new

    return count


@pytest.fixture
def structures() -> list[Atoms]:
    """Return ten rattled crystals with a name each."""
    rng = np.random.default_rng(0)
    made: list[Atoms] = []
    for number in range(10):
        atoms = bulk(("Cu", "Al")[number % 2], cubic=number % 3 == 0)
        atoms.positions += rng.normal(scale=0.05, size=atoms.positions.shape)
        atoms.info["name"] = number
        made.append(atoms)
    return made


@pytest.fixture
def store(tmp_path: Path) -> ItemStore:
    """Return an empty item store."""
    return ItemStore(tmp_path / "items")


class Maker:
    """Makes records by number; the value of a record is its number if none is given."""

    @staticmethod
    def key(number: int) -> bytes:
        return hashlib.blake2b(b"key%d" % number, digest_size=20).digest()

    def keys(self, numbers: Iterable[int]) -> list[bytes]:
        return [self.key(number) for number in numbers]

    @staticmethod
    def structure(number: int) -> bytes:
        return hashlib.blake2b(b"structure%d" % number, digest_size=16).digest()

    @staticmethod
    def recipe(function: str = "label", **params: object) -> Recipe:
        return Recipe.of({"schema": 1, "function": function, "code": "c1", "params": params})

    def record(self, number: int, value: object = None, status: str = "ok") -> ItemRecord:
        body = encode(number if value is None else value)
        recipe, structure = self.recipe().id, self.structure(number)
        return ItemRecord(self.key(number), recipe, structure, status, body, 0.25, 1)

    def fill(self, store: ItemStore, numbers: Iterable[int]) -> list[Place]:
        return store.put([self.record(number) for number in numbers])

    def found(self, store: ItemStore, numbers: Iterable[int]) -> list[int]:
        """Return which of the numbers have a result that can be read and is right."""
        wanted = {self.key(number): number for number in numbers}
        entries = store.find(list(wanted))
        good = [wanted[key] for key, entry in entries.items() if entry.status == "ok"]
        assert all(store.read(entries[self.key(n)].place, self.key(n)) == n for n in good)
        return sorted(good)

    @staticmethod
    def damage(store: ItemStore, place: Place, at: int = -1) -> None:
        """Change one byte of a record on the disk, its last one if not told otherwise."""
        path = store.segments / place.segment
        data = bytearray(path.read_bytes())
        data[place.offset + at % place.size] ^= 0xFF
        path.write_bytes(data)


@pytest.fixture
def made() -> Maker:
    """Return a maker of records."""
    return Maker()


@pytest.fixture
def item_store(tmp_path: Path) -> Iterator[ItemStore]:
    """Return an empty item store that is closed at the end."""
    store = ItemStore(tmp_path / "store")
    yield store
    store.close()
