"""Features of structures by a trained model: what it would learn from them."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, cast

import numpy as np
from ase import Atoms
from numpy.typing import NDArray

from nodes.atoms import structures_of
from nodes.extras import require
from nodes.interfaces import HasEnergyModel, HasFeatures

if TYPE_CHECKING:
    from nodes.numerics.potentials import EnergyModel, Params

__all__ = ["EnsembleFeatures", "ForceFeatures", "GradientFeatures", "LastLayerFeatures"]


@dataclass(frozen=True)
class LastLayerFeatures:
    """Gradient of the energy by the last layer of a model.

    V. Zaverkin et al., *Digit. Discov.* **1**, 605 (2022). Scalar products are the kernel of the
    model with all but its last layer held fixed. Needs the extra ``jax``.

    Parameters
    ----------
    model : a trained model
    per_atom : divide by the number of atoms, so that large structures do not stand out
    """

    model: HasEnergyModel
    per_atom: bool = True

    def features(self, frames: Sequence[Atoms]) -> NDArray[np.float64]:
        """Return one row per structure, shape (n_frames, n_hidden + 1)."""
        model, params = _loaded(self.model)
        from nodes.numerics.feature_maps import last_layer_features

        rows = last_layer_features(model, params, structures_of(frames))
        return _by_atom(rows, frames) if self.per_atom else rows


@dataclass(frozen=True)
class ForceFeatures:
    """Derivative of the forces by the last layer of a model; see `force_features` of the numerics.

    It costs about one evaluation of forces for each width of the last hidden layer. Needs the extra
    ``jax``.

    Parameters
    ----------
    model : a trained model
    kind : ``"sum"``, the lengths of the derivatives summed over atoms, or ``"flatten"``, all
        components, for structures of one size whose atoms correspond to each other
    per_atom : divide by the number of atoms, so that large structures do not stand out
    """

    model: HasEnergyModel
    kind: Literal["sum", "flatten"] = "sum"
    per_atom: bool = True

    def features(self, frames: Sequence[Atoms]) -> NDArray[np.float64]:
        """Return one row per structure, shape (n_frames, n_features)."""
        model, params = _loaded(self.model)
        from nodes.numerics.feature_maps import force_features

        if self.kind not in ("sum", "flatten"):
            raise ValueError(f'kind must be "sum" or "flatten", received {self.kind!r}')
        found = force_features(model, params, structures_of(frames), kind=self.kind)
        rows = cast("NDArray[np.float64]", found)
        return _by_atom(rows, frames) if self.per_atom else rows


@dataclass(frozen=True)
class GradientFeatures:
    """Gradient of the energy by all weights of a model, shortened by a random projection.

    V. Zaverkin et al., *Digit. Discov.* **1**, 605 (2022). Scalar products are those of the whole
    gradients, the tangent kernel of the model, with a relative deviation of about the square root
    of 2 / `n_projections`. Needs the extra ``jax``.

    Parameters
    ----------
    model : a trained model
    n_projections : number of features
    seed : of the projection
    per_atom : divide by the number of atoms, so that large structures do not stand out
    """

    model: HasEnergyModel
    n_projections: int = 512
    seed: int = 0
    per_atom: bool = True

    def features(self, frames: Sequence[Atoms]) -> NDArray[np.float64]:
        """Return one row per structure, shape (n_frames, n_projections)."""
        model, params = _loaded(self.model)
        from nodes.numerics.feature_maps import projected_gradients

        rows = projected_gradients(
            model, params, structures_of(frames), n_projections=self.n_projections, seed=self.seed
        )
        return _by_atom(rows, frames) if self.per_atom else rows


@dataclass(frozen=True)
class EnsembleFeatures:
    """Features of several models or descriptors, whose kernel is the mean of theirs.

    Parameters
    ----------
    members : trained models, or specs that give features, one or more
    """

    members: Sequence[HasFeatures]

    def features(self, frames: Sequence[Atoms]) -> NDArray[np.float64]:
        """Return one row per structure, all features divided by the root of the number of members.

        Shape (n_frames, sum of the numbers of features of the members).
        """
        from nodes.numerics.selection import ensemble_features

        return ensemble_features([member.features(frames) for member in self.members])


def _loaded(model: HasEnergyModel) -> "tuple[EnergyModel, Params]":
    require("jax", extra="jax")
    return model.energy_model()


def _by_atom(rows: NDArray[np.float64], frames: Sequence[Atoms]) -> NDArray[np.float64]:
    return rows / np.array([[len(frame)] for frame in frames])
