"""Frames as extended XYZ that ASE reads."""

from io import StringIO

import ase.io
import numpy as np
import pytest
from ase import Atoms

from zn_pipeline.serialize.frames.textformat import encode_frame, quoted
from zn_pipeline.serialize.frames.textparse import decode_frame


def text_of(atoms: Atoms) -> str:
    comment, table = encode_frame(atoms)
    return f"{len(atoms)}\n{comment}\n" + (f"{table}\n" if len(atoms) else "")


def read_by_ase(atoms: Atoms) -> Atoms:
    return ase.io.read(StringIO(text_of(atoms)), format="extxyz")


def test_ase_reads_every_number_as_it_was(labelled):
    for atoms in labelled(5):
        atoms.set_tags([1, 2, 3, 4])
        atoms.info |= {"name": "two words", "flag": True, "vector": np.array([1.5, 2.0, 1 / 3])}
        back = read_by_ase(atoms)
        np.testing.assert_array_equal(back.numbers, atoms.numbers)
        np.testing.assert_array_equal(back.positions, atoms.positions)
        np.testing.assert_array_equal(back.cell, atoms.cell)
        np.testing.assert_array_equal(back.pbc, atoms.pbc)
        np.testing.assert_array_equal(back.get_tags(), [1, 2, 3, 4])
        assert back.get_potential_energy() == atoms.get_potential_energy()
        np.testing.assert_array_equal(back.get_forces(), atoms.get_forces())
        np.testing.assert_array_equal(back.get_stress(), atoms.get_stress())
        assert (back.info["name"], back.info["flag"]) == ("two words", True)
        assert back.info["vector"].tolist() == [1.5, 2.0, 1 / 3]


def test_ase_reads_whatever_there_is(random_frames):
    for atoms in random_frames(4, 60):
        back = read_by_ase(atoms)
        np.testing.assert_array_equal(back.positions, atoms.positions)
        np.testing.assert_array_equal(back.pbc, atoms.pbc)


@pytest.mark.parametrize(
    "text",
    ["", " ", "007", "1e5", "nan", "inf, x", "T", "true F", "_JSON {}", 'a "b" c', "a\\b", "a=b",
     "it's {this} [that]", "line\nbreak", "tab\tx", "früh", "plain", "a b  c", " lead", "-", "a,b"],
)  # fmt: skip
def test_texts(text: str):
    atoms = Atoms("H", info={"key": text})
    assert decode_frame(text_of(atoms)).info == {"key": text}
    assert read_by_ase(atoms).info["key"] == text


def test_simple_frames_have_simple_text():
    atoms = Atoms("OH", [[0, 0, 0.5], [0, 0, 1]], info={"step": 3, "name": "a b"})
    assert text_of(atoms) == (
        '2\nProperties=species:S:1:pos:R:3 pbc="F F F" step=3 name="a b" zn_pipeline=1\n'
        "O 0.0 0.0 0.5\nH 0.0 0.0 1.0\n"
    )


def test_what_cannot_be_stored_is_named():
    with pytest.raises(TypeError, match=r"info 'bad': values must be .* received builtins\.object"):
        encode_frame(Atoms("H", info={"bad": object()}))


def test_quotes():
    assert quoted('a "b" \\') == '"a \\"b\\" \\\\"'
