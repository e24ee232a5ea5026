"""Settings of models."""

from typing import Annotated, Any, Literal

from pydantic import (
    Discriminator,
    Field,
    NonNegativeFloat,
    NonNegativeInt,
    PositiveFloat,
    PositiveInt,
    Tag,
    model_validator,
)

from nodes.schema.section import NO_EFFECT, Section

__all__ = ["Basis", "Correction", "Ensemble", "EquivMP", "Gmnn", "Model", "PropertyHead"]

FloatType = Literal["fp32", "fp64"]


class BesselBasis(Section):
    """Smooth Bessel functions."""

    name: Literal["bessel"] = "bessel"
    """Smooth Bessel functions."""
    n_basis: PositiveInt = 16
    """Number of functions."""
    r_max: PositiveFloat = 5.0
    """Radius of the neighbourhood that an atom sees, Angstrom."""


class GaussianBasis(Section):
    """Gaussians of the distance."""

    name: Literal["gaussian"] = "gaussian"
    """Gaussians of the distance."""
    n_basis: PositiveInt = 7
    """Number of functions."""
    r_min: NonNegativeFloat = 0.5
    """Centre of the first one, Angstrom."""
    r_max: PositiveFloat = 6.0
    """Radius of the neighbourhood that an atom sees, Angstrom."""
    spacing: Literal["linear", "exponential"] = "linear"
    """Of the centres; "exponential" has more of them at short distances."""


Basis = Annotated[BesselBasis | GaussianBasis, Field(discriminator="name")]


class FullEnsemble(Section):
    """Members that share nothing."""

    kind: Literal["full"] = "full"
    """Members share nothing."""
    n_members: PositiveInt
    """Number of members."""


class ShallowEnsemble(Section):
    """Members that share all but the last layer."""

    kind: Literal["shallow"] = "shallow"
    """Members share all but the last layer."""
    n_members: PositiveInt
    """Number of members."""
    force_variance: bool = True
    """Report uncertainties of forces in tests, too."""
    chunk_size: PositiveInt | None = Field(default=None, json_schema_extra=NO_EFFECT)
    """Uncertainties of forces need no pass per member, so there is nothing to split."""


def _ensemble_kind(value: Any) -> str | None:
    if isinstance(value, dict):
        shallow = "force_variance" in value or "chunk_size" in value
        return value.get("kind", "shallow" if shallow else "full")
    return getattr(value, "kind", None)


Ensemble = Annotated[
    Annotated[FullEnsemble, Tag("full")] | Annotated[ShallowEnsemble, Tag("shallow")],
    Discriminator(_ensemble_kind),
]


class PropertyHead(Section):
    """A network of its own for a further property."""

    name: str
    """Name of the property, and of its label in info or arrays of the structures."""
    aggregation: Literal["none", "sum", "mean"] = "none"
    """One value per atom, or the sum or mean of them."""
    mode: Literal["l0", "l1", "symmetric_l2", "symmetric_traceless_l2"] = "l0"
    """Number, vector, symmetric matrix, or symmetric matrix without trace."""
    nn: tuple[PositiveInt, ...] = (128, 128)
    """Widths of the hidden layers."""
    n_shallow_members: NonNegativeInt = 0
    """Members of its ensemble; 0 for none."""
    w_init: Literal["normal", "lecun"] = "lecun"
    """Initial weights."""
    b_init: Literal["normal", "zeros"] = "zeros"
    """Initial biases."""
    use_ntk: bool = False
    """Scale layers by their width when they are applied instead of when they are made."""
    dtype: FloatType = "fp32"
    """Float type of this head."""


class ZblRepulsion(Section):
    """Screened repulsion of nuclei."""

    name: Literal["zbl"]
    """Screened repulsion of nuclei, with its physical prefactor to start from (0.1 / 14.4 of it in
    apax)."""
    r_max: PositiveFloat = 1.5
    """Where it ends, Angstrom."""


class ExponentialRepulsion(Section):
    """Exponential repulsion, trained."""

    name: Literal["exponential"]
    """Exponential repulsion of each element, trained."""
    r_max: PositiveFloat = 1.5
    """Where it ends, Angstrom."""


Correction = Annotated[ZblRepulsion | ExponentialRepulsion, Field(discriminator="name")]


class _Shared(Section):
    """What all models have."""

    elements: tuple[str, ...] = ()
    """Symbols of elements to know beside those of the structures, for later use."""
    basis: Basis = BesselBasis()
    """Radial basis functions."""
    nn: tuple[PositiveInt, ...] = Field(default=(256, 256), min_length=1)
    """Widths of the hidden layers."""
    w_init: Literal["normal", "lecun"] = "lecun"
    """Initial weights."""
    b_init: Literal["normal", "zeros"] = "zeros"
    """Initial biases."""
    activation_fn: str = "variance_preserving_swish"
    """Name of a function of jax.nn, or variance_preserving_swish."""
    use_ntk: bool = False
    """Scale layers by their width when they are applied instead of when they are made."""
    ensemble: Ensemble | None = None
    """Several members, whose spread is the uncertainty."""
    property_heads: tuple[PropertyHead, ...] = ()
    """Further properties."""
    empirical_corrections: tuple[Correction, ...] = ()
    """Physical terms that are added."""
    calc_stress: bool = Field(default=False, json_schema_extra=NO_EFFECT)
    """Stress comes with the forces in one pass and is always there."""
    descriptor_dtype: FloatType = "fp32"
    """Float type of the representation."""
    readout_dtype: FloatType = "fp32"
    """Float type of the network."""
    scale_shift_dtype: FloatType = "fp32"
    """Float type of the energies of atoms and their sum; fp64 in apax. Reference energies, the
    large part, are added in float64 in any case."""

    @model_validator(mode="after")
    def _check_names(self) -> "_Shared":
        for option in ("property_heads", "empirical_corrections"):
            names = [entry.name for entry in getattr(self, option)]
            if len(set(names)) < len(names):
                raise ValueError(f"names in {option} must differ, received {names}")
        return self


class Gmnn(_Shared):
    """Gaussian moments and a network."""

    name: Literal["gmnn"] = "gmnn"
    """Gaussian moments and a network."""
    n_radial: PositiveInt = 5
    """Learned radial functions per pair of elements."""
    n_contr: int = Field(default=8, ge=1, le=8)
    """How many of the eight families of invariants are used."""
    emb_init: Literal["orthogonal", "uniform"] | None = "orthogonal"
    """Initial coefficients of the radial functions: orthogonal rows, which are learned in far
    fewer epochs, or uniform as in apax; null uses the n_basis basis functions as they are instead
    of n_radial learned ones."""


class EquivMP(_Shared):
    """Equivariant messages between atoms and a network."""

    name: Literal["equiv-mp"] = "equiv-mp"
    """Equivariant messages between atoms and a network."""
    features: PositiveInt = 32
    """Channels."""
    max_degree: NonNegativeInt = 2
    """Highest degree of the features."""
    num_iterations: PositiveInt = 1
    """Rounds of messages."""


Model = Annotated[Gmnn | EquivMP, Field(discriminator="name")]
