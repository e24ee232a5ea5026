import ast
import functools
import linecache
from pathlib import Path

import pytest

from zn_pipeline.fingerprint.sources import (
    attributes_of,
    bytecode,
    class_syntax,
    function_syntax,
    global_names,
    is_outdated,
    methods_of,
)

SOURCE = '''
import functools

pair = (lambda x: x + 1), (lambda x: x + 2)
nested = lambda a: (lambda b: a * b)
same = [lambda: 0, lambda: (0)]
many = [
    lambda x: (
        x - 1
    ), lambda x: x - 2,
]


def plain():
    """Docstring."""
    def inner(y):
        return y
    return inner


@functools.lru_cache(
    maxsize=None
)
def decorated(z):
    return z


def make():
    class Inner:
        class Deep:
            size = 1

        @property
        def width(self):
            return 2
    return Inner
'''


@pytest.fixture
def module(modules):
    return modules.make(SOURCE)


def shown(function):
    syntax = function_syntax(function)
    return None if syntax is None else ast.unparse(syntax)


def test_the_right_lambda_is_found(module):
    assert shown(module.pair[0]) == "lambda x: x + 1"
    assert shown(module.pair[1]) == "lambda x: x + 2"
    assert shown(module.nested) == "lambda a: lambda b: a * b"
    assert shown(module.nested(1)) == "lambda b: a * b"
    assert shown(module.many[0]) == "lambda x: x - 1"
    assert shown(module.many[1]) == "lambda x: x - 2"
    assert function_syntax(module.same[0]) is not function_syntax(module.same[1])


def test_local_and_decorated_functions_are_found(module):
    assert shown(module.plain()).startswith("def inner(y)")
    assert shown(module.decorated.__wrapped__).startswith("@functools.lru_cache")


def test_local_classes_are_found(module):
    inner = module.make()
    assert [node.name for node in class_syntax(inner)] == ["Inner"]
    assert [node.name for node in class_syntax(inner.Deep)] == ["Deep"]


def test_source_that_does_not_run_is_not_used(module):
    function = module.plain
    assert shown(function) is not None
    assert not is_outdated(function)
    file = Path(module.__file__)
    file.write_text(file.read_text().replace("return inner", "return None"))
    assert shown(function) is None
    assert is_outdated(function)
    assert shown(module.pair[0]) == "lambda x: x + 1", "others are as they were"


def test_code_without_a_file_has_bytecode():
    names = {}
    exec("def f(x):\n    return g(x).deep + 1", names)
    assert function_syntax(names["f"]) is None
    assert global_names(names["f"].__code__) == {"g", "deep"}
    text = bytecode(names["f"].__code__)
    exec("\n\n\ndef f(x):\n\n    return g(x).deep + 1", names)
    assert bytecode(names["f"].__code__) == text, "lines do not count"
    exec("def f(x):\n    return g(x).deep + 2", names)
    assert bytecode(names["f"].__code__) != text


def test_cells_of_a_notebook_have_source():
    names, text = {}, "f = lambda x: x + 7\n"
    exec(compile(text, "<cell 1>", "exec"), names)
    linecache.cache["<cell 1>"] = (len(text), None, [text], "<cell 1>")
    try:
        assert shown(names["f"]) == "lambda x: x + 7"
    finally:
        del linecache.cache["<cell 1>"]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("self.a + self.b.c", {"a", "b"}),
        ("[self.a for _ in range(3)]", {"a"}),
        ("other.a", set()),
        ("self", None),
        ("f(self) + self.a", None),
        ("getattr(self, 'a')", None),
        ("super().a", None),
    ],
)
def test_attributes_that_are_read(text, found):
    assert attributes_of([ast.parse(text)], "self") == found


def test_functions_behind_methods():
    class Thing:
        size = 3

        def plain(self): ...

        @property
        def prop(self): ...

        @functools.cached_property
        def cached(self): ...

        @staticmethod
        def static(): ...

        @classmethod
        def klass(cls): ...

    for name in ("plain", "prop", "cached", "static", "klass"):
        assert {function.__name__ for function in methods_of(Thing, name)} == {name}
    assert methods_of(Thing, "size") == methods_of(Thing, "nothing") == []
