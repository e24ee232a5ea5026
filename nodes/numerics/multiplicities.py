"""Spin multiplicities of free atoms.

Source: ground-state terms of neutral atoms, NIST Atomic Spectra Database (Z = 1 to 103).
"""

from __future__ import annotations

import numpy as np

__all__ = ["ground_state_multiplicities"]

_MULTIPLICITIES = """
2 1
2 1 2 3 4 3 2 1
2 1 2 3 4 3 2 1
2 1 2 3 4 7 6 5 4 3 2 1 2 3 4 3 2 1
2 1 2 3 6 7 6 5 4 1 2 1 2 3 4 3 2 1
2 1 2 1 4 5 6 7 8 9 6 5 4 3 2 1 2 3 4 5 6 5 4 3 2 1 2 3 4 3 2 1
2 1 2 3 4 5 6 7 8 9 6 5 4 3 2 1 2
"""


def ground_state_multiplicities(numbers: np.ndarray) -> np.ndarray:
    """Multiplicities 2S + 1 of the ground states of free atoms, shape (n,), Z from 1 to 103."""
    values = np.array(_MULTIPLICITIES.split(), np.int64)
    numbers = np.asarray(numbers, np.int64)
    unknown = numbers[(numbers < 1) | (numbers > len(values))]
    if unknown.size:
        raise ValueError(
            f"numbers must be between 1 and {len(values)} to have a known ground state, "
            f"received {sorted(set(unknown.tolist()))}"
        )
    return values[numbers - 1]
