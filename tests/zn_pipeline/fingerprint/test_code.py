import sys

import pytest

import zn_pipeline as zn
from zn_pipeline.errors import BuildError
from zn_pipeline.fingerprint.code import code_digest, import_path

MAIN = """\
{imports}


class Node:
    def run(self):
        return {call}
"""
TOOLS = "def tool(x):\n    return x + CONSTANT\n\n\nCONSTANT = 1\nOTHER = 2\n"


@pytest.mark.parametrize(
    ("imports", "call"),
    [
        ("from {tools} import tool", "tool(1)"),
        ("from {tools} import tool as t", "t(1)"),
        ("import {tools}", "{tools}.tool(1)"),
        ("import {tools} as t", "t.tool(1)"),
        ("from {tools} import *", "tool(1)"),
        ("", "inner()\n\ndef inner():\n    from {tools} import tool\n    return tool(1)"),
        ("import functools\nimport {tools}", "functools.partial({tools}.tool)(1)"),
        ("from {tools} import tool\n\nTABLE = {{'a': tool}}", "TABLE['a'](1)"),
        ("import {tools}\n\nclass Base:\n    f = staticmethod({tools}.tool)", "Base.f(1)"),
    ],
)
def test_what_is_reached_counts(modules, imports, call):
    tools = modules.make(TOOLS)
    source = MAIN.format(imports=imports, call=call).format(tools=tools.__name__)
    own = modules.make(source)
    before = code_digest(own.Node)
    tools = modules.edit(tools, ("OTHER = 2", "OTHER = 3"))
    assert code_digest(own.Node) == before, "what is not reached does not count"
    modules.edit(tools, ("CONSTANT = 1", "CONSTANT = 7"))
    assert code_digest(own.Node) != before


def test_packages_with_relative_imports_count(modules, tmp_project):
    tmp_project.write("pack_a/__init__.py", "from .tools import tool\n")
    tools = modules.make(TOOLS, "pack_a.tools")
    own = modules.make(MAIN.format(imports="from . import tool", call="tool(1)"), "pack_a.nodes")
    before = code_digest(own.Node)
    modules.edit(tools, ("x + CONSTANT", "x - CONSTANT"))
    assert code_digest(own.Node) != before


@pytest.mark.parametrize(
    ("imports", "call"),
    [
        ("from space_{n}.deep.tools import tool", "tool(1)"),
        ("from space_{n}.deep import tools", "tools.tool(1)"),
        ("import space_{n}.deep.tools", "space_{n}.deep.tools.tool(1)"),
    ],
)
def test_folders_without_init_count(modules, imports, call):
    n = len(imports)
    tools = modules.make(TOOLS, f"space_{n}.deep.tools")
    own = modules.make(MAIN.format(imports=imports, call=call).format(n=n))
    before = code_digest(own.Node)
    modules.edit(tools, ("CONSTANT = 1", "CONSTANT = 7"))
    assert code_digest(own.Node) != before


@pytest.mark.parametrize(
    "imports",
    [
        "try:\n    from {tools} import tool\nexcept ImportError:\n    tool = None",
        "if True:\n    from {tools} import tool\nelse:\n    from nowhere import tool",
    ],
)
def test_every_import_of_a_name_counts(modules, imports):
    tools = modules.make(TOOLS)
    source = MAIN.format(imports=imports, call="tool(1)").format(tools=tools.__name__)
    own = modules.make(source)
    before = code_digest(own.Node)
    modules.edit(tools, ("CONSTANT = 1", "CONSTANT = 7"))
    assert code_digest(own.Node) != before


@pytest.mark.parametrize(
    "change",
    [
        "TABLE['a'] = {value}",
        "TABLE['a']['b'] = {value}",
        "TABLE.update(a={value})",
        "setdefault(TABLE, {value})",
        "Thing.size = {value}",
        "for i in range(1):\n    def inner():\n        return {value}",
    ],
)
def test_changes_after_the_definition_count(modules, change):
    start = "TABLE = {'a': {}}\nclass Thing:\n    pass\nsetdefault = dict.setdefault\n"
    start = start.replace("{", "{{").replace("}", "}}") + change
    own = modules.make(
        start.format(value=1)
        + "\nclass Node:\n    def run(self):\n        return TABLE, Thing, inner()\n"
    )
    before = code_digest(own.Node)
    text = change.format(value=1)
    own = modules.edit(own, (text, change.format(value=2)))
    assert code_digest(own.Node) != before


def test_bases_count(modules):
    base = modules.make("class Base:\n    def step(self):\n        return 1\n")
    own = modules.make(f"from {base.__name__} import Base\nclass Node(Base):\n    pass\n")
    before = code_digest(own.Node)
    modules.edit(base, ("return 1", "return 2"))
    assert code_digest(own.Node) != before


def test_installed_packages_do_not_count(modules):
    own = modules.make(MAIN.format(imports="import numpy as np", call="np.zeros(1)"))
    same = modules.make(MAIN.format(imports="import numpy as np", call="np.zeros(1)"))
    assert code_digest(own.Node) == code_digest(same.Node)


def test_the_name_of_the_module_does_not_count(modules):
    source = MAIN.format(imports="", call="1")
    assert code_digest(modules.make(source).Node) == code_digest(modules.make(source).Node)


def test_code_that_refers_to_itself_ends(modules):
    own = modules.make(
        "def f(x):\n    return g(x)\n\ndef g(x):\n    return f(x)\n\n"
        "class Node:\n    def run(self):\n        return f(Node)\n"
    )
    assert len(code_digest(own.Node)) == 16


def test_a_version_stands_for_the_code(modules):
    own = modules.make("import zn_pipeline as zn\nclass A(zn.Node, version='7'):\n    pass\n")
    assert code_digest(own.A) == "version 7"


def test_import_paths(modules, monkeypatch):
    own = modules.make("class Node:\n    class Inner:\n        pass\n")
    assert import_path(own.Node) == f"{own.__name__}:Node"
    assert import_path(own.Node.Inner) == f"{own.__name__}:Node.Inner"
    monkeypatch.setitem(sys.modules, "__main__", own)
    monkeypatch.setattr(own.Node, "__module__", "__main__")
    monkeypatch.setattr(own, "__spec__", None)
    assert import_path(own.Node) == f"{own.__name__}:Node"


def test_classes_that_workers_cannot_import_are_refused(monkeypatch):
    class Local(zn.Node):
        pass

    with pytest.raises(BuildError, match="top level of a module"):
        import_path(Local)
    Local.__module__, Local.__qualname__ = "__main__", "Local"
    monkeypatch.delattr(sys.modules["__main__"], "__file__", raising=False)
    with pytest.raises(BuildError, match="move it into a file"):
        import_path(Local)
