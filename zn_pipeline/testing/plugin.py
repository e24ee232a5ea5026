"""Pytest plugin: the fixture ``tmp_project``."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from zn_pipeline.testing.projects import TemporaryProject


@pytest.fixture
def tmp_project(tmp_path: Path) -> Iterator[TemporaryProject]:
    """A throw-away Git and DVC repository as working directory."""
    from zn_pipeline.testing.projects import TemporaryProject  # noqa: PLC0415 - light plugin

    project = TemporaryProject(tmp_path)
    yield project
    project.close()
