"""A trained potential as an ASE calculator."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

from ase import Atoms
from ase.calculators.calculator import Calculator, all_changes
from ase.stress import full_3x3_to_voigt_6_stress

from nodes.atoms import structure_of
from nodes.extras import require

__all__ = ["PotentialCalculator", "results_of"]


class PotentialCalculator(Calculator):
    """Energies, forces and stresses of a saved model, with the spread of its ensemble.

    Properties beyond those of ASE: ``energy_std`` (eV) and ``forces_std`` (eV/Angstrom, by
    component), the standard deviations over the members. Stress exists for periodic cells only.

    Parameters
    ----------
    model_directory : directory of the saved model
    """

    implemented_properties = [  # noqa: RUF012 - ASE reads it from the class
        "energy",
        "free_energy",
        "forces",
        "stress",
        "energy_std",
        "forces_std",
    ]

    def __init__(self, model_directory: Path) -> None:
        require("jax", extra="jax")
        from nodes.numerics.potentials import load_model

        super().__init__()
        self.model, self.params = load_model(Path(model_directory))

    def calculate(
        self,
        atoms: Atoms | None = None,
        properties: Sequence[str] = ("energy",),
        system_changes: Sequence[str] = tuple(all_changes),
    ) -> None:
        """Compute everything but ``forces_std``, which needs one more pass per member."""
        super().calculate(atoms, properties, system_changes)
        graph = self.model.graph(structure_of(cast("Atoms", self.atoms)))
        prediction = self.model.predict(self.params, graph, forces_std="forces_std" in properties)
        self.results = results_of(prediction)


def results_of(prediction: Any) -> dict[str, Any]:
    """Return a `Prediction` under ASE's names and in ASE's shapes."""
    results = {
        "energy": prediction.energy,
        "free_energy": prediction.energy,
        "forces": prediction.forces,
        "energy_std": prediction.energy_std,
    }
    if prediction.stress is not None:
        results["stress"] = full_3x3_to_voigt_6_stress(prediction.stress)
    if prediction.forces_std is not None:
        results["forces_std"] = prediction.forces_std
    return results
