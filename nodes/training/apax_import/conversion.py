"""Config and weights of an apax model in the form of this project's.

apax keeps a row per atomic number in every table; here only those of `elements` exist. Energies
of apax are ``scale[Z] network + shift[Z]``: the shift becomes the reference energy. Features of
Gaussian moments are the same products in another order, so the rows of the first layer change
places.
"""

import itertools
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from nodes.training.apax_import.checkpoint import Weights
from nodes.training.apax_import.corrections import correction, correction_weights

if TYPE_CHECKING:
    from nodes.numerics.potentials import ModelConfig, Params

__all__ = ["model_config", "model_parameters"]

_ACTIVATIONS = {"variance_preserving_swish": "scaled_silu"}
_FLOATS: dict[str, Any] = {"fp32": "float32", "fp64": "float64"}
_DIRECTION_OFFSET_ANGSTROM = 1e-5


def model_config(section: dict[str, Any], elements: Sequence[int]) -> "ModelConfig":
    """Return the shape of a model from the section ``model`` of apax.

    Raises
    ------
    ValueError
        If a value has no counterpart; the message names its key.
    """
    from nodes.numerics.potentials import ModelConfig, Precision

    ensemble: dict[str, Any] = section["ensemble"] or {"kind": "shallow", "n_members": 1}
    if section["property_heads"] and ensemble["kind"] == "full":
        raise ValueError(
            f"model.property_heads must be empty in a full ensemble, received "
            f"{[head['name'] for head in section['property_heads']]}: its members share their "
            f"heads here; delete the key from config.yaml to take over energies and forces alone"
        )
    parts = [section[f"{part}_dtype"] for part in ("descriptor", "readout", "scale_shift")]
    double = "fp64" in parts[:2]
    return ModelConfig(
        elements=tuple(elements),
        cutoff_angstrom=section["basis"]["r_max"],
        representation=_representation(section),
        readout=_readout(section),
        n_members=ensemble["n_members"],
        ensemble=ensemble["kind"],
        corrections=tuple(correction(entry) for entry in section["empirical_corrections"]),
        heads=tuple(_head(entry, section["activation_fn"]) for entry in section["property_heads"]),
        precision=Precision(*(_FLOATS[part] for part in parts)) if double else Precision(),
    )


def model_parameters(section: dict[str, Any], weights: Weights, config: "ModelConfig") -> "Params":
    """Return the weights of the elements of `config`.

    Raises
    ------
    ValueError
        If the weights are not those of a model of this section.
    """
    import jax

    from nodes.numerics.potentials import EnergyModel

    rows = np.array(config.elements)
    scale = weights["scale_shift.scale_per_element"][..., rows, 0]
    shift = weights["scale_shift.shift_per_element"][..., rows, 0]
    common_shift = shift.reshape(-1, len(rows)).mean(axis=0)
    model = EnergyModel(config)
    with config.precision.scope():
        params = model.init(jax.random.key(0))
        found = {
            "representation": _representation_weights(section, weights, config),
            "layers": _layers(weights, "readout", _feature_order(config)),
            "scale": scale.T,
            "shift": (shift - common_shift).T,
            "corrections": correction_weights(section, weights, config.elements),
            "heads": _head_weights(section, weights, config),
        }
        params["weights"] = jax.tree.map(_cast, params["weights"], found)
    params["constants"]["reference"] = common_shift.astype(np.float64)
    return params


def _cast(start: Any, found: NDArray[Any]) -> Any:
    """Return `found` as a JAX array of the type of `start`, whose shape it must have."""
    import jax.numpy as jnp

    if start.shape != found.shape:
        raise ValueError(
            f"the checkpoint must hold weights of the shapes that config.yaml says, received "
            f"{found.shape} instead of {start.shape}; both must be of one training"
        )
    return jnp.asarray(found, start.dtype)


def _representation(section: dict[str, Any]) -> Any:
    from nodes.numerics.potentials import (
        Bessel,
        EquivariantMessages,
        Gaussian,
        GaussianMoments,
    )

    basis = section["basis"]
    radial: Any = Bessel(basis["n_basis"])
    if basis["name"] == "gaussian":
        radial = Gaussian(basis["n_basis"], basis["r_min"], basis["spacing"])
    if section["name"] == "equiv-mp":
        return EquivariantMessages(
            features=section["features"],
            max_degree=section["max_degree"],
            n_iterations=section["num_iterations"],
            basis=radial,
        )
    contraction = section["emb_init"] is not None
    return GaussianMoments(
        n_radial=section["n_radial"] if contraction else basis["n_basis"],
        n_contractions=section["n_contr"],
        basis=radial,
        contraction=contraction,
        direction_offset_angstrom=_DIRECTION_OFFSET_ANGSTROM,
    )


def _readout(section: dict[str, Any]) -> Any:
    from nodes.numerics.potentials import Readout

    activation: str = section["activation_fn"]
    return Readout(
        hidden=tuple(section["nn"]),
        activation=_ACTIVATIONS.get(activation, activation),
        ntk=section["use_ntk"],
        weight_init=section["w_init"],
        bias_init=section["b_init"],
    )


def _head(entry: dict[str, Any], activation: str) -> Any:
    from nodes.numerics.potentials import PropertyHead

    return PropertyHead(
        name=entry["name"],
        mode=entry["mode"],
        aggregation=entry["aggregation"],
        hidden=tuple(entry["nn"]),
        activation=_ACTIVATIONS.get(activation, activation),
        n_members=max(entry["n_shallow_members"], 1),
        ntk=entry["use_ntk"],
        weight_init=entry["w_init"],
        bias_init=entry["b_init"],
        precision=_FLOATS[entry["dtype"]],
    )


def _head_weights(
    section: dict[str, Any], weights: Weights, config: "ModelConfig"
) -> dict[str, Any]:
    order, rows = _feature_order(config), np.array(config.elements)
    return {
        entry["name"]: {
            "layers": _layers(weights, f"property_heads_{index}.readout", order),
            "scale": weights[f"property_heads_{index}.scale_per_element"][rows, 0],
            "shift": weights[f"property_heads_{index}.shift_per_element"][rows, 0],
        }
        for index, entry in enumerate(section["property_heads"])
    }


def _representation_weights(
    section: dict[str, Any], weights: Weights, config: "ModelConfig"
) -> Any:
    if section["name"] == "equiv-mp":
        return _equivariant_weights(weights, config)
    if section["emb_init"] is None:
        return {}
    from nodes.numerics.potentials.gaussian_moments import RADIAL_UNIT

    rows = np.array(config.elements)
    table = weights["representation.radial_fn.atomic_type_embedding"]
    radial = table[..., rows[:, None], rows, :, :]
    if section["basis"]["name"] == "gaussian":
        radial = radial / np.sqrt(section["basis"]["n_basis"])
    return {"radial": radial / RADIAL_UNIT}


def _layers(
    weights: Weights, prefix: str, order: NDArray[np.intp] | None
) -> list[dict[str, NDArray[Any]]]:
    """Return all layers of a network, the rows of the first one in `order`."""
    count = sum(name.startswith(f"{prefix}.dense_") for name in weights) // 2
    layers = [
        {"w": weights[f"{prefix}.dense_{i}.w"], "b": weights[f"{prefix}.dense_{i}.b"]}
        for i in range(count)
    ]
    if order is not None:
        layers[0]["w"] = layers[0]["w"][..., order, :]
    return layers


def _feature_order(config: "ModelConfig") -> NDArray[np.intp] | None:
    """Return where apax has each feature of the representation, None for all as they are."""
    from nodes.numerics.potentials.gaussian_moments import GaussianMoments
    from nodes.numerics.potentials.invariants import labels

    representation = config.representation
    if not isinstance(representation, GaussianMoments):
        return None
    theirs = _apax_labels(representation.n_radial)
    places = {label: place for place, label in enumerate(theirs)}
    ours = labels(representation.n_radial, representation.n_contractions)
    return np.array([places[label] for label in ours])


def _apax_labels(n_radial: int) -> list[tuple[int, ...]]:
    """Return family and radial functions of each feature in the order of apax."""
    radial = range(n_radial)
    pairs = list(itertools.combinations_with_replacement(radial, 2))
    triples: list[tuple[int, ...]] = []
    for r in radial:
        triples.append((r, r, r))
        triples += [tuple(sorted((r, s, s))) for s in radial if s != r]
        triples += [(r, s, t) for s, t in itertools.combinations(range(r + 1, n_radial), 2)]
    with_third = [(*pair, t) for pair in pairs for t in radial]
    every = list(itertools.product(radial, repeat=3))
    single = [(r,) for r in radial]
    families = [single, pairs, pairs, pairs, triples, with_third, with_third, every]
    return [(family, *which) for family, members in enumerate(families) for which in members]


def _equivariant_weights(weights: Weights, config: "ModelConfig") -> Any:
    """Return the weights of the representation, of each member of a full ensemble."""
    import jax
    import jax.numpy as jnp

    from nodes.numerics.potentials.equivariant import EquivariantMessages, from_e3x_parameters

    prefix = "representation."
    flat = {name.removeprefix(prefix): v for name, v in weights.items() if name.startswith(prefix)}
    representation = config.representation
    assert isinstance(representation, EquivariantMessages)

    def convert(member: Weights) -> Any:
        return from_e3x_parameters(
            _nested(member),
            representation,
            config.elements,
            cutoff=config.cutoff_angstrom,
            dtype=config.precision.dtype("descriptor"),
        )

    if not config.full:
        return convert(flat)
    members = [convert({name: v[i] for name, v in flat.items()}) for i in range(config.n_members)]
    return jax.tree.map(lambda *leaves: jnp.stack(leaves), *members)


def _nested(flat: Weights) -> dict[str, Any]:
    """Turn dotted names into nested dicts."""
    tree: dict[str, Any] = {}
    for name, value in flat.items():
        *folders, leaf = name.split(".")
        node = tree
        for folder in folders:
            node = node.setdefault(folder, {})
        node[leaf] = value
    return tree
