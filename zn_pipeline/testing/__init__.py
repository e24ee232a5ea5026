"""What users test their own nodes with: ``check_node`` and the pytest fixture ``tmp_project``."""

from __future__ import annotations

from zn_pipeline.testing.contract import check_node as check_node
from zn_pipeline.testing.projects import TemporaryProject as TemporaryProject

__all__ = ["TemporaryProject", "check_node"]
