"""What an apax `config.yaml` says of the model, checked against what can be taken over."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

__all__ = ["read_model_section"]

_SHARED: dict[str, Any] = {
    "basis": {"name": "bessel"},
    "nn": [256, 256],
    "w_init": "lecun",
    "b_init": "zeros",
    "activation_fn": "variance_preserving_swish",
    "use_ntk": False,
    "ensemble": None,
    "property_heads": [],
    "empirical_corrections": [],
    "calc_stress": False,
    "descriptor_dtype": "fp32",
    "readout_dtype": "fp32",
    "scale_shift_dtype": "fp64",
}
"""Keys of every model with apax's defaults."""

_KINDS: dict[str, dict[str, Any]] = {
    "gmnn": {"n_radial": 5, "n_contr": 8, "emb_init": "uniform"},
    "equiv-mp": {"features": 32, "max_degree": 2, "num_iterations": 1},
}

_BASES: dict[str, dict[str, Any]] = {
    "bessel": {"n_basis": 16, "r_max": 5.0},
    "gaussian": {"n_basis": 7, "r_min": 0.5, "r_max": 6.0, "spacing": "linear"},
}

_HEAD: dict[str, Any] = {
    "aggregation": "none",
    "mode": "l0",
    "nn": [128, 128],
    "n_shallow_members": 0,
    "w_init": "lecun",
    "b_init": "zeros",
    "use_ntk": False,
    "dtype": "fp32",
}

_CORRECTIONS: dict[str, dict[str, Any]] = {
    "zbl": {"r_max": 1.5},
    "exponential": {"r_max": 1.5},
}

_ENSEMBLES: dict[str, dict[str, Any]] = {
    "full": {},
    "shallow": {"force_variance": True, "chunk_size": None},
}


def read_model_section(directory: Path) -> dict[str, Any]:
    """Return the section ``model`` with every default filled in.

    Parameters
    ----------
    directory : of a trained apax model, with ``config.yaml``

    Raises
    ------
    FileNotFoundError
        If there is no ``config.yaml``.
    ValueError
        If something of the model cannot be taken over; the message names the key.
    """
    path = directory / "config.yaml"
    if not path.is_file():
        raise FileNotFoundError(
            f"{directory} must hold config.yaml, received a directory without it; give the "
            f"directory of a trained apax model, which holds config.yaml and best/"
        )
    try:
        content = YAML(typ="safe").load(path)
    except YAMLError as error:
        raise ValueError(f"{path} must be YAML, received {error}") from error
    if not isinstance(content, Mapping) or not isinstance(content.get("model"), Mapping):
        raise ValueError(f"{path} must have a section model, received none")
    return _complete(dict(content["model"]))


def _complete(section: dict[str, Any]) -> dict[str, Any]:
    """Fill in defaults and check every key of the section."""
    kind = section.pop("name", "gmnn")
    shared = _SHARED | _choose(kind, _KINDS, "model.name", _WHY_NOT)
    model = {"name": kind} | _fill(section, shared, "model")
    model["basis"] = _named(model["basis"], _BASES, "model.basis")
    model["empirical_corrections"] = [
        _named(entry, _CORRECTIONS, f"model.empirical_corrections[{index}]")
        for index, entry in enumerate(model["empirical_corrections"])
    ]
    model["property_heads"] = [
        _head(dict(entry), f"model.property_heads[{index}]")
        for index, entry in enumerate(model["property_heads"])
    ]
    if model["ensemble"] is not None:
        model["ensemble"] = _ensemble(dict(model["ensemble"]))
    return model


_WHY_NOT = {
    "so3krates": "so3krates models cannot be imported; train one of the models of this project",
    "latent_ewald": (
        "it has the wrong sign and sums one octant of k-vectors in apax, so that a model trained "
        "with it means nothing else; train without it"
    ),
}


def _choose(
    name: Any, known: Mapping[str, dict[str, Any]], key: str, why_not: Mapping[str, str]
) -> dict[str, Any]:
    if name not in known:
        reason = f": {why_not[name]}" if name in why_not else ""
        raise ValueError(f"{key} must be one of {sorted(known)}, received {name!r}{reason}")
    return known[name]


def _fill(given: Mapping[str, Any], defaults: Mapping[str, Any], key: str) -> dict[str, Any]:
    unknown = sorted(set(given) - set(defaults))
    if unknown:
        raise ValueError(
            f"{key} must have the keys of apax 0.14 {sorted(defaults)}, received {unknown}"
        )
    return dict(defaults) | dict(given)


def _named(entry: Mapping[str, Any], known: dict[str, dict[str, Any]], key: str) -> dict[str, Any]:
    """Complete a section whose `name` says which keys it has."""
    given = dict(entry)
    name = given.pop("name", None)
    defaults = _choose(name, known, f"{key}.name", _WHY_NOT)
    return {"name": name} | _fill(given, defaults, key)


def _head(given: dict[str, Any], key: str) -> dict[str, Any]:
    name = given.pop("name")
    head = {"name": name} | _fill(given, _HEAD, key)
    if head["mode"] != "l0":
        raise ValueError(
            f"{key}.mode must be 'l0', received {head['mode']!r}: apax builds it from vectors to "
            f"the centre of all atoms, which means nothing in a periodic cell; train such a head "
            f"anew"
        )
    return head


def _ensemble(given: dict[str, Any]) -> dict[str, Any]:
    kind, n_members = given.pop("kind", None), int(given.pop("n_members", 0))
    defaults = _choose(kind, _ENSEMBLES, "model.ensemble.kind", {})
    if n_members < 1:
        raise ValueError(f"model.ensemble.n_members must be at least 1, received {n_members}")
    return {"kind": kind, "n_members": n_members} | _fill(given, defaults, "model.ensemble")
