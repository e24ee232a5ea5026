"""What counts of a calculator: its class and code, settings, versions, and contents of its files.

Three forms are known: a spec (an object with ``get_calculator``), a calculator of ASE, and
``(Class, keyword arguments)``. Of all of them, paths stand for the content of the file or folder,
and so do texts that name an existing file, or a folder if there is a slash in it. Where a
calculator runs (directory, command, label) does not count.
"""

from __future__ import annotations

import hashlib
import inspect
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, NoReturn, TypeGuard, cast

from zn_pipeline.errors import NotCacheableError
from zn_pipeline.fingerprint.canonical import Canon, class_path
from zn_pipeline.fingerprint.code import LIBRARY, Reached, is_own, reach
from zn_pipeline.fingerprint.modules import find_source
from zn_pipeline.fingerprint.packages import version_of
from zn_pipeline.fingerprint.sources import class_syntax
from zn_pipeline.records import Json

UNCOUNTED = frozenset(
    {
        "atoms",
        "command",
        "directory",
        "ignore_bad_restart_file",
        "label",
        "prefix",
        "profile",
        "restart",
        "txt",
    }
)
"""Names of settings of calculators that say where and how it runs, not what it computes."""

_FOLDERS_OF_PROFILES = ("default_species_directory", "pp_path", "pseudo_dir")
"""Names of folders of pseudopotentials and bases in ASE's profiles; their content counts."""

_PLAIN_ATTRIBUTES = UNCOUNTED | {
    "results",
    "parameters",
    "_directory",
    "name",
    "get_spin_polarized",
    "use_cache",
    "implemented_properties",
}


def is_own_module(name: str) -> bool:
    """Whether the code of a module counts, and not the version of its distribution."""
    top = name.partition(".")[0]
    return top in ("__main__", LIBRARY) or is_own(top)


def module_path(name: str) -> Path | None:
    """Return the source file of a module, also of the running script."""
    if name != "__main__":
        return find_source(name)
    file = getattr(sys.modules["__main__"], "__file__", None)
    return Path(file) if file and str(file).endswith(".py") else None


def is_calculator(value: Any) -> bool:
    """Whether an object is a calculator of ASE."""
    cls = type(value)
    return hasattr(cls, "calculate") and hasattr(cls, "get_property")


def is_pair(value: Any) -> TypeGuard[tuple[type, Mapping[str, Any]]]:
    """Whether a value is ``(Class, keyword arguments)``."""
    return (
        isinstance(value, tuple)
        and len(value) == 2
        and isinstance(value[0], type)
        and isinstance(value[1], Mapping)
    )


class EngineCanon(Canon):
    """Turns calculators into plain data; notes the code and the versions that they depend on.

    Attributes
    ----------
    codes : digest of the project's own code, by the name of the function or class
    versions : of the distributions that the code reaches
    """

    def __init__(self, subject: str = "") -> None:
        super().__init__(subject)
        self.codes: dict[str, str] = {}
        self.versions: dict[str, str] = {}
        self._met: set[type] = set()

    def name(self, cls: type) -> str:
        """Return the name of a class of the project, the import path of a foreign one.

        The digest of its code stands for the module of the former, which may be renamed.
        """
        if is_own_module(cls.__module__):
            return cls.__qualname__.rpartition("<locals>.")[2]
        return class_path(cls)

    def met(self, cls: type) -> None:
        """Take note of the code of a class, or of the version of what provides it."""
        if cls in self._met:
            return
        self._met.add(cls)
        declared = getattr(cls, "packages", None) is not None
        version = getattr(cls, "__cache_version__", getattr(cls, "code_version", None))
        if version is not None:
            self.note_code(self.name(cls), f"version {version}")
        elif is_own_module(cls.__module__):
            self.note_reached(self.name(cls), self._class_code(cls), versions=not declared)
        elif not declared:
            self.note_package(cls.__module__)

    def _class_code(self, cls: type) -> Reached:
        path = module_path(cls.__module__)
        if "<locals>" not in cls.__qualname__ and path is not None:
            return reach(cls.__module__, path, [cls.__qualname__.partition(".")[0]])
        nodes = class_syntax(cls)
        if not nodes:
            raise NotCacheableError(
                f"{self.subject}the class {cls.__qualname__} must have source code, received one "
                'made at a prompt; move it into a file, or set __cache_version__ = "1" in it'
            )
        return reach(cls.__module__, path, (), nodes)

    def note_code(self, name: str, digest: str) -> None:
        """Keep the digest of the code of ``name``; two of one name are both kept."""
        known = set(self.codes.get(name, digest).split(" + "))
        self.codes[name] = " + ".join(sorted(known | {digest}))

    def note_reached(self, name: str, reached: Reached, *, versions: bool = True) -> None:
        """Keep the digest of code that was reached, and the versions of what it uses."""
        self.note_code(name, reached_digest(reached))
        if versions:
            for foreign in reached.foreign:
                self.note_package(foreign.partition(".")[0])

    def note_package(self, name: str) -> None:
        """Keep the version of a distribution, given its name or that of a module of it."""
        found = version_of(name)
        if found is not None:
            self.versions[found[0]] = found[1]

    def _compound(self, value: Any, where: str) -> Json:
        is_spec = hasattr(type(value), "get_calculator") and not isinstance(value, type)
        if not is_spec and not is_pair(value) and not is_calculator(value):
            return super()._compound(value, where)
        outside, self.text_may_be_file = self.text_may_be_file, True
        try:
            return self.engine(value, where)
        finally:
            self.text_may_be_file = outside

    def engine(self, value: Any, where: str) -> Json:
        """Return what stands for a calculator of any form."""
        for package in cast("Iterable[str]", getattr(value, "packages", None) or ()):
            self.note_package(package)
        if is_pair(value):
            cls, settings = value
        elif is_calculator(value) and not hasattr(type(value), "__cache_key__"):
            cls, settings = type(value), self._settings(value, where)
        else:
            return super()._compound(value, where)
        self.met(cls)
        counted = {name: settings[name] for name in settings if name not in UNCOUNTED}
        profile: Any = settings.get("profile")
        for name in _FOLDERS_OF_PROFILES:
            folder = getattr(profile, name, None)
            if folder is not None:
                counted[name] = Path(folder)
        plain = {name: self.value(counted[name], f"{where}.{name}") for name in sorted(counted)}
        return {"$class": self.name(cls), **plain}

    def _settings(self, calculator: Any, where: str) -> dict[str, Any]:
        """Return the settings of a calculator object: parameters, arguments of its class."""
        settings = dict(getattr(calculator, "parameters", None) or {})
        init = inspect.signature(type(calculator).__init__).parameters.values()
        kinds = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
        named = [part.name for part in init if part.kind not in kinds and part.name != "self"]
        for name in named:
            if name in settings or name in UNCOUNTED:
                continue
            for attribute in (name, f"_{name}"):
                if attribute in vars(calculator):
                    settings[name] = vars(calculator)[attribute]
                    break
            else:
                self._unreadable(calculator, where, f"the argument {name!r} that cannot be read")
        hidden = vars(calculator).keys() - _PLAIN_ATTRIBUTES
        if not settings and not named and hidden and not is_own_module(type(calculator).__module__):
            self._unreadable(calculator, where, "no parameters")
        return settings

    def _unreadable(self, calculator: Any, where: str, what: str) -> NoReturn:
        name = type(calculator).__name__
        raise NotCacheableError(
            f"{self.subject}{where} must be a calculator whose settings can be read, received an "
            f"object of {name} with {what}; give ({name}, {{keyword arguments}}) or a spec "
            "instead, or give its class a method __cache_key__() that returns plain values"
        )


def reached_digest(reached: Reached) -> str:
    """Return 16 hexadecimal digits for code: its texts and the foreign names that it uses."""
    digest = hashlib.blake2b(digest_size=8)
    for (_, symbol), text in sorted(reached.texts.items(), key=lambda kv: (kv[0][1], kv[1])):
        digest.update(f"{symbol}\n{text}\n".encode())
    digest.update("\n".join(sorted(reached.foreign)).encode())
    return digest.hexdigest()
