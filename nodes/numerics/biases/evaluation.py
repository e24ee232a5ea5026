"""A potential with biases: energies, forces and virial from one backward pass."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp

from nodes.numerics.biases.records import Bias, BiasedSystem
from nodes.numerics.potentials.graph import Graph, forces_of, virial_of
from nodes.numerics.potentials.model import EnergyModel, Evaluation, Params, take_species

__all__ = ["biased_evaluate", "check_biases"]


def check_biases(biases: Sequence[Any], n_members: int) -> tuple[Bias, ...]:
    """Return the biases as a tuple, if a model with so many members can have them.

    Raises
    ------
    ValueError
        If one is no bias, or needs an ensemble.
    """
    for bias in biases:
        if not isinstance(bias, Bias) or isinstance(bias, type):
            raise ValueError(
                f"biases must be such as UncertaintyBias(...) or SphericalWall(...), received "
                f"{bias!r}"
            )
        if bias.needs_members and n_members < 2:
            raise ValueError(
                f"{type(bias).__name__} must have an ensemble, received a model with one member; "
                f"fit a model with more members"
            )
    return tuple(biases)


def biased_evaluate(
    model: EnergyModel,
    biases: tuple[Bias, ...],
    params: Params,
    graph: Graph,
    *,
    positions: jax.Array | None = None,
    members: bool = False,
) -> Evaluation:
    """`EnergyModel.evaluate` of the potential and all biases; to be compiled.

    Each bias depends on the energies of the potential itself, not on the biases before it. By the
    chain rule forces and virial need one backward pass, whose cotangent is the derivative of the
    total by the energy of each member.

    Parameters
    ----------
    biases : tuple of Bias
        If there are none, the result is that of ``model.evaluate``.
    graph : Graph
        With a leading batch axis.
    positions : (b, n, 3), Angstrom, optional
        For biases that need them. Their forces do not enter the virial.
    members : bool
        Also the forces of each member. Their mean is that of the total; their deviations are those
        of the potential, calibrated.

    Returns
    -------
    Evaluation
        Energies of members, calibrated, with all biases added. ``properties["bias_energy"]``, (b,)
        in eV, is the sum of the biases, if one adds energy.

    Raises
    ------
    ValueError
        If a bias needs an ensemble or positions that are not there.
    """
    if not biases:
        return model.evaluate(params, graph, members=members)
    check_biases(biases, model.config.n_members)
    lacking = [bias for bias in biases if bias.needs_positions and positions is None]
    if lacking:
        raise ValueError(f"positions must be given for {lacking[0]}, received None")

    def potential(vectors: jax.Array) -> jax.Array:
        energies = model.learned(params, graph, vectors)
        if model.config.corrections:
            energies += model.physical(params, graph, vectors)[:, None]
        return energies

    reference = jnp.asarray(params["constants"]["reference"])
    reference = jnp.sum(take_species(reference, graph.species), axis=-1)
    system = BiasedSystem(graph.species >= 0, reference)

    def added(energies: jax.Array, positions: jax.Array | None) -> jax.Array:
        return _added(biases, energies, system._replace(positions=positions))[0]

    energies, pull_back = jax.vjp(potential, graph.vectors)
    extra, pull_back_extra = jax.vjp(added, energies, positions)
    by_energies, by_positions = pull_back_extra(jnp.ones_like(extra))
    (gradient,) = pull_back(by_energies + 1.0 / energies.shape[-1])
    forces = forces_of(gradient, graph)
    if by_positions is not None:
        forces -= by_positions.astype(forces.dtype)
    extra, energies, forces_factor = _added(biases, energies, system._replace(positions=positions))
    member_forces = None
    if members:
        own = model.evaluate(params, graph, members=True).member_forces
        assert own is not None
        member_forces = forces + forces_factor * (own - jnp.mean(own, axis=0))
    properties = model.properties(params, graph)
    if any(bias.spread is None for bias in biases):
        properties |= {"bias_energy": extra}
    return Evaluation(
        energies + extra[:, None],
        forces,
        virial_of(gradient, graph),
        member_forces,
        properties,
    )


def _added(
    biases: tuple[Bias, ...], energies: jax.Array, system: BiasedSystem
) -> tuple[jax.Array, jax.Array, Any]:
    """Sum of the biases (b,), calibrated energies (b, M), and the factor on forces."""
    extra, forces_factor = jnp.zeros_like(energies[:, 0]), 1.0
    for bias in biases:
        extra += bias.energy(energies, system).astype(extra.dtype)
        if bias.spread is not None:
            mean = jnp.mean(energies, axis=-1, keepdims=True)
            energies = mean + bias.spread[0] * (energies - mean)
            forces_factor *= bias.spread[1]
    return extra, energies, forces_factor
