"""Make reference.npz: features of random networks, and their slopes, from apax and e3x.

Run with an interpreter that has apax 0.14 installed; it is no dependency of this project.

    python make_reference.py reference.npz
"""

import itertools
import sys

import jax
import jax.numpy as jnp
import numpy as np
from apax.layers.descriptor.basis_functions import BesselBasis, GaussianBasis
from apax.layers.descriptor.equiv_mp import EquivMPRepresentation

CUTOFF = 5.0
NUMBERS = np.array([29, 79, 29, 29, 79, 29])
CASES = {  # name: (iterations, highest degree, basis)
    "one": (1, 2, BesselBasis(n_basis=4, r_max=CUTOFF, dtype=jnp.float64)),
    "two": (2, 2, BesselBasis(n_basis=4, r_max=CUTOFF, dtype=jnp.float64)),
    "three": (3, 2, BesselBasis(n_basis=4, r_max=CUTOFF, dtype=jnp.float64)),
    "octupoles": (2, 3, BesselBasis(n_basis=3, r_max=CUTOFF, dtype=jnp.float64)),
    "gaussian": (2, 1, GaussianBasis(n_basis=5, r_max=CUTOFF, dtype=jnp.float64)),
}


def main(path):
    jax.config.update("jax_enable_x64", True)
    rng = np.random.default_rng(7)
    positions = rng.uniform(0.0, 4.0, (len(NUMBERS), 3))
    pairs = np.array(list(itertools.permutations(range(len(NUMBERS)), 2))).T
    vectors = positions[pairs[1]] - positions[pairs[0]]
    arrays = {"numbers": NUMBERS, "positions": positions, "pairs": pairs}
    for name, (iterations, degree, basis) in CASES.items():
        network = EquivMPRepresentation(
            basis_fn=basis, features=4, max_degree=degree, num_iterations=iterations,
            dtype=jnp.float64,
        )  # fmt: skip
        parameters = network.init(jax.random.key(1), vectors, NUMBERS, pairs)
        # Random biases as well, and all in float64.
        leaves, structure = jax.tree.flatten(parameters)
        leaves = [leaf + 0.3 * rng.normal(size=leaf.shape) for leaf in leaves]
        parameters = jax.tree.unflatten(structure, leaves)
        weights = rng.normal(size=(len(NUMBERS), 4))

        def total(d):
            return jnp.sum(weights * network.apply(parameters, d, NUMBERS, pairs))  # noqa: B023

        arrays[f"{name}/features"] = network.apply(parameters, vectors, NUMBERS, pairs)
        arrays[f"{name}/weights"] = weights
        arrays[f"{name}/slopes"] = jax.grad(total)(vectors)
        for key, leaf in jax.tree_util.tree_leaves_with_path(parameters["params"]):
            label = ".".join(str(part.key) for part in key)
            if label == "Embed_0.embedding":
                leaf = np.where(np.isin(np.arange(119), NUMBERS)[:, None, None, None], leaf, 0)
            arrays[f"{name}/params/{label}"] = leaf
    np.savez_compressed(path, **{key: np.asarray(value) for key, value in arrays.items()})


if __name__ == "__main__":
    main(sys.argv[1])
