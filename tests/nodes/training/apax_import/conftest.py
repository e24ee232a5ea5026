import shutil
from pathlib import Path

import ase.io
import numpy as np
import pytest
from ase import Atoms
from ase.build import molecule

DATA = Path(__file__).parent / "data"


@pytest.fixture(scope="session")
def data() -> Path:
    """Models that apax trained, frames, and what apax predicts; see make_models.py."""
    return DATA


@pytest.fixture(scope="session")
def frames():
    return ase.io.read(DATA / "frames.extxyz", ":")


@pytest.fixture(scope="session")
def cluster() -> Atoms:
    """The one of make_models.py."""
    return Atoms("CuAu3", molecule("NH3").positions * 2.4)


@pytest.fixture
def copied(tmp_path):
    """Copy a model, so that a test may spoil it."""

    def copy(name: str) -> Path:
        return Path(shutil.copytree(DATA / name, tmp_path / name))

    return copy


@pytest.fixture(scope="session")
def expected():
    """What apax predicts with a model, as arrays by name."""

    def read(name: str) -> dict[str, np.ndarray]:
        with np.load(DATA / f"{name}.npz") as arrays:
            return dict(arrays)

    return read
