"""Recipes of functions: their code, what they close over, and the settings that they get.

=====================================  ========================================================
function                               what counts
=====================================  ========================================================
of a module or script of the project   code that it reaches in the project's modules and
                                       ``nodes``; versions of the distributions that this code
                                       uses; plain values of its module that it reads
lambda, local function                 the same, values that it closes over, defaults
``functools.partial``                  the function and the given arguments
object with ``__call__``               code of its class, fields (dataclass, pydantic model)
method of such an object               the same, and the name of the method
method of a Node, closure over one     only the fields of the node that are read as ``self.NAME``,
                                       also through other methods
built-in or of another package         import path and version of the distribution
=====================================  ========================================================

Comments, docstrings and formatting do not count, nor where the code stands. A function or class may
set ``__cache_version__``, which then stands for its code. Without source, as at the plain Python
prompt, the bytecode counts, which differs between versions of Python. Of plain values of a module,
numbers, texts, tuples, paths, arrays and structures count as they are when the recipe is made;
others, such as lists and dicts, by the code that makes them.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from typing import Any, cast

from zn_pipeline.fingerprint.atoms import Reads
from zn_pipeline.fingerprint.canonical import module_name
from zn_pipeline.fingerprint.describe import Describer
from zn_pipeline.fingerprint.engines import is_calculator, is_pair
from zn_pipeline.fingerprint.recipe import SCHEMA, Recipe, differences
from zn_pipeline.fingerprint.structures import item_seed
from zn_pipeline.records import Json

__all__ = ["Recipe", "differences", "engine_of", "item_seed", "reads_of", "recipe_of"]

ENGINE_READS = (
    "info.charge",
    "info.multiplicity",
    "info.spin",
    "initial_charges",
    "initial_magmoms",
)
"""What a calculator reads of a structure besides numbers, positions, cell and pbc."""


def recipe_of(
    func: Any, *, arguments: Mapping[str, Any] | None = None, reads: Reads | None = None
) -> Recipe:
    """Return the recipe of a function, an object that can be called, or a calculator.

    Parameters
    ----------
    func : see the table above; or a spec with ``get_calculator``, a calculator of ASE,
        ``(Class, keyword arguments)``
    arguments : further keyword arguments
    reads : what is read of a structure, see :func:`reads_of`

    Raises
    ------
    NotCacheableError
        If a value has no stable digest; the message names the function and the value.
    """
    name = _shown(func)
    canon = Describer(f"{name}: ")
    engine = is_pair(func) or is_calculator(func) or hasattr(func, "get_calculator")
    body = canon.value(func, "params")
    given = {
        key: canon.value(value, f"arguments.{key}") for key, value in (arguments or {}).items()
    }
    params = cast("dict[str, Json]", dict(body) if isinstance(body, dict) else {"value": body})
    chosen = reads_of(func, reads)
    text = {
        "schema": SCHEMA,
        "function": params.pop("$function", None) or params.pop("$class", name),
        "params": {} if engine else params,
        "engine": params if engine else None,
        "arguments": {key: given[key] for key in sorted(given)},
        "versions": {key: canon.versions[key] for key in sorted(canon.versions)},
        "files": {key: canon.files[key] for key in sorted(canon.files)},
        "reads": chosen if isinstance(chosen, str) else list(chosen),
        "paths": canon.paths,
        "place": _place(func),
    }
    text["code"] = canon.codes.pop(str(text["function"]), None)
    text["codes"] = {key: canon.codes[key] for key in sorted(canon.codes)}
    return Recipe.of(text)


def reads_of(func: Any, reads: Sequence[str] | str | None = None) -> Reads:
    """Return what a function reads of a structure besides numbers, positions, cell and pbc.

    Parameters
    ----------
    func : function, callable or calculator
    reads : ``"all"``, or names of arrays, ``info.NAME``, ``results``, ``results.NAME``,
        ``constraints``, ``celldisp``; None takes the attribute ``reads`` of ``func``, else what
        calculators read for calculators, else all
    """
    inner = func.func if isinstance(func, functools.partial) else func
    owner = inner[0] if is_pair(inner) else inner
    if reads is None:
        reads = getattr(owner, "reads", None)
    if reads is None:
        is_engine = is_pair(inner) or is_calculator(inner) or hasattr(inner, "get_calculator")
        reads = ENGINE_READS if is_engine else "all"
    if isinstance(reads, str):
        if reads == "all":
            return "all"
        raise ValueError(f'reads must be "all" or a sequence of names, received {reads!r}')
    return tuple(sorted(set(reads)))


def engine_of(spec: Any) -> dict[str, Any]:
    """Return what counts of a calculator: class, code, fields, versions, files.

    Parameters
    ----------
    spec : a spec with ``get_calculator``, a calculator of ASE, ``(Class, keyword arguments)``
    """
    text = recipe_of(spec, reads=()).text
    return {
        "class": text["function"],
        "code": text["code"],
        "codes": text["codes"],
        "fields": text["engine"],
        "versions": text["versions"],
        "files": text["files"],
    }


def _place(func: Any) -> str:
    """Return the module of a function, or of the class of an object, for people to read."""
    while isinstance(func, functools.partial):
        func = func.func
    owner = func[0] if is_pair(func) else func
    return module_name(getattr(owner, "__module__", None) or type(owner).__module__)


def _shown(func: Any) -> str:
    if is_pair(func):
        return str(func[0].__qualname__)
    if isinstance(func, functools.partial):
        return _shown(func.func)
    name = getattr(func, "__qualname__", None) or type(func).__qualname__
    return str(name).rpartition("<locals>.")[2]
