"""From a config to ModelConfig."""

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Literal

from ase.data import atomic_numbers

from nodes.training.config.model import Basis, Correction, Gmnn, Model, PropertyHead

if TYPE_CHECKING:
    from nodes.numerics.potentials import ModelConfig

__all__ = ["lower_model"]

_FLOATS: dict[str, Literal["float32", "float64"]] = {"fp32": "float32", "fp64": "float64"}
_ACTIVATIONS = {"variance_preserving_swish": "scaled_silu"}


def lower_model(config: Model, numbers: Iterable[int]) -> "ModelConfig":
    """Return the shape of a model.

    Parameters
    ----------
    config : Model
    numbers : of int
        Atomic numbers that occur in the structures.
    """
    from nodes.numerics.potentials import ModelConfig, Readout

    unknown = [symbol for symbol in config.elements if symbol not in atomic_numbers]
    if unknown:
        raise ValueError(f"model.elements must be symbols of elements, received {unknown}")
    elements = {int(z) for z in numbers} | {atomic_numbers[symbol] for symbol in config.elements}
    ensemble = config.ensemble
    return ModelConfig(
        elements=tuple(sorted(elements)),
        cutoff_angstrom=config.basis.r_max,
        representation=_representation(config),
        readout=Readout(
            hidden=tuple(config.nn),
            activation=_ACTIVATIONS.get(config.activation_fn, config.activation_fn),
            ntk=config.use_ntk,
            weight_init=config.w_init,
            bias_init=config.b_init,
        ),
        n_members=1 if ensemble is None else ensemble.n_members,
        ensemble="shallow" if ensemble is None else ensemble.kind,
        corrections=tuple(_correction(entry) for entry in config.empirical_corrections),
        heads=tuple(_head(head) for head in config.property_heads),
        precision=_precision(config),
    )


def _precision(config: Model) -> Any:
    from nodes.numerics.potentials import Precision

    return Precision(
        descriptor=_FLOATS[config.descriptor_dtype],
        readout=_FLOATS[config.readout_dtype],
        energy=_FLOATS[config.scale_shift_dtype],
    )


def _representation(config: Model) -> Any:
    from nodes.numerics.potentials import EquivariantMessages, GaussianMoments

    basis = _basis(config.basis)
    if isinstance(config, Gmnn):
        contraction = config.emb_init is not None
        return GaussianMoments(
            n_radial=config.n_radial if contraction else basis.n_basis,
            n_contractions=config.n_contr,
            basis=basis,
            contraction=contraction,
            coefficients=config.emb_init or "uniform",
        )
    return EquivariantMessages(
        features=config.features,
        max_degree=config.max_degree,
        n_iterations=config.num_iterations,
        basis=basis,
    )


def _basis(config: Basis) -> Any:
    from nodes.numerics.potentials import Bessel, Gaussian

    if config.name == "bessel":
        return Bessel(n_basis=config.n_basis)
    return Gaussian(n_basis=config.n_basis, r_min_angstrom=config.r_min, spacing=config.spacing)


def _correction(config: Correction) -> Any:
    from nodes.numerics.potentials.corrections import ExponentialRepulsion, Zbl

    if config.name == "zbl":
        return Zbl(r_max_angstrom=config.r_max)
    return ExponentialRepulsion(r_max_angstrom=config.r_max)


def _head(config: PropertyHead) -> Any:
    from nodes.numerics.potentials.heads import PropertyHead as Head

    return Head(
        name=config.name,
        mode=config.mode,
        aggregation=config.aggregation,
        hidden=tuple(config.nn),
        n_members=max(config.n_shallow_members, 1),
        ntk=config.use_ntk,
        weight_init=config.w_init,
        bias_init=config.b_init,
        precision=_FLOATS[config.dtype],
    )
