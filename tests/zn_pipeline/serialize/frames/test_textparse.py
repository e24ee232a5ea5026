"""Extended XYZ of ours, of other programs, and of ours changed by other programs."""

from io import StringIO

import ase.io
import numpy as np
import pytest
from ase import Atoms
from ase.constraints import FixAtoms

from zn_pipeline.serialize.frames.textformat import encode_frame
from zn_pipeline.serialize.frames.textparse import decode_frame


def text_of(atoms: Atoms) -> str:
    comment, table = encode_frame(atoms)
    return f"{len(atoms)}\n{comment}\n" + (f"{table}\n" if len(atoms) else "")


def by_ase(atoms: Atoms) -> str:
    text = StringIO()
    ase.io.write(text, atoms, format="extxyz")
    return text.getvalue()


@pytest.mark.parametrize("seed", range(4))
def test_everything_comes_back_as_it_was(seed: int, random_frames, assert_same_frame):
    for atoms in random_frames(seed, 80):
        assert_same_frame(decode_frame(text_of(atoms)), atoms)


@pytest.mark.parametrize(
    "array",
    [
        np.array([1, 2], dtype=np.int32),
        np.array([2**62, -1]),
        np.array([2**63, 1], dtype=np.uint64),
        np.array([0.1, np.nan], dtype=np.float32),
        np.array([np.inf, -0.0]),
        np.array(["a b", ""]),
        np.array([True, False]),
        np.array([[1], [2]]),
        np.arange(8.0).reshape(2, 2, 2),
        np.array([1j, 2]),
    ],
    ids=str,
)
def test_arrays_of_every_type(array: np.ndarray, assert_same_frame):
    atoms = Atoms("H2")
    atoms.arrays["x"] = array
    atoms.info["x"] = array
    atoms.info["y"] = array.ravel()[:1]
    atoms.info["z"] = array[:0]
    assert_same_frame(decode_frame(text_of(atoms)), atoms)


def test_names_that_the_format_uses(assert_same_frame):
    atoms = Atoms("H2", info={"energy": 1.0, "pbc": 3, "uid": 7, "a b": 1, "zn_pipeline": "x"})
    atoms.arrays |= {name: np.ones(2) for name in ("forces", "species", "a:b", "x0", "move_mask")}
    atoms.arrays["x"] = np.ones((2, 3))
    assert_same_frame(decode_frame(text_of(atoms)), atoms)


def test_unknown_elements(assert_same_frame):
    atoms = Atoms(numbers=[0, 500])
    assert_same_frame(decode_frame(text_of(atoms)), atoms)


def test_files_of_ase_are_read_as_ase_reads_them(labelled, assert_same_frame):
    for atoms in labelled(3):
        atoms.info["name"] = "x"
        atoms.set_constraint(FixAtoms([0]))
        text = by_ase(atoms)
        assert_same_frame(decode_frame(text), ase.io.read(StringIO(text), format="extxyz"))


def test_a_change_by_another_program_counts(labelled):
    (atoms,) = labelled(1)
    atoms.info |= {"step": 3, "pair": (1, 2)}
    changed = ase.io.read(StringIO(text_of(atoms)), format="extxyz")
    changed.info["step"] = 4
    changed.positions += 1
    changed.set_constraint(FixAtoms([1]))
    back = decode_frame(by_ase(changed))
    assert back.info == {"step": 4, "pair": (1, 2)}
    np.testing.assert_allclose(back.positions, atoms.positions + 1, atol=1e-8)
    assert back.constraints[0].index.tolist() == [1]


def test_plain_xyz():
    back = decode_frame("2\n\nO 0 0 0\nH 0 0 1\n")
    assert back.get_chemical_formula() == "HO"
    assert back.info == {}
