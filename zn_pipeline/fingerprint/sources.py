"""Syntax of functions and classes that exist: of lambdas, local functions, methods, classes.

The source is used only if it is what runs: a function whose file was changed since it was imported
has none here. Code without source, as at the plain Python prompt, is known by its bytecode.
"""

from __future__ import annotations

import ast
import importlib.machinery
import inspect
import linecache
import sys
from collections.abc import Iterator
from functools import lru_cache
from types import CodeType, FunctionType
from typing import Any

from zn_pipeline.fingerprint.modules import FUNCTIONS

FunctionSyntax = ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda


def function_syntax(function: FunctionType) -> FunctionSyntax | None:
    """Return the syntax of a function, or None if there is no source that matches it."""
    code = function.__code__
    text = _text(code.co_filename)
    if text is None or not _is_compiled_from(code, text):
        return None
    is_lambda = code.co_name == "<lambda>"
    spans = {tuple(span) for span in code.co_positions()} if is_lambda else set()
    for node in ast.walk(_tree(text)):
        if isinstance(node, FUNCTIONS):
            first = min([node.lineno, *(part.lineno for part in node.decorator_list)])
            if first == code.co_firstlineno and node.name == code.co_name:
                return node
        elif isinstance(node, ast.Lambda) and _span(node.body) in spans:
            return node
    return None


def is_outdated(function: FunctionType) -> bool:
    """Whether the file of a function was changed since the function was imported from it."""
    loader = getattr(sys.modules.get(function.__module__), "__loader__", None)
    if type(loader) is not importlib.machinery.SourceFileLoader:  # may compile in its own way
        return False
    text = _text(function.__code__.co_filename)
    return text is not None and not _is_compiled_from(function.__code__, text)


def class_syntax(cls: type) -> list[ast.ClassDef]:
    """Return the definitions of a class, wherever in its file they stand."""
    module = sys.modules.get(cls.__module__)
    text = _text(getattr(module, "__file__", None) or "")
    if text is None:
        functions = [value for value in vars(cls).values() if isinstance(value, FunctionType)]
        texts = (_text(function.__code__.co_filename) for function in functions)
        text = next((found for found in texts if found is not None), None)
    if text is None:
        return []
    return [node for name, node in _classes(_tree(text), "") if name == cls.__qualname__]


def bytecode(code: CodeType) -> str:
    """Return a text of what a function does, without the places of its lines."""
    constants = [
        bytecode(value) if isinstance(value, CodeType) else _constant(value)
        for value in code.co_consts
    ]
    names = (code.co_names, code.co_varnames, code.co_freevars, code.co_cellvars)
    counts = (code.co_argcount, code.co_posonlyargcount, code.co_kwonlyargcount)
    return f"{code.co_name} {code.co_code.hex()} {constants} {names} {counts} {code.co_flags}"


def global_names(code: CodeType) -> set[str]:
    """Return all names that a function looks up, as globals or attributes."""
    inner = [global_names(value) for value in code.co_consts if isinstance(value, CodeType)]
    return set(code.co_names).union(*inner)


def assigned_globals(texts: Iterator[str]) -> set[str]:
    """Return the names that ``global`` statements in the texts make assignable."""
    return {
        name
        for text in texts
        if "global " in text
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.Global)
        for name in node.names
    }


def attributes_of(nodes: list[ast.AST], name: str) -> set[str] | None:
    """Return the attributes that are read of a variable; None if it is used as a whole."""
    inner: set[str] = set()
    bare = 0
    for node in nodes:
        for part in ast.walk(node):
            if isinstance(part, ast.Attribute) and _is_name(part.value, name):
                inner.add(part.attr)
                bare -= 1
            bare += _is_name(part, name) or _is_name(part, "super")
    return None if bare else inner


def methods_of(cls: type, name: str) -> list[FunctionType]:
    """Return the functions behind a method or property of a class; none if it is neither."""
    found = inspect.getattr_static(cls, name, None)
    parts = [getattr(found, part, None) for part in ("fget", "func", "__func__")]
    candidates: list[Any] = [found, *parts]
    return [
        function
        for candidate in candidates
        if callable(candidate) and isinstance(function := inspect.unwrap(candidate), FunctionType)
    ]


def _is_name(node: ast.AST, name: str) -> bool:
    return isinstance(node, ast.Name) and node.id == name


def _span(node: ast.expr) -> tuple[int | None, ...]:
    return (node.lineno, node.end_lineno, node.col_offset, node.end_col_offset)


def _constant(value: Any) -> str:
    if isinstance(value, frozenset):
        return f"frozenset({sorted(map(repr, value))})"
    return repr(value)


def _text(filename: str) -> str | None:
    """Return the source of a file or of a notebook's cell."""
    if not filename or filename == "<string>":
        return None
    linecache.checkcache(filename)
    return "".join(linecache.getlines(filename)) or None


@lru_cache(maxsize=256)
def _tree(text: str) -> ast.Module:
    return ast.parse(text)


@lru_cache(maxsize=256)
def _codes(text: str) -> frozenset[tuple[int, str, str]]:
    """Return first line, name and bytecode of all functions in a source."""
    found: set[tuple[int, str, str]] = set()
    todo = [compile(text, "<source>", "exec", dont_inherit=True)]
    while todo:
        code = todo.pop()
        found.add((code.co_firstlineno, code.co_name, bytecode(code)))
        todo.extend(value for value in code.co_consts if isinstance(value, CodeType))
    return frozenset(found)


def _is_compiled_from(code: CodeType, text: str) -> bool:
    try:
        return (code.co_firstlineno, code.co_name, bytecode(code)) in _codes(text)
    except (SyntaxError, ValueError):
        return False


def _classes(node: ast.AST, prefix: str) -> Iterator[tuple[str, ast.ClassDef]]:
    for child in ast.iter_child_nodes(node):
        inner = prefix
        if isinstance(child, ast.ClassDef):
            yield prefix + child.name, child
            inner = f"{prefix}{child.name}."
        elif isinstance(child, FUNCTIONS):
            inner = f"{prefix}{child.name}.<locals>."
        yield from _classes(child, inner)
