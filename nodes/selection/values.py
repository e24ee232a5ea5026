"""One number per structure: energies, volumes, uncertainties."""

from collections.abc import Sequence

import numpy as np
from ase import Atoms
from numpy.typing import NDArray

__all__ = ["frame_values"]


def frame_values(frames: Sequence[Atoms], name: str) -> NDArray[np.float64]:
    """Return one number per structure, shape (n_frames,).

    Parameters
    ----------
    frames : structures
    name : ``"energy"`` (eV/atom), ``"volume"`` (Angstrom^3/atom), ``"info.NAME"`` (a number), or
        ``"arrays.NAME"`` (the largest size of the numbers or vectors of the atoms)

    Raises
    ------
    ValueError
        If a structure does not have the value, or the name is unknown.
    """
    values = []
    for row, frame in enumerate(frames):
        try:
            value = float(_value(frame, name))
        except (KeyError, TypeError, ValueError) as error:
            raise ValueError(
                f"structure {row} must have one number named {name!r}, received {frame} "
                f"({error}); label it, correct the name or leave it out"
            ) from error
        values.append(value)
    return np.array(values, dtype=np.float64)


def _value(frame: Atoms, name: str) -> float:
    if name == "energy":
        results = {} if frame.calc is None else frame.calc.results
        return results["energy"] / len(frame)
    if name == "volume":
        if not frame.pbc.all():
            raise ValueError("not periodic in three directions")
        return frame.get_volume() / len(frame)
    if name.startswith("info."):
        return frame.info[name.removeprefix("info.")]
    if name.startswith("arrays."):
        array = np.asarray(frame.arrays[name.removeprefix("arrays.")], dtype=np.float64)
        return float(np.linalg.norm(array.reshape(len(frame), -1), axis=1).max())
    raise ValueError('the value must be "energy", "volume", "info.NAME" or "arrays.NAME"')
