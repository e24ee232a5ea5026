"""Static view of modules: which top-level names they bind, and what each of them refers to.

Modules are read as source and never imported, so that a digest of code that uses JAX or DFT
bindings costs no start of these.
"""

from __future__ import annotations

import ast
import dataclasses
import importlib.machinery
import sys
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path

FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)


@dataclasses.dataclass(frozen=True, slots=True)
class Import:
    """A name bound by an import: ``module`` alone, or ``name`` in ``module``.

    ``other`` is what another import binds to the same name, as in ``try`` and ``except``.
    """

    module: str
    name: str | None = None
    other: Import | None = None


@dataclasses.dataclass(slots=True)
class Symbol:
    """All statements of a module that bind one name, and the names that they refer to.

    ``references`` holds dotted chains as they are written, ``("np", "linalg", "norm")``;
    ``imports`` holds the names bound by import statements inside functions.
    """

    nodes: list[ast.stmt]
    references: frozenset[tuple[str, ...]] = frozenset()
    imports: dict[str, Import] = dataclasses.field(default_factory=dict)
    text: str = ""


@dataclasses.dataclass(slots=True)
class Module:
    """The top-level names of one source file."""

    name: str
    path: Path
    symbols: dict[str, Symbol]
    imports: dict[str, Import]
    stars: list[str]


class _StripDocstrings(ast.NodeTransformer):
    def _strip(self, node: ast.AST) -> ast.AST:
        self.generic_visit(node)
        body: list[ast.stmt] = node.body  # type: ignore[attr-defined]
        first = body[0] if body else None
        if (
            isinstance(first, ast.Expr)
            and isinstance(first.value, ast.Constant)
            and isinstance(first.value.value, str)
        ):
            node.body = body[1:] or [ast.Pass()]  # type: ignore[attr-defined]
        return node

    visit_FunctionDef = visit_AsyncFunctionDef = visit_ClassDef = _strip  # noqa: N815


def _chain(node: ast.expr) -> tuple[str, ...] | None:
    parts: list[str] = []
    while isinstance(node, ast.Attribute):
        parts.append(node.attr)
        node = node.value
    return (node.id, *reversed(parts)) if isinstance(node, ast.Name) else None


def _references(nodes: list[ast.stmt]) -> frozenset[tuple[str, ...]]:
    found: set[tuple[str, ...]] = set()
    stack: list[ast.AST] = list(nodes)
    while stack:
        node = stack.pop()
        if isinstance(node, (ast.Attribute, ast.Name)):
            chain = _chain(node)
            if chain is not None:
                found.add(chain)
                continue
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            continue
        stack.extend(ast.iter_child_nodes(node))
    return frozenset(found)


def _imported(node: ast.stmt, package: str) -> Iterator[tuple[str, Import]]:
    if isinstance(node, ast.Import):
        for alias in node.names:
            if alias.asname:
                yield alias.asname, Import(alias.name)
            else:
                yield alias.name.split(".")[0], Import(alias.name.split(".")[0])
    elif isinstance(node, ast.ImportFrom):
        base = node.module or ""
        if node.level:
            parts = package.split(".")
            parents = parts[: len(parts) - node.level + 1]
            base = ".".join([*parents, *([base] if base else [])])
        for alias in node.names:
            yield alias.asname or alias.name, Import(base, alias.name)


def _bind(imports: dict[str, Import], name: str, target: Import) -> None:
    other = imports.get(name)
    imports[name] = target if other is None else dataclasses.replace(target, other=other)


def _bound_names(node: ast.stmt) -> Iterator[str]:
    if isinstance(node, (*FUNCTIONS, ast.ClassDef)):
        yield node.name
        return
    for part in ast.walk(node):
        if isinstance(part, ast.Name) and isinstance(part.ctx, (ast.Store, ast.Del)):
            yield part.id
        elif isinstance(part, (*FUNCTIONS, ast.ClassDef)):
            yield part.name


def _changed_names(node: ast.stmt) -> Iterator[str]:
    """Yield names that a statement may change without binding them.

    As in ``TABLE["a"] = 1``, ``Thing.size = 2``, ``TABLE.update(a=1)`` and ``register(Thing)``.
    """
    if isinstance(node, (*FUNCTIONS, ast.ClassDef)):
        return
    for part in ast.walk(node):
        if isinstance(node, ast.Expr) and isinstance(part, ast.Name):
            yield part.id
        if isinstance(part, (ast.Attribute, ast.Subscript)) and not isinstance(part.ctx, ast.Load):
            base: ast.expr = part
            while isinstance(base, (ast.Attribute, ast.Subscript)):
                base = base.value
            if isinstance(base, ast.Name):
                yield base.id


def _is_main_guard(node: ast.stmt) -> bool:
    return isinstance(node, ast.If) and "__name__" in {
        part.id for part in ast.walk(node.test) if isinstance(part, ast.Name)
    }


def _top_level(body: list[ast.stmt]) -> Iterator[ast.stmt]:
    """Yield statements, looking into if, try and with blocks of the module's top level."""
    for node in body:
        if _is_main_guard(node):
            continue
        if isinstance(node, (ast.If, ast.Try, ast.With)):
            yield from _top_level(node.body)
            for part in ("orelse", "finalbody"):
                yield from _top_level(getattr(node, part, []))
            for handler in getattr(node, "handlers", []):
                yield from _top_level(handler.body)
        else:
            yield node


def parse(name: str, path: Path) -> Module:
    """Return the static view of a source file; that of a folder without ``__init__.py`` is empty.

    Raises
    ------
    SyntaxError
        If the file is not Python.
    """
    if path.is_dir():
        return Module(name, path, {}, {}, [])
    stat = path.stat()
    return _parse(name, str(path), stat.st_mtime_ns, stat.st_size)


def parse_script(name: str, path: Path) -> Module:
    """Return the static view of the running script.

    Statements such as ``zn.map(label, frames, out="a.h5")`` are what the script does, and no part
    of the definition of ``label``; ``TABLE.update(a=1)`` is part of that of ``TABLE``.
    """
    stat = path.stat()
    return _parse_script(name, str(path), stat.st_mtime_ns, stat.st_size)


@lru_cache(maxsize=64)
def _parse_script(name: str, path_text: str, mtime: int, size: int) -> Module:
    module = _parse.__wrapped__(name, path_text, mtime, size)
    for bound, symbol in module.symbols.items():
        symbol.nodes = [
            node
            for node in symbol.nodes
            if not isinstance(node, ast.Expr) or _is_method_call(node.value, bound)
        ]
    return module


def _is_method_call(node: ast.expr, name: str) -> bool:
    chain = _chain(node.func) if isinstance(node, ast.Call) else None
    return chain is not None and len(chain) > 1 and chain[0] == name


@lru_cache(maxsize=4096)
def _parse(name: str, path_text: str, _mtime: int, _size: int) -> Module:
    path = Path(path_text)
    tree = ast.parse(path.read_text(encoding="utf-8"), filename=path_text)
    package = name if path.stem == "__init__" else name.rpartition(".")[0]
    module = Module(name, path, {}, {}, [])
    for node in _top_level(tree.body):
        if isinstance(node, (ast.Import, ast.ImportFrom)):
            for bound, target in _imported(node, package):
                if bound == "*":
                    module.stars.append(target.module)
                else:
                    _bind(module.imports, bound, target)
            continue
        changed = [name for name in _changed_names(node) if name in module.symbols]
        for bound in dict.fromkeys([*_bound_names(node), *changed]):
            module.symbols.setdefault(bound, Symbol([])).nodes.append(node)
    return module


def complete(module: Module, symbol: Symbol) -> Symbol:
    """Fill in the normalised text, the references and the inner imports of a symbol, once."""
    if symbol.text:
        return symbol
    package = module.name if module.path.stem == "__init__" else module.name.rpartition(".")[0]
    for statement in symbol.nodes:
        for node in ast.walk(statement):
            if isinstance(node, (ast.Import, ast.ImportFrom)):
                for bound, target in _imported(node, package):
                    _bind(symbol.imports, bound, target)
    symbol.references = _references(symbol.nodes)
    stripped = [_StripDocstrings().visit(node) for node in symbol.nodes]
    symbol.text = "\n".join(ast.unparse(node) for node in stripped)
    return symbol


def find_source(module: str) -> Path | None:
    """Return the source file of a module without importing it, or None if it has none.

    A package without ``__init__.py`` has its folder for a source.
    """
    loaded = sys.modules.get(module)
    file = getattr(loaded, "__file__", None)
    if file:
        return Path(file) if str(file).endswith(".py") else None
    top, *rest = module.split(".")
    folder = _top_package(top)
    if folder is None:
        return None
    if folder.suffix == ".py":
        return None if rest else folder
    base = folder.joinpath(*rest)
    for path in (base / "__init__.py", base.with_name(base.name + ".py")):
        if path.is_file():
            return path
    return base if base.is_dir() else None


def _top_package(name: str) -> Path | None:
    loaded = sys.modules.get(name)
    file = getattr(loaded, "__file__", None)
    if file is None:
        spec = importlib.machinery.PathFinder.find_spec(name)
        if spec is not None and spec.loader is None and spec.submodule_search_locations:
            return Path(next(iter(spec.submodule_search_locations)))
        file = spec.origin if spec is not None else None
    if not file or not str(file).endswith(".py"):
        return None
    path = Path(file)
    return path.parent if path.name == "__init__.py" else path
