"""What is done with each item: one function, or several in a row, for one or more settings."""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import inspect
import json
import sys
import sysconfig
import threading
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, cast, get_origin

import numpy as np
from ase import Atoms

from zn_pipeline.fingerprint.code import is_own
from zn_pipeline.fingerprint.functions import Recipe, item_seed, reads_of, recipe_of
from zn_pipeline.fingerprint.structures import structure_hash
from zn_pipeline.items.evaluate import Evaluate

INJECTED = ("rng", "seed", "scratch")
"""Names of parameters that a function gets without being given them."""

_DUMPING = threading.Lock()
"""Which modules are sent along is a setting of the process; maps may run in several threads."""


@dataclasses.dataclass(frozen=True)
class Step:
    """One function of a map.

    Attributes
    ----------
    func : the function, or an object that can be called
    arguments : further keyword arguments
    recipe : everything in the key of a result but the structure and the seed
    reads : what the function reads of a structure besides elements, positions and cell
    injected : which of `rng`, `seed` and `scratch` it takes
    batched : whether it takes a list of items and returns a list of results
    """

    func: Any
    arguments: Mapping[str, Any]
    recipe: Recipe
    reads: Any
    injected: frozenset[str]
    batched: bool = False

    @property
    def name(self) -> str:
        """Name of the function, for messages."""
        if isinstance(self.func, Evaluate):
            given = self.func.calculator
            made = given[0] if isinstance(given, tuple) else given
            return made.__name__ if isinstance(made, type) else type(made).__name__
        return str(getattr(self.func, "__name__", type(self.func).__name__))

    @functools.cached_property
    def random(self) -> bool:
        """Whether results depend on a seed."""
        return bool(self.injected & {"rng", "seed"})

    def apply(self, item: Any, seed: int | None, scratch: Path) -> Any:
        """Return the result for one item, which the function may change at will."""
        if not self.injected and isinstance(self.func, Evaluate) and isinstance(item, Atoms):
            return self.func.label(item)
        extra = dict(self.arguments)
        if "rng" in self.injected:
            extra["rng"] = np.random.default_rng(seed)
        if "seed" in self.injected:
            extra["seed"] = seed
        if "scratch" in self.injected:
            scratch.mkdir(parents=True, exist_ok=True)
            extra["scratch"] = scratch
        return self.func(item, **extra)


def step_of(
    func: Any, *, arguments: Mapping[str, Any] | None, reads: Any, batched: bool = False
) -> Step:
    """Return a step of a function, a calculator spec, an ASE calculator or ``(Class, kwargs)``.

    Raises
    ------
    TypeError
        If it can be neither called nor used as a calculator.
    NotCacheableError
        If a value that it depends on has no canonical form.
    """
    func = as_callable(func)
    if isinstance(func, Evaluate) and reads is None:
        reads = getattr(func.calculator, "reads", func.reads)
    given = dict(arguments or {})
    try:
        parameters = inspect.signature(func).parameters
    except (TypeError, ValueError):
        parameters = {}
    injected = frozenset(name for name in INJECTED if name in parameters and name not in given)
    return Step(
        func=func,
        arguments=given,
        recipe=recipe_of(func, arguments=given, reads=reads),
        reads=reads_of(func, reads),
        injected=injected,
        batched=batched and takes_list(func),
    )


def as_callable(func: Any) -> Any:
    """Return what is called with an item; calculators become :class:`Evaluate`."""
    is_recipe = isinstance(func, tuple) and len(func) in (2, 3) and isinstance(func[0], type)
    if is_recipe:
        entries = cast("tuple[Any, ...]", func)
        if len(entries) == 3 and entries[1]:
            raise TypeError(
                "a calculator must be given as (Class, keyword arguments), received positional "
                f"arguments {entries[1]!r}; name them"
            )
        return Evaluate((entries[0], dict(entries[-1])))
    is_node = hasattr(func, "get_calculator")
    is_calculator = hasattr(func, "calculate") and hasattr(func, "implemented_properties")
    if is_node or (is_calculator and not isinstance(func, type)):
        return Evaluate(func)
    if not callable(func):
        raise TypeError(
            "func must be a function of one item, a calculator spec, an ASE calculator or "
            f"(Class, keyword arguments), received {type(func).__name__}"
        )
    return func


def with_setting(func: Any, setting: Mapping[str, Any]) -> tuple[Any, dict[str, Any]]:
    """Return a function under one setting of a sweep, and its further keyword arguments.

    Raises
    ------
    ValueError
        If a calculator has no field of that name.
    """
    if not isinstance(func, Evaluate) or not setting:
        return func, dict(setting)
    given = func.calculator
    if isinstance(given, tuple):
        made: Any = (given[0], {**given[1], **setting})
    elif dataclasses.is_dataclass(given) and not isinstance(given, type):
        known = {field.name for field in dataclasses.fields(given)}
        unknown = sorted(set(setting) - known)
        if unknown:
            raise ValueError(
                f"sweep must name fields of {type(given).__name__} ({', '.join(sorted(known))}), "
                f"received {', '.join(unknown)}"
            )
        made = dataclasses.replace(given, **setting)
    else:
        raise ValueError(
            "a sweep over a calculator needs a spec or (Class, keyword arguments), received "
            f"{type(given).__name__}"
        )
    return dataclasses.replace(func, calculator=made), {}


def takes_list(func: Any) -> bool:
    """Whether the first parameter is annotated as a list of items."""
    parameters = list(inspect.signature(func).parameters.values())
    if not parameters:
        return False
    annotation = parameters[0].annotation
    if isinstance(annotation, str):
        text = annotation.rpartition(".")[2] if "[" not in annotation else annotation
        return text.startswith(("list", "Sequence", "Frames")) or ".Sequence[" in text
    origin = get_origin(annotation) or annotation
    return (
        isinstance(origin, type)
        and not issubclass(origin, (str, bytes, Atoms))
        and (issubclass(origin, Sequence) or origin.__name__ == "Frames")
    )


@dataclasses.dataclass(frozen=True)
class Call:
    """All that a worker has to know to compute items.

    Attributes
    ----------
    variants : for each setting of the sweep (one if there is none) the steps, in order
    seed : the user's seed, from which those of the items are made
    settings : of the sweep, one for each variant
    """

    variants: tuple[tuple[Step, ...], ...]
    seed: int | None = None
    settings: tuple[Mapping[str, Any], ...] = ({},)

    @property
    def steps(self) -> tuple[Step, ...]:
        """The steps of the first setting."""
        return self.variants[0]

    def prepare(self, folder: Path) -> Call:
        """Return the call for one worker: calculators write their files below `folder`."""

        def placed(step: Step) -> Step:
            if isinstance(step.func, Evaluate) and step.func.directory is None:
                place = folder / "calculators" / step.recipe.id.hex()[:16]
                return dataclasses.replace(
                    step, func=dataclasses.replace(step.func, directory=place)
                )
            return step

        variants = tuple(tuple(placed(step) for step in steps) for steps in self.variants)
        return dataclasses.replace(self, variants=variants)

    def identify(self, variant: int, step: int, item: Any) -> tuple[bytes, bytes, int | None]:
        """Return key, hash and seed of an item for one step."""
        chosen = self.variants[variant][step]
        structure = structure_hash(item, chosen.reads)
        seed = self.seed_of(variant, step, structure)
        return chosen.recipe.key(structure, seed), structure, seed

    def seed_of(self, variant: int, step: int, structure: bytes) -> int | None:
        """Return the seed of an item for one step, None if that is not random."""
        chosen = self.variants[variant][step]
        if not chosen.random:
            return None
        if self.seed is None:
            raise ValueError(
                f"seed must be given, because {chosen.name} takes "
                f"{' and '.join(sorted(chosen.injected & {'rng', 'seed'}))}, received None"
            )
        return item_seed(self.seed, structure)

    def dump(self, *, by_value: bool = False) -> bytes:
        """Return the call as bytes for a worker of this run.

        Parameters
        ----------
        by_value : send the project's own modules along, for workers that may not have them; those
            that cannot be imported by name are sent in any case
        """
        import cloudpickle  # noqa: PLC0415, TID251 - functions travel to workers of this run only

        # What lies in a script is sent along; what lies in modules is imported by the worker.
        paths = json.dumps(_import_paths()).encode()
        names = [name for name in _own_modules() if by_value or not _is_found(name)]
        sent = [sys.modules[name] for name in names]
        with _DUMPING:
            for module in sent:
                cloudpickle.register_pickle_by_value(module)
            try:
                return paths + b"\n" + cloudpickle.dumps(self)
            finally:
                for module in sent:
                    cloudpickle.unregister_pickle_by_value(module)

    @staticmethod
    def load(payload: bytes, digest: str) -> Call:
        """Return the call that `dump` wrote.

        Raises
        ------
        ValueError
            If the payload is not the one whose digest is given.
        """
        found = digest_of(payload)
        if found != digest:
            raise ValueError(f"the payload of a map must have digest {digest}, received {found}")
        import pickle  # noqa: PLC0415, TID251 - written by the driver of this run, digest checked

        paths, _, pickled = payload.partition(b"\n")
        _extend_path(json.loads(paths))
        return cast("Call", pickle.loads(pickled))


def digest_of(payload: bytes) -> str:
    """Return the digest of a payload."""
    return hashlib.blake2b(payload, digest_size=16).hexdigest()


def _import_paths() -> list[str]:
    installed = {sysconfig.get_path(key) for key in ("purelib", "platlib", "stdlib", "platstdlib")}
    return [
        str(Path(path).resolve())
        for path in sys.path
        if path not in installed and Path(path or ".").is_dir() and "lib-dynload" not in path
    ]


def _own_modules() -> list[str]:
    """Return imported modules that are neither installed nor ours."""
    known = {"zn_pipeline", "nodes", "__main__", "__mp_main__"}
    tops = {name.partition(".")[0] for name in list(sys.modules)} - known
    own = {top for top in tops if is_own(top)}
    return [name for name in list(sys.modules) if name.partition(".")[0] in own]


def _is_found(name: str) -> bool:
    """Whether another process would find a module by its name."""
    file = getattr(sys.modules[name], "__file__", None)
    if file is None:
        return True
    relative = name.replace(".", "/")
    places = [Path(path).resolve() / relative for path in sys.path]
    found = Path(file).resolve()
    return any(found in (place.with_suffix(".py"), place / "__init__.py") for place in places)


def _extend_path(paths: Iterable[str]) -> None:
    sys.path.extend(path for path in paths if path not in sys.path)


@functools.lru_cache(maxsize=64)
def loaded(payload: bytes, digest: str) -> Call:
    """Return a call, unpacked once in each worker."""
    return Call.load(payload, digest)
