"""Names and conventions of a frames file.

The visible part is H5MD as znh5md reads it: one dataset ``value`` per quantity below
``/particles/atoms`` or ``/observables/atoms``, of float64, NaN-padded to the largest frame, or of
JSON text.
Padding cannot tell a NaN from "absent" nor an integer from a float, therefore the small group
``/zn_pipeline`` adds what is needed to restore every frame exactly:

``n_atoms``
    int64 (n_frames,): number of atoms of each frame.
``schema``
    JSON: the columns and, for each, its list of `Layout`.
``layouts/<column>``
    int32 (n_frames,): position in that list for each frame, -1 where the frame has no such value.
    Left out where all frames have the first layout.
``nesting``
    Text: which frames belong together, see `nesting`. Left out where there are no groups.
``data/<column>/value``
    Columns which H5MD has no room for: a name that is taken or cannot be a group name.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any, Final, Literal, NamedTuple

Origin = Literal["atoms", "arrays", "info", "calc"]
Storage = Literal["number", "text", "none"]
H5File = Any
"""An open `h5py.File`; h5py's own annotations call every item of a file a group or a dataset."""

FORMAT_VERSION: Final = 1
OWN_GROUP: Final = "zn_pipeline"
PARTICLES: Final = "particles/atoms"
OBSERVABLES: Final = "observables/atoms"
SCHEMA: Final = f"{OWN_GROUP}/schema"
N_ATOMS: Final = f"{OWN_GROUP}/n_atoms"
STEP: Final = f"{OWN_GROUP}/step"
NESTING: Final = f"{OWN_GROUP}/nesting"

ORIGIN_ATTRIBUTE: Final = "ASE_ENTRY_ORIGIN"

H5MD_NAMES: Final = {
    "positions": "position",
    "numbers": "species",
    "forces": "force",
    "masses": "mass",
    "charges": "charge",
    "velocities": "velocity",
    "energy": "potential_energy",
    "cell": "box/edges",
    "pbc": "box/pbc",
}
"""ASE name -> H5MD name, where the two differ."""

ASE_NAMES: Final = {h5md: ase for ase, h5md in H5MD_NAMES.items()}

ATOMS_KEYS: Final = ("numbers", "positions", "cell", "pbc")
"""What every frame has."""

PER_ATOM_KEYS: Final = frozenset({"numbers", "positions"})
"""Of `ATOMS_KEYS`, those whose first axis runs over the atoms."""

UNITS: Final = {
    "positions": "Angstrom",
    "cell": "Angstrom",
    "energy": "eV",
    "forces": "eV/Angstrom",
    "stress": "eV/Angstrom^3",
}

FRAME_RESULTS: Final = frozenset({"energy", "free_energy", "stress", "dipole", "magmom"})
"""Results that belong to the frame even where their length equals the number of atoms."""

_RESERVED: Final = frozenset({"box", "velocities", "id", ".", "..", *ASE_NAMES})


class Missing:
    """Type of `MISSING`, the mark for "this frame has no such value" (NaN and None are values)."""

    def __repr__(self) -> str:
        return "MISSING"

    def __reduce__(self) -> str:
        return "MISSING"  # copies, also in other processes, are the one object


MISSING: Final = Missing()


class Layout(NamedTuple):
    """How one value looked before it was stored.

    Attributes
    ----------
    kind
        ``float``, ``int``, ``bool``, ``complex``: Python scalars; ``scalar``, ``array``: numpy;
        ``json``, ``nested``, ``tagged``: other objects; ``constant``: the value is in `detail`.
    detail
        dtype of a numpy value, container types of a nested one, JSON text of a constant.
    shape
        Shape of an array, None in first place standing for the number of atoms of the frame.
    """

    kind: str
    detail: str = ""
    shape: tuple[int | None, ...] = ()

    def shape_for(self, n_atoms: int) -> tuple[int, ...]:
        """Shape of the value in a frame of `n_atoms` atoms."""
        return tuple(n_atoms if size is None else size for size in self.shape)


@dataclass(frozen=True, slots=True)
class ColumnSpec:
    """One column of the schema: where its data are, and what the data were."""

    origin: Origin
    key: str
    storage: Storage
    path: str
    layouts: tuple[Layout, ...]
    constant: bool
    """All frames have ``layouts[0]``; otherwise `layout_path` holds the layout of each frame."""


def layout_path(column: int) -> str:
    """Dataset that says which layout each frame has in `column`."""
    return f"{OWN_GROUP}/layouts/{column}"


def private_path(column: int) -> str:
    """Group of the values of a column that H5MD has no room for."""
    return f"{OWN_GROUP}/data/{column}"


def public_path(origin: Origin, key: str, *, per_atom: bool) -> str | None:
    """H5MD group of a quantity where znh5md looks for it, None if the name cannot be used there.

    Parameters
    ----------
    origin, key
        Where the value is in `ase.Atoms`, and its name.
    per_atom
        Whether the first axis of the value runs over the atoms.
    """
    if not key or "/" in key or "\0" in key or key in _RESERVED:
        return None
    if origin in ("info", "calc") and key in ATOMS_KEYS:
        return None
    in_particles = origin in ("atoms", "arrays") or (origin == "calc" and per_atom)
    return f"{PARTICLES if in_particles else OBSERVABLES}/{H5MD_NAMES.get(key, key)}"


def dump_schema(columns: list[ColumnSpec], n_frames: int, block: int) -> str:
    """Schema as JSON text; `block` is the number of frames in one chunk of the positions."""
    return json.dumps(
        {
            "n_frames": n_frames,
            "block": block,
            "columns": [
                {
                    "origin": spec.origin,
                    "key": spec.key,
                    "storage": spec.storage,
                    "path": spec.path,
                    "constant": spec.constant,
                    "layouts": [[kind, detail, shape] for kind, detail, shape in spec.layouts],
                }
                for spec in columns
            ],
        },
        sort_keys=True,
    )


def load_schema(text: str) -> tuple[list[ColumnSpec], int, int]:
    """Inverse of `dump_schema`: columns, number of frames, frames in one block."""
    schema: dict[str, Any] = json.loads(text)
    columns = [
        ColumnSpec(
            origin=entry["origin"],
            key=entry["key"],
            storage=entry["storage"],
            path=entry["path"],
            constant=entry["constant"],
            layouts=tuple(
                Layout(kind, detail, tuple(shape)) for kind, detail, shape in entry["layouts"]
            ),
        )
        for entry in schema["columns"]
    ]
    return columns, schema["n_frames"], schema["block"]
