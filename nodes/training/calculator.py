"""A trained potential as an ASE calculator."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from ase import Atoms
from ase.calculators.calculator import Calculator, all_changes
from ase.stress import full_3x3_to_voigt_6_stress

from nodes.atoms import structure_of, structures_of
from nodes.extras import require

if TYPE_CHECKING:
    from nodes.numerics.biases import Bias
    from nodes.numerics.potentials.heads import Head

__all__ = ["PotentialCalculator", "results_of"]

_OF_MEMBERS = ("forces_std", "energies_ensemble", "forces_ensemble")


class PotentialCalculator(Calculator):
    """Energies, forces and stresses of a saved model, with the spread of its ensemble.

    Properties beyond those of ASE: ``energy_std`` (eV) and ``forces_std`` (eV/Angstrom, by
    component), the standard deviations over the members; only if asked for, ``energies_ensemble``
    (n_members,) and ``forces_ensemble`` (n_members, n, 3); those of the model's property heads by
    their names, with ``<name>_std`` if the head is an ensemble; ``bias_energy`` (eV), which is part
    of ``energy``, if there are biases. Stress exists for periodic cells only.

    Parameters
    ----------
    model_directory : directory of the saved model
    biases : of `nodes.numerics.biases`, added to the potential
    skin_angstrom : the neighbour list is built anew when an atom has moved by half of this

    Raises
    ------
    ValueError
        If a bias does not suit the model, or the skin is negative.
    """

    implemented_properties = [  # noqa: RUF012 - ASE reads it from the class
        "energy",
        "free_energy",
        "forces",
        "stress",
        "energy_std",
        "forces_std",
        "energies_ensemble",
        "forces_ensemble",
        "bias_energy",
    ]

    def __init__(
        self, model_directory: Path, *, biases: "Sequence[Bias]" = (), skin_angstrom: float = 0.5
    ) -> None:
        require("jax", extra="jax")
        from nodes.numerics.biases import check_biases
        from nodes.numerics.potentials import load_model
        from nodes.numerics.potentials.moving_graph import MovingGraph

        super().__init__()
        self.model, self.params = load_model(Path(model_directory))
        self.biases = check_biases(biases, self.model.config.n_members)
        self.graphs = MovingGraph(self.model.config, skin_angstrom)
        heads = self.model.config.heads
        names = [*(h.name for h in heads), *(f"{h.name}_std" for h in heads if h.n_members > 1)]
        self.implemented_properties = [*type(self).implemented_properties, *names]

    def calculate(
        self,
        atoms: Atoms | None = None,
        properties: Sequence[str] = ("energy",),
        system_changes: Sequence[str] = tuple(all_changes),
    ) -> None:
        """Compute everything but what needs one more pass per member, which must be asked for."""
        from nodes.numerics.biases import predict_one_biased

        super().calculate(atoms, properties, system_changes)
        structure = structure_of(cast("Atoms", self.atoms))
        with self.model.scope():
            graph = self.graphs.graph(structure)
        prediction = predict_one_biased(
            self.model,
            self.biases,
            self.params,
            graph,
            structure.positions,
            members=_asks_members(properties),
        )
        self.results = results_of(prediction, self.model.config.heads)

    def calculate_batch(
        self,
        frames: Iterable[Atoms],
        properties: Sequence[str] = ("energy",),
        *,
        batch_size: int = 8,
    ) -> list[dict[str, Any]]:
        """Return the results of many structures, of any sizes, computed side by side.

        Parameters
        ----------
        frames : structures
        properties : as in `calculate`
        batch_size : how many are computed at once
        """
        from nodes.numerics.biases import predict_biased

        predictions = predict_biased(
            self.model,
            self.biases,
            self.params,
            structures_of(frames),
            batch_size=batch_size,
            members=_asks_members(properties),
        )
        return [results_of(prediction, self.model.config.heads) for prediction in predictions]


def _asks_members(properties: Sequence[str]) -> bool:
    return any(name in properties for name in _OF_MEMBERS)


def results_of(prediction: Any, heads: "Iterable[Head]" = ()) -> dict[str, Any]:
    """Return a `Prediction` under ASE's names and in ASE's shapes.

    Parameters
    ----------
    prediction : Prediction
    heads : of the model; what their ensembles say becomes mean and standard deviation
    """
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
    if prediction.member_forces is not None:
        results["energies_ensemble"] = prediction.energies
        results["forces_ensemble"] = prediction.member_forces
    if "bias_energy" in prediction.properties:
        results["bias_energy"] = float(prediction.properties["bias_energy"])
    for head in heads:
        value = prediction.properties[head.name]
        if head.n_members > 1:
            results[f"{head.name}_std"] = value.std(axis=-1, ddof=1)
            value = value.mean(axis=-1)
        results[head.name] = value
    return results
