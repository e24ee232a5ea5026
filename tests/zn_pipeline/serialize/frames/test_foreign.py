"""Files between this package and znh5md, both ways, and H5MD of other programs."""

from pathlib import Path

import h5py
import numpy as np
import pytest
import znh5md
from ase import Atoms
from ase.build import molecule
from ase.calculators.singlepoint import SinglePointCalculator

from zn_pipeline.serialize.frames import Frames, write_frames


@pytest.fixture
def frames() -> list[Atoms]:
    rng = np.random.default_rng(1)
    result = []
    for number, name in enumerate(["H2O", "CH4", "H2", "C6H6", "H2O"] * 3):
        atoms = molecule(name, cell=rng.normal(size=(3, 3)), pbc=[True, number % 2, False])
        atoms.rattle(0.1, rng=rng)
        atoms.set_momenta(rng.normal(size=(len(atoms), 3)))
        atoms.set_tags(range(len(atoms)))
        atoms.set_array("weights", rng.normal(size=len(atoms)))
        atoms.info.update(
            number=number, name=name, data={"a": [1, 2]}, items=[1, "b"], vector=rng.normal(size=3)
        )
        if number > 3:
            atoms.info["late"] = float(number)
        if number != 5:
            atoms.calc = SinglePointCalculator(
                atoms,
                energy=rng.normal(),
                forces=rng.normal(size=(len(atoms), 3)),
                stress=rng.normal(size=6),
                dipole=rng.normal(size=3),
                charges=rng.normal(size=len(atoms)),
            )
        result.append(atoms)
    return result


def assert_same_content(one: Atoms, other: Atoms, rtol: float) -> None:
    np.testing.assert_array_equal(one.numbers, other.numbers)
    np.testing.assert_array_equal(one.positions, other.positions)
    np.testing.assert_array_equal(one.cell.array, other.cell.array)
    np.testing.assert_array_equal(one.pbc, other.pbc)
    assert set(one.arrays) == set(other.arrays)
    for key, value in one.arrays.items():
        np.testing.assert_allclose(value, other.arrays[key], rtol=rtol, err_msg=key)
    assert set(one.info) == set(other.info)
    for key, value in one.info.items():
        assert np.all(value == other.info[key]), key
    assert (one.calc is None) == (other.calc is None)
    if one.calc is not None:
        assert set(one.calc.results) == set(other.calc.results)
        for key, value in one.calc.results.items():
            np.testing.assert_array_equal(value, other.calc.results[key], err_msg=key)


def test_znh5md_reads_ours(tmp_path: Path, frames: list[Atoms]):
    write_frames(tmp_path / "a.h5", frames)
    io = znh5md.IO(tmp_path / "a.h5")
    assert len(io) == len(frames)
    for one, other in zip(frames, io[:], strict=True):
        assert_same_content(one, other, rtol=0)
    assert_same_content(frames[7], io[7], rtol=0)


def test_znh5md_reads_ours_with_names_that_collide(tmp_path: Path, random_frames):
    frames = random_frames(0, 30)
    write_frames(tmp_path / "a.h5", frames)
    for one, other in zip(frames, znh5md.IO(tmp_path / "a.h5")[:], strict=True):
        np.testing.assert_array_equal(one.positions, other.positions)
        np.testing.assert_array_equal(one.numbers, other.numbers)


def test_znh5md_reads_no_frames(tmp_path: Path):
    write_frames(tmp_path / "a.h5", [])
    assert len(znh5md.IO(tmp_path / "a.h5")) == 0


@pytest.mark.parametrize("store", ["linear", "time"])
@pytest.mark.parametrize("at_once", [True, False])
def test_we_read_znh5md(tmp_path: Path, frames: list[Atoms], store, at_once: bool):
    io = znh5md.IO(tmp_path / "a.h5", store=store)
    if at_once:
        io.extend(frames)
    else:  # each extend may add quantities that the file did not have
        for atoms in frames[3:] + frames[:3]:
            io.append(atoms)
        frames = frames[3:] + frames[:3]
    back = Frames.from_file(tmp_path / "a.h5")
    assert len(back) == len(frames)
    for one, other in zip(frames, back, strict=True):
        assert_same_content(one, other, rtol=1e-14)  # znh5md stores momenta / masses
        assert other.arrays["tags"].dtype == np.int64
    assert_same_content(frames[-2], back[-2], rtol=1e-14)
    np.testing.assert_array_equal(
        back[[0, 3]].energies, [frames[i].calc.results["energy"] for i in (0, 3)]
    )
    for atoms, momenta in zip(frames, back.column("momenta"), strict=True):
        np.testing.assert_allclose(momenta, atoms.arrays["momenta"], rtol=1e-14)


def test_velocities_pass_through_both(tmp_path: Path):
    atoms = Atoms("HO", momenta=[[1.0, 2, 3], [4, 5, 6]], masses=[2.0, 17.0])
    znh5md.IO(tmp_path / "a.h5").append(atoms)
    write_frames(tmp_path / "b.h5", Frames.from_file(tmp_path / "a.h5"))
    for back in (znh5md.IO(tmp_path / "b.h5")[0], Frames.from_file(tmp_path / "b.h5")[0]):
        np.testing.assert_allclose(back.get_momenta(), atoms.get_momenta(), rtol=1e-14)
        np.testing.assert_allclose(back.get_velocities(), atoms.get_velocities(), rtol=1e-14)


def test_nan_in_the_last_rows_of_forces_is_kept(tmp_path: Path):
    frames = [Atoms("H3"), Atoms("H5")]
    for atoms in frames:
        forces = np.ones((len(atoms), 3))
        forces[-1] = np.nan
        atoms.calc = SinglePointCalculator(atoms, forces=forces)
    znh5md.IO(tmp_path / "a.h5").extend(frames)
    assert [forces.shape for forces in Frames.from_file(tmp_path / "a.h5").forces] == [
        (3, 3),
        (5, 3),
    ]


def test_without_pbc_group_and_origin(tmp_path: Path, labelled):
    frames = labelled(3)
    znh5md.IO(tmp_path / "a.h5", pbc_group=False, _store_ase_origin=False).extend(frames)
    back = Frames.from_file(tmp_path / "a.h5")
    assert back.pbc.tolist() == [[True] * 3] * 3
    for one, other in zip(frames, back, strict=True):
        assert_same_content(one, other, rtol=0)


def test_frames_that_znh5md_appended_to_our_file(tmp_path: Path, labelled):
    frames = labelled(4)
    write_frames(tmp_path / "a.h5", frames[:2])
    znh5md.IO(tmp_path / "a.h5").extend(frames[2:])
    back = Frames.from_file(tmp_path / "a.h5")
    np.testing.assert_array_equal(back.positions, [atoms.positions for atoms in frames])
    np.testing.assert_array_equal(back.energies, [atoms.get_potential_energy() for atoms in frames])


def test_species_and_box_that_do_not_depend_on_time(tmp_path: Path):
    positions = np.arange(18.0).reshape(3, 2, 3)
    with h5py.File(tmp_path / "a.h5", "w") as file:
        group = file.create_group("particles/all")
        group["species"] = np.array([8, 1])
        group["position/value"] = positions
        group["box/edges"] = np.array([4.0, 5, 6])
        group["box"].attrs["boundary"] = ["periodic", "none", "periodic"]
    frames = Frames.from_file(tmp_path / "a.h5")
    assert len(frames) == 3
    np.testing.assert_array_equal(frames.positions, positions)
    assert frames[1].get_chemical_formula() == "HO"
    assert frames[1].cell.lengths().tolist() == [4, 5, 6]
    assert frames[1].pbc.tolist() == [True, False, True]
    np.testing.assert_array_equal(frames.cells[2], np.diag([4.0, 5, 6]))


def test_no_particles(tmp_path: Path):
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["x"] = 1
    with pytest.raises(ValueError, match=r"must be an H5MD file with particles/<name>/species"):
        len(Frames.from_file(tmp_path / "a.h5"))
