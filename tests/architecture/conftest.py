"""What the fitness tests look at: the tree of the repository and its public names."""

import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def files_of_the_repository() -> list[Path]:
    """Return the files that Git tracks or would track, relative to the root of the repository."""
    listing = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    return sorted(Path(name) for name in listing.split("\0") if name and (ROOT / name).is_file())


@pytest.fixture(scope="session")
def root() -> Path:
    return ROOT


@pytest.fixture(scope="session")
def repository_files() -> list[Path]:
    return files_of_the_repository()


@pytest.fixture(scope="session")
def python_files(repository_files: list[Path]) -> list[Path]:
    return [path for path in repository_files if path.suffix == ".py"]


@pytest.fixture(scope="session")
def library_files(python_files: list[Path]) -> list[Path]:
    """Return the modules of the two shipped packages."""
    return [path for path in python_files if path.parts[0] in {"zn_pipeline", "nodes"}]
