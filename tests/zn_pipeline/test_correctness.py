"""A result is never stale, and never computed twice: what a run must notice, and what it must not."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from types import ModuleType
from typing import Any

import pytest

import zn_pipeline as zn
from tests.zn_pipeline.conftest import Modules, Runner
from zn_pipeline.testing import TemporaryProject

both_executors = pytest.mark.parametrize(
    "executor",
    [zn.SequentialExecutor, lambda: zn.DaskExecutor(1)],
    ids=["sequential", "dask"],
)
