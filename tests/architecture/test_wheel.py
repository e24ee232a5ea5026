"""The wheel holds the two packages, typed, and nothing else."""

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest


@pytest.fixture(scope="module")
def wheel_names(root: Path, tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    folder = tmp_path_factory.mktemp("wheel")
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)],
        cwd=root,
        check=True,
        capture_output=True,
    )
    (wheel,) = folder.glob("zn_pipeline-*.whl")
    with zipfile.ZipFile(wheel) as archive:
        return archive.namelist()


def test_the_wheel_holds_the_two_packages_alone(wheel_names: list[str]):
    tops = {name.split("/")[0] for name in wheel_names if ".dist-info/" not in name}
    assert tops == {"nodes", "zn_pipeline"}


@pytest.mark.parametrize(
    "name", ["zn_pipeline/py.typed", "nodes/py.typed", "nodes/__init__.pyi", "nodes/__init__.py"]
)
def test_the_wheel_is_typed(wheel_names: list[str], name: str):
    assert name in wheel_names


def test_the_wheel_carries_the_licence(wheel_names: list[str]):
    assert any(name.endswith("/licenses/LICENSE") for name in wheel_names)
