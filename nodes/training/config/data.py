"""Settings of structures: files, splits, units, padding, reference energies and scales."""

from typing import Annotated, Literal

from ase.data import atomic_numbers
from pydantic import (
    AfterValidator,
    Field,
    NonNegativeFloat,
    NonNegativeInt,
    PositiveFloat,
    PositiveInt,
    model_validator,
)

from nodes.schema.section import NO_EFFECT, Section

__all__ = ["DataConfig", "Dataset", "Packed"]


def _numbers(values: dict[int | str, float]) -> dict[int | str, float]:
    unknown = [key for key in values if isinstance(key, str) and key not in atomic_numbers]
    if unknown:
        raise ValueError(f"keys must be atomic numbers or symbols, received {unknown}")
    return values


PerElement = Annotated[dict[int | str, float], AfterValidator(_numbers)]


class Packed(Section):
    """Structures are padded to a few shapes, chosen for the least waste."""

    processing: Literal["packed"] = "packed"
    """How structures of different sizes share compiled code; "cached" in apax."""
    max_shapes: PositiveInt = 3
    """Shapes at most; each takes time to compile and saves computing time."""
    resident_gib: NonNegativeFloat | None = None
    """Keep data on the device up to this size; by default half of the device's memory."""


class Cached(Section):
    """Structures are padded to the largest and kept on the device if they fit."""

    processing: Literal["cached"]
    """Pad to the largest structure; the device holds the data if they fit."""
    shuffle_buffer_size: PositiveInt = Field(default=1000, json_schema_extra=NO_EFFECT)
    """All structures are always shuffled."""


class OnTheFly(Section):
    """Structures are padded to the largest and streamed from the host."""

    processing: Literal["otf"]
    """Pad to the largest structure; the data are streamed from the host."""
    shuffle_buffer_size: PositiveInt = Field(default=1000, json_schema_extra=NO_EFFECT)
    """All structures are always shuffled."""


class PerBatchPadded(Section):
    """Structures are padded to shapes near their size."""

    processing: Literal["pbp"]
    """Pad to one of several shapes, as "packed" does with max_shapes = 8."""
    num_workers: PositiveInt = Field(default=10, json_schema_extra=NO_EFFECT)
    """Neighbours are found once, before training."""
    atom_padding: PositiveInt = Field(default=10, json_schema_extra=NO_EFFECT)
    """Shapes are chosen for the least waste."""
    nl_padding: PositiveInt = Field(default=2000, json_schema_extra=NO_EFFECT)
    """Shapes are chosen for the least waste."""


Dataset = Annotated[Packed | Cached | OnTheFly | PerBatchPadded, Field(discriminator="processing")]


class ShiftOptions(Section):
    """Options of the shift methods; each may be given for its method only."""

    energy_regularisation: NonNegativeFloat | None = None
    """Ridge of per_element_regression_shift; 1 if not given."""
    E0s: PerElement | None = None
    """Energies of isolated atoms in energy_unit, for isolated_atom_energy_shift."""


class ScaleOptions(Section):
    """Options of the scale methods; each may be given for its method only."""

    factor: PositiveFloat | None = None
    """For global_custom_scale."""
    factors: PerElement | None = None
    """Scale of each element, for per_element_custom_scale."""


ShiftMethod = Literal[
    "per_element_regression_shift", "isolated_atom_energy_shift", "mean_atom_energy_shift"
]
ScaleMethod = Literal[
    "per_element_force_rms_scale", "mean_energy_rms_scale", "global_custom_scale",
    "per_element_custom_scale",
]  # fmt: skip

_NEEDED = {
    "isolated_atom_energy_shift": "E0s",
    "global_custom_scale": "factor",
    "per_element_custom_scale": "factors",
}
_ALLOWED = _NEEDED | {"per_element_regression_shift": "energy_regularisation"}


class DataConfig(Section):
    """Where structures come from and where results go."""

    directory: str
    """Folder of results."""
    experiment: str
    """Name of this run, a folder within directory."""
    dataset: Dataset = Packed()
    """How structures of different sizes share compiled code."""
    data_path: str | None = None
    """One file, of which n_train and n_valid structures are drawn; the rest is for tests."""
    train_data_path: str | None = None
    """File of structures to train on, instead of data_path."""
    val_data_path: str | None = None
    """File of structures to validate on, with train_data_path."""
    test_data_path: str | None = None
    """File of structures for tests; by default what is left of data_path."""
    n_train: PositiveInt = 1000
    """Structures to train on, of data_path."""
    n_valid: NonNegativeInt = 100
    """Structures to validate on, of data_path."""
    batch_size: PositiveInt = 32
    """Structures per step of the optimizer."""
    valid_batch_size: PositiveInt = 100
    """Structures that are validated at once."""
    shift_method: ShiftMethod = "per_element_regression_shift"
    """How the reference energy of each element is found."""
    shift_options: ShiftOptions = ShiftOptions()
    """Options of shift_method."""
    scale_method: ScaleMethod = "per_element_force_rms_scale"
    """How the scale of each element is found. Force RMS is sqrt(mean(F.F)/3), in eV/Angstrom; apax
    takes sqrt(mean |F|)."""
    scale_options: ScaleOptions = ScaleOptions()
    """Options of scale_method."""
    pos_unit: Literal["Ang", "Bohr"] = "Ang"
    """Unit of positions and cells in the files."""
    energy_unit: Literal["eV", "kcal/mol", "Hartree", "kJ/mol"] = "eV"
    """Unit of energies in the files. Forces and stress are in this unit and pos_unit."""
    label_keys: dict[str, str] = Field(default_factory=dict)
    """Where labels stand that ASE does not know by name, such as {energy: REF_energy}: the key of
    info (energy, stress) or of arrays (forces)."""

    @model_validator(mode="after")
    def _check_paths(self) -> "DataConfig":
        if (self.data_path is None) == (self.train_data_path is None):
            raise ValueError("must have either data_path or train_data_path")
        if self.data_path is not None and self.val_data_path is not None:
            raise ValueError("must have val_data_path together with train_data_path only")
        return self

    @model_validator(mode="after")
    def _check_options(self) -> "DataConfig":
        for kind in ("shift", "scale"):
            method = getattr(self, f"{kind}_method")
            options = getattr(self, f"{kind}_options")
            given = {name for name, value in options if value is not None}
            allowed = {_ALLOWED[method]} if method in _ALLOWED else set()
            if given - allowed:
                raise ValueError(
                    f"{kind}_options of {method} must be among {sorted(allowed)}, received "
                    f"{sorted(given - allowed)}"
                )
            if method in _NEEDED and not given:
                raise ValueError(f"{kind}_options of {method} must have {_NEEDED[method]}")
        return self
