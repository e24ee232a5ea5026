import json

import ase.build
import ase.io
import numpy as np
import pytest
import znh5md
from ase import units
from ase.calculators.singlepoint import SinglePointCalculator

import zn_pipeline as zn
from nodes.training.config.data import DataConfig
from nodes.training.config.model import PropertyHead
from nodes.training.data import label_structures, load_split, load_test, read_frames


def frame(seed=0, **results):
    atoms = ase.build.bulk("Cu", cubic=True)
    atoms.rattle(0.1, seed=seed)
    atoms.calc = SinglePointCalculator(atoms, **results)
    return atoms


@pytest.fixture
def frames():
    rng = np.random.default_rng(0)
    return [
        frame(k, energy=float(k), forces=rng.normal(size=(4, 3)), stress=rng.normal(size=6))
        for k in range(10)
    ]


def settings(**values):
    return DataConfig(directory="m", experiment="e", **{"data_path": "a.xyz"} | values)


@pytest.mark.parametrize("name", ["a.xyz", "a.traj", "a.h5", "b.h5"])
def test_structures_are_read_from_any_file(frames, tmp_path, name):
    path = tmp_path / name
    if name == "a.h5":
        zn.write_frames(path, frames)
    elif name == "b.h5":
        znh5md.IO(path).extend(frames)
    else:
        ase.io.write(path, frames)
    structures = label_structures(read_frames(path), settings(), (), source=path)
    assert [s.energy for s in structures] == list(range(10))
    assert np.allclose(structures[3].forces, frames[3].get_forces(), atol=1e-7)
    assert np.allclose(structures[3].stress, frames[3].get_stress(voigt=False), atol=1e-7)


def test_units_reach_positions_cell_and_every_label(frames):
    data = settings(pos_unit="Bohr", energy_unit="Hartree")
    (found,) = label_structures(frames[3:4], data, (), source="x")
    atoms = frames[3]
    assert found.energy == pytest.approx(3.0 * units.Hartree)
    assert np.allclose(found.positions, atoms.positions * units.Bohr)
    assert np.allclose(found.cell, atoms.cell.array * units.Bohr)
    assert np.allclose(found.forces, atoms.get_forces() * units.Hartree / units.Bohr)
    stress = atoms.get_stress(voigt=False) * units.Hartree / units.Bohr**3
    assert np.allclose(found.stress, stress)


def test_labels_that_some_frames_lack_are_left_out():
    frames = [frame(energy=1.0), frame(forces=np.ones((4, 3))), ase.build.molecule("H2O")]
    energies, forces, bare = label_structures(frames, settings(), (), source="x")
    assert (energies.energy, energies.forces) == (1.0, None)
    assert forces.energy is None
    assert forces.forces is not None
    assert bare.energy is bare.forces is bare.stress is None


def test_labels_may_have_other_names():
    atoms = frame(energy=1.0)
    atoms.info["ref"] = 7.0
    atoms.arrays["ref_forces"] = np.full((4, 3), 2.0)
    data = settings(label_keys={"energy": "ref", "forces": "ref_forces"})
    (found,) = label_structures([atoms], data, (), source="x")
    assert found.energy == 7.0
    assert np.all(found.forces == 2.0)


def test_labels_of_heads_come_from_info_and_arrays_in_their_shape():
    atoms = frame(energy=1.0, dipole=np.arange(3.0))
    atoms.arrays["charge"] = np.arange(4.0)
    atoms.info["polarizability"] = np.arange(6.0)
    heads = [
        PropertyHead(name="charge"),
        PropertyHead(name="dipole", mode="l1", aggregation="sum"),
        PropertyHead(name="polarizability", mode="symmetric_l2", aggregation="sum"),
        PropertyHead(name="absent"),
    ]
    (found,) = label_structures([atoms], settings(), heads, source="x")
    assert sorted(found.properties) == ["charge", "dipole", "polarizability"]
    assert found.properties["charge"].tolist() == [0, 1, 2, 3]
    assert found.properties["dipole"].tolist() == [0, 1, 2]
    assert found.properties["polarizability"].tolist() == [[0, 5, 4], [5, 1, 3], [4, 3, 2]]


def test_an_error_names_file_and_frame(frames):
    frames[4].calc.results["energy"] = np.nan
    with pytest.raises(ValueError, match=r"b\.xyz, frame 4: energy must be finite"):
        label_structures(frames, settings(), (), source="b.xyz")
    wrong = frame(energy=1.0)
    wrong.info["charge"] = np.ones(3)
    head = PropertyHead(name="charge")
    with pytest.raises(ValueError, match=r"frame 17: charge must have shape \(4,\), received"):
        label_structures([wrong], settings(), [head], source="b.xyz", rows=[17])


def test_files_that_cannot_be_read_are_named(tmp_path):
    with pytest.raises(ValueError, match=r"none\.xyz must be a file of structures"):
        read_frames(tmp_path / "none.xyz")
    (tmp_path / "bad.xyz").write_text("3\nnothing\n")
    with pytest.raises(ValueError, match=r"bad\.xyz must be a file of structures that ASE reads"):
        read_frames(tmp_path / "bad.xyz")


def test_a_split_is_disjoint_seeded_and_written_down(frames, tmp_path):
    ase.io.write(tmp_path / "a.xyz", frames)
    data = settings(data_path=str(tmp_path / "a.xyz"), n_train=5, n_valid=3)

    def split(seed, name):
        found = load_split(data, (), seed=seed, record=tmp_path / name)
        rest = load_test(data, (), record=tmp_path / name)
        return [[int(s.energy) for s in part] for part in (found.train, found.valid, rest)]

    parts = split(1, "one.json")
    assert sorted(row for part in parts for row in part) == list(range(10))
    assert [len(part) for part in parts] == [5, 3, 2]
    assert split(1, "two.json") == parts
    assert split(2, "three.json") != parts
    assert split(2, "one.json") == parts, "the split that was written down is kept"
    assert sorted(json.loads((tmp_path / "one.json").read_text())["train"]) == sorted(parts[0])
    with pytest.raises(ValueError, match=r"must hold the split of 10 structures into 4 and 3"):
        load_split(data.model_copy(update={"n_train": 4}), (), seed=1, record=tmp_path / "one.json")
    with pytest.raises(ValueError, match="must be at most the 10 structures"):
        load_split(data.model_copy(update={"n_train": 8}), (), seed=1, record=tmp_path / "x.json")


def test_files_for_each_part_are_taken_as_they_are(frames, tmp_path):
    ase.io.write(tmp_path / "a.xyz", frames[:6])
    ase.io.write(tmp_path / "b.xyz", frames[6:])
    data = settings(
        data_path=None,
        train_data_path=str(tmp_path / "a.xyz"),
        val_data_path=str(tmp_path / "b.xyz"),
        test_data_path=str(tmp_path / "b.xyz"),
    )
    found = load_split(data, (), seed=1, record=tmp_path / "s.json")
    assert (len(found.train), len(found.valid)) == (6, 4)
    assert len(load_test(data, (), record=tmp_path / "s.json", n_data=2)) == 2
    without = data.model_copy(update={"val_data_path": None, "test_data_path": None})
    assert load_split(without, (), seed=1, record=tmp_path / "s.json").valid == []
    with pytest.raises(ValueError, match=r"test_data_path must be given"):
        load_test(without, (), record=tmp_path / "s.json")
