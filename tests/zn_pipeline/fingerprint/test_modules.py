import sys
from pathlib import Path

import pytest

from zn_pipeline.fingerprint.modules import Import, complete, find_source, parse

SOURCE = '''\
"""Docstring."""
import os.path
import numpy as np
from . import sibling
from ..upper import thing as other
from stars import *

LIMIT: int = 3
LIMIT += 1
if LIMIT:
    A = 1
else:
    A = 2
try:
    import fast
except ImportError:
    fast = None
first, (second, *rest) = range(5), (1, 2)


def work(x):
    """Docstring."""
    from inner import tool

    return np.linalg.norm(x) + tool(LIMIT) + other.deep.name


class Thing(Base):
    """Docstring."""

    size: int = LIMIT


if __name__ == "__main__":
    SECRET = 1
'''


@pytest.fixture
def module(tmp_path: Path):
    file = tmp_path / "mod.py"
    file.write_text(SOURCE)
    return parse("package.sub.mod", file)


def test_names_that_a_module_binds(module):
    assert set(module.symbols) == {
        "LIMIT", "A", "fast", "first", "second", "rest", "work", "Thing"
    }  # fmt: skip
    assert len(module.symbols["LIMIT"].nodes) == 2
    assert len(module.symbols["A"].nodes) == 2
    assert module.imports == {
        "os": Import("os"),
        "np": Import("numpy"),
        "sibling": Import("package.sub", "sibling"),
        "other": Import("package.upper", "thing"),
        "fast": Import("fast"),
    }
    assert module.stars == ["stars"]


def test_what_a_symbol_refers_to(module):
    work = complete(module, module.symbols["work"])
    assert {("np", "linalg", "norm"), ("LIMIT",), ("tool",)} <= work.references
    assert ("other", "deep", "name") in work.references
    assert work.imports == {"tool": Import("inner", "tool")}
    assert "Docstring" not in work.text
    thing = complete(module, module.symbols["Thing"])
    assert {("Base",), ("LIMIT",)} <= thing.references


def test_an_edited_file_is_read_again(tmp_path: Path):
    file = tmp_path / "mod.py"
    file.write_text("a = 1\n")
    assert set(parse("mod", file).symbols) == {"a"}
    file.write_text("bcd = 1\n")
    assert set(parse("mod", file).symbols) == {"bcd"}


def test_sources_are_found_without_importing(tmp_path: Path, monkeypatch):
    monkeypatch.syspath_prepend(str(tmp_path))
    (tmp_path / "pack" / "deep").mkdir(parents=True)
    for name in ("pack/__init__.py", "pack/deep/__init__.py", "pack/one.py", "single.py"):
        (tmp_path / name).write_text("raise RuntimeError('imported')\n")
    assert find_source("pack") == tmp_path / "pack" / "__init__.py"
    assert find_source("pack.one") == tmp_path / "pack" / "one.py"
    assert find_source("pack.deep") == tmp_path / "pack" / "deep" / "__init__.py"
    assert find_source("single") == tmp_path / "single.py"
    for missing in ("pack.two", "single.sub", "no_such_module_at_all", "sys"):
        assert find_source(missing) is None
    assert "pack" not in sys.modules
