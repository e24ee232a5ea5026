"""What stands for functions and nodes: their code, what they close over, what they read."""

from __future__ import annotations

import ast
import functools
import sys
from collections.abc import Iterable
from pathlib import Path, PurePath
from types import BuiltinFunctionType, FunctionType, MethodType, MethodWrapperType, ModuleType
from typing import Any, cast

import numpy as np

from zn_pipeline.errors import NotCacheableError
from zn_pipeline.fingerprint.atoms import is_atoms
from zn_pipeline.fingerprint.code import Reached, reach
from zn_pipeline.fingerprint.engines import (
    EngineCanon,
    is_own_module,
    module_path,
    reached_digest,
)
from zn_pipeline.fingerprint.sources import (
    assigned_globals,
    attributes_of,
    bytecode,
    function_syntax,
    global_names,
    is_outdated,
    methods_of,
)
from zn_pipeline.node import Node, field_specs, state_of
from zn_pipeline.records import FieldSpec, Json, Kind

_BUILTINS = (BuiltinFunctionType, MethodWrapperType, type(str.lower), type(int.__add__), np.ufunc)
_RECORDS = (Kind.METRICS, Kind.PLOTS, Kind.METRICS_PATH, Kind.PLOTS_PATH)


class Describer(EngineCanon):
    """Turns functions and nodes into plain data as well."""

    def _compound(self, value: Any, where: str) -> Json:
        if isinstance(value, Node) and not hasattr(type(value), "__cache_key__"):
            if hasattr(type(value), "get_calculator"):
                return self.node(value, {"get_calculator"}, where)
            return self.node(value, None, where)
        return super()._compound(value, where)

    def other(self, value: Any, where: str) -> Json:
        """Return what stands for a function, a module, or an object without state."""
        if isinstance(value, functools.partial):
            return self._partial(value, where)
        if isinstance(value, MethodType):
            return self._method(value, where)
        if isinstance(value, FunctionType):
            return self.function(value, where)
        if isinstance(value, ModuleType):
            return self._module(value, None)
        if isinstance(value, _BUILTINS):
            return self._foreign(value)
        wrapped = getattr(value, "__wrapped__", None)  # as functools.lru_cache makes
        if isinstance(wrapped, FunctionType):
            return self.function(wrapped, where)
        if not getattr(value, "__dict__", True) and is_own_module(type(value).__module__):
            self.met(type(value))
            return {"$class": self.name(type(value))}
        return self.refuse(value, where)

    def _partial(self, value: functools.partial[Any], where: str) -> Json:
        plain = self.value(value.func, where)
        inner = cast("dict[str, Json]", plain if isinstance(plain, dict) else {"$value": plain})
        given: dict[str, Any] = {f"{row}": item for row, item in enumerate(value.args)}
        given |= value.keywords
        return {**inner, **{k: self.value(v, f"{where}.{k}") for k, v in sorted(given.items())}}

    def _foreign(self, value: Any) -> Json:
        module = getattr(value, "__module__", None) or "builtins"
        owner = getattr(value, "__self__", None)
        if owner is not None and not isinstance(owner, (ModuleType, type)):
            self.refuse(value, "func", f"the method {value.__name__} of a built-in object")
        if isinstance(value, np.ufunc):
            module = "numpy"
        self.note_package(module)
        return {"$function": f"{module}:{getattr(value, '__qualname__', value.__name__)}"}

    def _method(self, method: MethodType, where: str) -> Json:
        owner, name = method.__self__, method.__func__.__name__
        if isinstance(owner, Node):
            return self.node(owner, {name}, where)
        plain = cast("dict[str, Json]", self.value(owner, where))
        shown = plain.pop("$class", None) or plain.pop("$type", "")
        self.note_code(f"{shown}.{name}", self.codes.get(str(shown), "foreign"))
        return {"$function": f"{shown}.{name}", **plain}

    def function(self, func: FunctionType, where: str) -> Json:
        """Return what stands for a function written in Python."""
        if not is_own_module(func.__module__ or "__main__"):
            self.note_package(func.__module__)
            plain: dict[str, Json] = {"$function": f"{func.__module__}:{func.__qualname__}"}
            return {**plain, **self._closure(func, None, where)} if func.__closure__ else plain
        name = func.__qualname__.rpartition("<locals>.")[2]
        version = getattr(func, "__cache_version__", None)
        path = module_path(func.__module__)
        if _is_top_level(func) and path is not None and not is_outdated(func):
            top = func.__qualname__.partition(".")[0]
            reached = reach(func.__module__, path, [top])
            values = {} if version is not None else self._module_values(func, reached, where)
            self._note(name, version, reached)
            return {"$function": name, **values}
        syntax = function_syntax(func)
        values = self._closure(func, syntax, where) | self._defaults(func, where)
        if syntax is None:
            reached = reach(func.__module__, path, sorted(global_names(func.__code__)))
            reached.texts["", "bytecode"] = bytecode(func.__code__)
        else:
            reached = reach(func.__module__, path, (), [syntax])
        if version is None:
            if path is None:
                values |= self._prompt_values(func, where)
            else:
                values |= self._module_values(func, reached, where)
        self._note(name, version, reached)
        return {"$function": name, **values}

    def _note(self, name: str, version: Any, reached: Reached) -> None:
        if version is not None:
            self.note_code(name, f"version {version}")
        else:
            self.note_reached(name, reached)

    def _closure(self, func: FunctionType, syntax: ast.AST | None, where: str) -> dict[str, Json]:
        found: dict[str, Json] = {}
        for name, cell in zip(func.__code__.co_freevars, func.__closure__ or (), strict=True):
            try:
                value = cell.cell_contents
            except ValueError:  # not assigned yet
                continue
            if value is func or name == "__class__":
                continue
            read = None if syntax is None else attributes_of([syntax], name)
            if isinstance(value, Node) and not hasattr(type(value), "__cache_key__"):
                found[name] = self.node(value, read, f"{where}.{name}")
            elif isinstance(value, ModuleType):
                found[name] = self._module(value, read)
            else:
                found[name] = self.value(value, f"{where}.{name}")
        return found

    def _module(self, module: ModuleType, read: set[str] | None) -> Json:
        """Return what stands for a module that a function imported where it was defined."""
        name, path = module.__name__, module_path(module.__name__)
        if is_own_module(name) and path is not None:
            names = sorted(read) if read is not None else sorted(vars(module))
            self.note_reached(name, reach(name, path, names))
        else:
            self.note_package(name)
        return {"$module": name}

    def _defaults(self, func: FunctionType, where: str) -> dict[str, Json]:
        code, values = func.__code__, func.__defaults__ or ()
        names = code.co_varnames[code.co_argcount - len(values) : code.co_argcount]
        given = {**dict(zip(names, values, strict=True)), **(func.__kwdefaults__ or {})}
        return {name: self.value(value, f"{where}.{name}") for name, value in given.items()}

    def _module_values(self, func: FunctionType, reached: Reached, where: str) -> dict[str, Json]:
        """Return the values of plain names of the function's own module that it reaches."""
        here = {name for module, name in reached.texts if module == func.__module__}
        changing = assigned_globals(iter(reached.texts.values()))
        found: dict[str, Json] = {}
        for name in sorted(here - changing):
            value = func.__globals__.get(name)
            if value is not None and _is_steady(value):
                try:
                    found[f"global {name}"] = self.value(value, f"{where}.{name}")
                except NotCacheableError:  # its code counts all the same
                    continue
        return found

    def _prompt_values(self, func: FunctionType, where: str) -> dict[str, Json]:
        """Return the values of all names that a function of a prompt or notebook looks up."""
        found: dict[str, Json] = {}
        for name in sorted(global_names(func.__code__)):
            value = func.__globals__.get(name, func)
            if isinstance(value, ModuleType):
                found[f"global {name}"] = self._module(value, global_names(func.__code__))
            elif value is not func:
                found[f"global {name}"] = self.value(value, f"{where}.{name}")
        return found

    def node(self, node: Node, names: Iterable[str] | None, where: str) -> Json:
        """Return what stands for those attributes of a node that are read; None for all fields.

        Methods are followed; outputs count by their content, so that another training that gave
        the same model makes no difference.
        """
        cls = type(node)
        specs = field_specs(cls)
        used, functions = ({*specs}, None) if names is None else _read_of(cls, {*names})
        if functions is None:
            self.met(cls)
        else:
            self._note_methods(cls, {*(names or ())}, functions)
        plain: dict[str, Json] = {}
        for name in sorted(used):
            spec = specs.get(name)
            if spec is None:
                counts = hasattr(node, name)
            elif functions is None and spec.kind in _RECORDS:
                counts = False
            else:
                counts = not spec.kind.is_output or _exists(node, spec)
            if counts:
                plain[name] = self.value(getattr(node, name), f"{where}.{name}")
        called = "" if names is None else "." + ",".join(sorted(names))
        return {"$function": f"{self.name(cls)}{called}", **plain}

    def _note_methods(self, cls: type, names: set[str], functions: list[FunctionType]) -> None:
        label = f"{self.name(cls)}.{','.join(sorted(names))}"
        version = getattr(cls, "__cache_version__", getattr(cls, "code_version", None))
        if version is not None:
            self.note_code(label, f"version {version}")
            return
        digests: list[str] = []
        for func in functions:
            syntax = function_syntax(func)
            nodes = [] if syntax is None else [syntax]
            reached = reach(func.__module__, module_path(func.__module__), (), nodes)
            for foreign in reached.foreign:
                self.note_package(foreign.partition(".")[0])
            digests.append(reached_digest(reached))
        reached = Reached({("", str(row)): d for row, d in enumerate(digests)}, frozenset())
        self.note_code(label, reached_digest(reached))


def _exists(node: Node, spec: FieldSpec) -> bool:
    """Whether an output of a node was made: by this run, if the node is running."""
    state = state_of(node)
    if spec.kind.is_path:
        given = getattr(node, spec.name)
        paths = cast("list[Any]", given if isinstance(given, (list, tuple)) else [given])
        return all(path is not None and Path(path).exists() for path in paths)
    return spec.name in vars(node) or (state.source is not None and state.scratch is None)


_OF_NODES = frozenset(dir(Node)) | {"name", "always_changed"}


def _read_of(cls: type, names: set[str]) -> tuple[set[str], list[FunctionType] | None]:
    """Return the attributes that methods read of their object, and these methods.

    If a method uses the object as a whole, all fields are read and the second is None.
    """
    specs, todo = field_specs(cls), sorted(names)
    used: set[str] = set()
    functions: list[FunctionType] = []
    while todo:
        name = todo.pop()
        if name in used or name in _OF_NODES:
            continue
        used.add(name)
        for func in () if name in specs else methods_of(cls, name):
            syntax = function_syntax(func)
            own = func.__code__.co_varnames[:1]
            read = None if syntax is None or not own else attributes_of([syntax], own[0])
            if read is None:
                return {*specs}, None
            if func not in functions:
                functions.append(func)
            todo.extend(sorted(read))
        if name not in specs and methods_of(cls, name):
            used.discard(name)
            names = names | {name}
    functions.sort(key=lambda func: (func.__qualname__, func.__code__.co_firstlineno))
    return used, functions


def _is_top_level(func: FunctionType) -> bool:
    """Whether a function is what its module has under its name."""
    if "<locals>" in func.__qualname__ or func.__name__ == "<lambda>":
        return False
    found: Any = sys.modules.get(func.__module__)
    if found is None:
        return True
    for part in func.__qualname__.split("."):
        found = getattr(found, part, None)
    return getattr(found, "__func__", found) is func


def _is_steady(value: Any) -> bool:
    """Whether a value of a module is of a kind that code seldom changes in place."""
    if isinstance(value, tuple):
        return all(_is_steady(item) for item in value)
    frozen = getattr(type(value), "__dataclass_params__", None)
    if frozen is not None and not isinstance(value, type):
        return bool(frozen.frozen)
    kinds = (bool, int, float, complex, str, bytes, PurePath, np.ndarray, np.generic)
    return value is None or isinstance(value, kinds) or is_atoms(value)
