"""Settings of constraints, checks and biases."""

from typing import Annotated, Literal

from pydantic import Field, PositiveFloat

from nodes.schema.section import Section

__all__ = ["Bias", "CheckConfig", "ConstraintConfig"]


class EnergyUncertainty(Section):
    """Stop when the energy is uncertain."""

    name: Literal["energy_uncertainty"]
    """Stop when the energy is uncertain."""
    threshold: PositiveFloat
    """Standard deviation over the members, eV."""
    per_atom: bool = True
    """Whether the threshold is per atom."""


class ForcesUncertainty(Section):
    """Stop when the force on an atom is uncertain."""

    name: Literal["forces_uncertainty"]
    """Stop when the force on an atom is uncertain."""
    threshold: PositiveFloat
    """Square root of the summed variances of its components, eV/Angstrom."""


class ReflectionCheck(Section):
    """Stop when an atom that was below a plane is above."""

    name: Literal["reflection"]
    """Stop when an atom that was below a plane is above."""
    cutoff_plane_height: float
    """Height of the plane, Angstrom."""


class TemperatureCheck(Section):
    """Stop when it is too hot."""

    name: Literal["temperature"]
    """Stop when it is too hot."""
    threshold: PositiveFloat
    """Highest temperature, K."""


class EnergyJumpCheck(Section):
    """Stop when the energy jumps."""

    name: Literal["energy_jump"]
    """Stop when the energy jumps from one check to the next."""
    threshold: PositiveFloat
    """Largest change of the potential energy, eV/atom."""


class BondCheck(Section):
    """Stop when a bond breaks."""

    name: Literal["bond"]
    """Stop when a bond of the initial structure is stretched or compressed."""
    max_stretch: float = Field(default=1.5, gt=1.0)
    """Largest factor."""


class DistanceCheck(Section):
    """Stop when two atoms are too close."""

    name: Literal["min_distance"]
    """Stop when two atoms are too close."""
    threshold: PositiveFloat
    """Shortest distance, Angstrom."""


CheckConfig = Annotated[
    EnergyUncertainty
    | ForcesUncertainty
    | ReflectionCheck
    | TemperatureCheck
    | EnergyJumpCheck
    | BondCheck
    | DistanceCheck,
    Field(discriminator="name"),
]


class FixAtomsConfig(Section):
    """Atoms that do not move."""

    name: Literal["fixatoms"]
    """Atoms that do not move."""
    indices: tuple[int, ...] = Field(min_length=1)
    """Rows of the atoms."""


class FixCenterOfMassConfig(Section):
    """A centre of mass that stays."""

    name: Literal["fixcenterofmass"]
    """A centre of mass that stays."""
    position: Literal["initial", "origin"] | tuple[float, float, float] = "initial"
    """Where: initial, origin, or three numbers in Angstrom."""


class FixLayerConfig(Section):
    """Atoms that do not move because of their height."""

    name: Literal["fixlayer"]
    """Atoms that do not move because of their initial height."""
    upper_limit: float
    """Highest z, Angstrom."""
    lower_limit: float
    """Lowest z, Angstrom."""


ConstraintConfig = Annotated[
    FixAtomsConfig | FixCenterOfMassConfig | FixLayerConfig, Field(discriminator="name")
]


class SphericalWallBias(Section):
    """A wall around the origin."""

    name: Literal["spherical_wall"] = "spherical_wall"
    """A wall around the origin."""
    radius: PositiveFloat
    """Where it begins, Angstrom."""
    spring_constant: float
    """Its strength, eV/Angstrom^2."""


Bias = SphericalWallBias
