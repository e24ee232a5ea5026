"""Digest of the source code that a class reaches.

Counted: the class, its bases, and every function, class and constant that these refer to, directly
or through others, in the project's own modules and in ``nodes``. Not counted: comments, docstrings,
formatting, and third-party packages (their upgrades would make everything stale).
"""

from __future__ import annotations

import ast
import copy
import dataclasses
import hashlib
import sys
import sysconfig
from collections.abc import Iterable
from functools import lru_cache
from pathlib import Path

from zn_pipeline.errors import BuildError
from zn_pipeline.fingerprint.modules import (
    Import,
    Module,
    Symbol,
    complete,
    find_source,
    parse,
    parse_script,
)

LIBRARY = "nodes"
_FRAMEWORK = "zn_pipeline"


def import_path(cls: type) -> str:
    """Return ``module:Class``; a class of the running script is named by the script's file.

    Raises
    ------
    BuildError
        If the class cannot be imported by a worker.
    """
    module = cls.__module__
    if module == "__main__":
        file = getattr(sys.modules["__main__"], "__file__", None)
        if file is None or not str(file).endswith(".py"):
            raise BuildError(
                f"{cls.__name__} must live in a module that workers can import, received a class "
                "made in a notebook or at a prompt; move it into a file, e.g. my_nodes.py, and "
                "write 'from my_nodes import " + cls.__name__ + "'"
            )
        spec = getattr(sys.modules["__main__"], "__spec__", None)
        module = spec.name if spec is not None else Path(file).stem
    if "<locals>" in cls.__qualname__:
        raise BuildError(
            f"{cls.__qualname__} must be defined at the top level of a module, because workers "
            "import it by name"
        )
    return f"{module}:{cls.__qualname__}"


def code_digest(cls: type) -> str:
    """Return 16 hexadecimal digits for the code of ``cls`` and all that it reaches."""
    version = getattr(cls, "code_version", None)
    if version is not None:
        return f"version {version}"
    module = cls.__module__
    if module == "__main__":
        file = getattr(sys.modules["__main__"], "__file__", None)
        path = Path(file) if file else None
    else:
        path = find_source(module)
    if path is None:
        return f"module {module}"
    tops = frozenset({module.partition(".")[0], LIBRARY})
    return _Walk(tops, {module: path}).digest(module, cls.__qualname__.partition(".")[0])


def target_digest(target: str) -> str | None:
    """Return the digest of the code at ``module:name``; None if that is none of the project's own.

    Nothing is imported.
    """
    module, _, name = target.partition(":")
    if not all(part.isidentifier() for part in (*module.split("."), *name.split("."))):
        return None
    path = find_source(module) if is_own(module.partition(".")[0]) else None
    if path is None:
        return None
    tops = frozenset({module.partition(".")[0], LIBRARY})
    return _Walk(tops, {module: path}).digest(module, name.partition(".")[0])


@dataclasses.dataclass(frozen=True, slots=True)
class Reached:
    """Code that something reaches in the project's own modules and in ``nodes``.

    Attributes
    ----------
    texts : normalised source of each symbol, by module and name
    foreign : dotted names of what it refers to in other packages, as ``ase.optimize.BFGS``
    """

    texts: dict[tuple[str, str], str]
    foreign: frozenset[str]


def reach(
    module: str, path: Path | None, names: Iterable[str] = (), extra: Iterable[ast.AST] = ()
) -> Reached:
    """Return the code that top-level names of a module, and ``extra`` syntax in it, reach.

    Parameters
    ----------
    module : name of the module
    path : its file; None if it has none, as at a prompt
    names : top-level names of the module
    extra : functions and classes that stand deeper in it; listed as ``<1>``, ``<2>``, ...
    """
    tops = frozenset({module.partition(".")[0], LIBRARY})
    walk = _Walk(tops, {} if path is None else {module: path}, script="__main__")
    place = walk.module(module) or Module(module, Path(), {}, {}, [])
    todo = [(module, name) for name in names]
    for number, node in enumerate(extra, 1):
        symbol = complete(place, Symbol([copy.deepcopy(node)]))  # type: ignore[list-item]
        walk.texts[module, f"<{number}>"] = symbol.text
        todo.extend(walk.references(place, symbol))
    walk.go(todo)
    return Reached(walk.texts, frozenset(walk.foreign))


class _Walk:
    """Follows references from one class through the project's own modules."""

    def __init__(self, tops: frozenset[str], paths: dict[str, Path], script: str = "") -> None:
        self.tops = tops
        self.paths = paths
        self.script = script
        self.texts: dict[tuple[str, str], str] = {}
        self.foreign: set[str] = set()

    def digest(self, module: str, name: str) -> str:
        self.go([(module, name)])
        sha = hashlib.sha256()
        for (_, symbol), text in sorted(self.texts.items(), key=lambda kv: (kv[0][1], kv[1])):
            sha.update(f"{symbol}\n{text}\n".encode())
        return sha.hexdigest()[:16]

    def go(self, todo: list[tuple[str, str]]) -> None:
        """Visit symbols, and what they refer to."""
        while todo:
            current = todo.pop()
            if current not in self.texts:
                todo.extend(self._visit(*current))

    def module(self, name: str) -> Module | None:
        """Return the module if it belongs to the project or the library."""
        path = self.paths.get(name)
        if path is None:
            top = name.partition(".")[0]
            if top == _FRAMEWORK or (top not in self.tops and not is_own(top)):
                return None
            path = find_source(name)
            if path is None:
                return None
            self.paths[name] = path
        return parse_script(name, path) if name == self.script else parse(name, path)

    def _visit(self, module_name: str, name: str) -> list[tuple[str, str]]:
        self.texts[module_name, name] = ""
        module = self.module(module_name)
        if module is None:
            return []
        symbol = module.symbols.get(name)
        if symbol is None:
            target = module.imports.get(name)
            if target is not None:
                return self._follow(target, ())
            found = [pair for star in module.stars for pair in self._follow(Import(star, name), ())]
            return found or self._from_stub(module, name)
        complete(module, symbol)
        self.texts[module_name, name] = symbol.text
        found = self.references(module, symbol)
        if name in module.imports:  # as in "try: import fast", "except ImportError: fast = None"
            found.extend(self._follow(module.imports[name], ()))
        return [pair for pair in found if pair not in self.texts]

    def references(self, module: Module, symbol: Symbol) -> list[tuple[str, str]]:
        """Return the symbols that a completed symbol of a module refers to."""
        found: list[tuple[str, str]] = []
        for chain in symbol.references:
            target = symbol.imports.get(chain[0])
            if target is None and chain[0] in module.symbols:
                found.append((module.name, chain[0]))
                continue
            target = target or module.imports.get(chain[0])
            if target is not None:
                found.extend(self._follow(target, chain[1:]))
            elif module.stars:
                found.append((module.name, chain[0]))
        return found

    def _follow(self, target: Import | None, rest: tuple[str, ...]) -> list[tuple[str, str]]:
        """Resolve an imported name followed by attributes to the symbols that it reaches."""
        found: list[tuple[str, str]] = []
        while target is not None:
            found.extend(self._resolve(target, rest))
            target = target.other
        return found

    def _resolve(self, target: Import, rest: tuple[str, ...]) -> list[tuple[str, str]]:
        name, attributes = target.module, list(rest)
        if target.name is not None:
            attributes.insert(0, target.name)
        while True:
            module = self.module(name)
            if module is None:
                self.foreign.add(".".join((name, *attributes)))
                return []
            if not attributes:
                return [(name, symbol) for symbol in module.symbols]
            head = attributes[0]
            if head in module.symbols:
                return [(name, head)]
            if head in module.imports:
                return self._follow(module.imports[head], tuple(attributes[1:]))
            if find_source(f"{name}.{head}") is None:
                return [(name, head)]
            name = f"{name}.{head}"
            attributes.pop(0)

    def _from_stub(self, module: Module, name: str) -> list[tuple[str, str]]:
        """Resolve a name that a lazy package lists in its ``.pyi`` file."""
        stub = module.path.with_suffix(".pyi")
        if not stub.is_file() or module.path.stem != "__init__":
            return []
        listed = parse(module.name + ".__init__", stub).imports.get(name)
        return [] if listed is None else self._follow(listed, ())


@lru_cache(maxsize=1024)
def is_own(top: str) -> bool:
    """Whether a top-level module lies outside the places where packages are installed."""
    if top == _FRAMEWORK or top in sys.builtin_module_names or top in sys.stdlib_module_names:
        return False
    path = find_source(top)
    if path is None:
        return False
    resolved = path.resolve()
    return not any(resolved.is_relative_to(folder) for folder in _installed_places())


@lru_cache(maxsize=1)
def _installed_places() -> tuple[Path, ...]:
    keys = ("purelib", "platlib", "stdlib", "platstdlib")
    return tuple(Path(sysconfig.get_path(key)).resolve() for key in keys)


def clear() -> None:
    """Forget what is known of the places of modules (they may have been added since)."""
    is_own.cache_clear()
