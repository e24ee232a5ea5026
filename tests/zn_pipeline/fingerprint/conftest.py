"""Digests need files to import and no repository: a folder of modules does."""

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from zn_pipeline.testing import TemporaryProject


class Folder(TemporaryProject):
    """A working directory for modules, without Git and DVC."""

    def __init__(self, folder: Path) -> None:
        self.path = folder.resolve()
        self._before = Path.cwd()
        self._sys_path = list(sys.path)
        os.chdir(self.path)


@pytest.fixture
def tmp_project(tmp_path: Path) -> Iterator[TemporaryProject]:
    """Return the folder that the modules of a test are written to."""
    folder = Folder(tmp_path)
    yield folder
    folder.close()
