import ase.build
import ase.units
import numpy as np
import pytest
from ase.calculators.emt import EMT
from ase.geometry import get_distances
from ase.phonons import Phonons

import zn_pipeline as zn
from nodes.reference.calculators import Emt
from nodes.reference.labelling import LabelFrames
from nodes.structures.phonons import BuildPhononDisplacements, FitPhonons


def done(node):
    node.run()
    return node


@pytest.fixture(scope="module")
def displaced():
    return done(
        BuildPhononDisplacements(
            structures=[ase.build.bulk("Cu"), ase.build.bulk("Ni")], strains=[0.0, 0.01]
        )
    )


@pytest.fixture(scope="module")
def labelled(displaced):
    return list(done(LabelFrames(structures=displaced.frames, calculator=Emt())).frames)


@pytest.fixture(scope="module")
def fitted(displaced, labelled):
    return done(FitPhonons(cells=displaced.cells, structures=labelled[::-1], mesh=(2, 2, 2)))


def test_displacements_are_single_atoms_of_strained_supercells(displaced):
    assert [cell.info["strain"] for cell in displaced.cells] == [0.0, 0.01, 0.0, 0.01]
    assert [frame.info["phonon_cell"] for frame in displaced.frames] == [0, 1, 2, 3]
    for frame, cell in zip(displaced.frames, displaced.cells, strict=True):
        np.testing.assert_allclose(frame.cell.array, 2 * cell.cell.array)
        ideal = cell.repeat(2)
        misses = get_distances(frame.positions, ideal.positions, ideal.cell, True)[1].min(axis=1)
        np.testing.assert_allclose(np.sort(misses), [0.0] * 7 + [0.01], atol=1e-9)
    edges = [cell.cell.lengths()[0] for cell in displaced.cells]
    assert edges[1] == pytest.approx(1.01 * edges[0])


def test_frequencies_are_those_of_ase(fitted, tmp_path):
    """At the wave vectors that fit into the supercell, from ASE's own finite differences."""
    crystal = ase.build.bulk("Cu")
    phonons = Phonons(crystal, EMT(), supercell=(2, 2, 2), delta=0.01, name=str(tmp_path / "cu"))
    phonons.run()
    phonons.read(acoustic=True)
    waves = fitted.frequencies["q_0"]
    expected = phonons.band_structure(waves, verbose=False) / (ase.units._hplanck / ase.units._e)
    found = fitted.frequencies["frequencies_0"]
    assert found.max() > 7.0
    np.testing.assert_allclose(found[1:], expected[1:] * 1e-12, atol=5e-3)
    np.testing.assert_allclose(found[0], 0.0, atol=1e-5)


def test_a_strained_crystal_is_softer(fitted):
    tops = [fitted.frequencies[f"frequencies_{k}"].max() for k in range(4)]
    assert tops[1] < tops[0]
    assert tops[3] < tops[2]


def test_thermal_properties_have_their_limits(displaced, labelled):
    node = done(
        FitPhonons(
            cells=displaced.cells,
            structures=labelled,
            mesh=(12, 12, 12),
            temperatures_k=[0.0, 50.0, 3000.0],
        )
    )
    assert len(node.thermal) == 12
    first = node.thermal[node.thermal["cell"] == 0]
    assert first["heat_capacity_ev_per_k"].iloc[0] == 0.0
    assert first["heat_capacity_ev_per_k"].iloc[2] == pytest.approx(3 * ase.units.kB, rel=2e-3)
    assert first["free_energy_ev"].iloc[0] == node.metrics["zero_point_energy_ev"][0]
    # Zero point: half a quantum of the mean frequency for each of the three modes.
    weights = node.frequencies["weights_0"]
    mean = np.average(node.frequencies["frequencies_0"].mean(axis=1), weights=weights) * 1e12
    zero = 1.5 * mean * ase.units._hplanck / ase.units._e
    assert node.metrics["zero_point_energy_ev"][0] == pytest.approx(zero, rel=1e-3)
    assert set(first["strain"]) == {0.0}


def test_force_constants_obey_the_sum_rule(fitted):
    constants = fitted.force_constants["cell_0"]
    assert constants.shape == (8, 8, 3, 3)
    np.testing.assert_allclose(constants.sum(axis=1), 0.0, atol=1e-8)
    np.testing.assert_allclose(constants, constants.transpose(1, 0, 3, 2), atol=1e-8)


def test_a_full_matrix_makes_the_supercell():
    matrix = [[-1, 1, 1], [1, -1, 1], [1, 1, -1]]
    node = done(
        BuildPhononDisplacements(structures=[ase.build.bulk("Cu", a=3.6)], supercell_matrix=matrix)
    )
    np.testing.assert_allclose(node.frames[0].cell.array, 3.6 * np.eye(3), atol=1e-9)


def test_unusable_input_is_refused(displaced, labelled):
    crystal = ase.build.bulk("Cu")
    for fields, message in [
        ({"supercell_matrix": [1, 2]}, r"supercell_matrix must be three integers"),
        ({"supercell_matrix": [1, 2, 0]}, r"supercell_matrix must be three integers"),
        ({"distance_angstrom": 0.0}, r"distance_angstrom must be positive"),
        ({"strains": []}, r"strains must hold one or more"),
        ({"strains": [-1.0]}, r"strains must hold one or more"),
    ]:
        with pytest.raises(ValueError, match=rf"BuildPhononDisplacements\.{message}"):
            done(BuildPhononDisplacements(structures=[crystal], **fields))
    cells = displaced.cells
    with pytest.raises(ValueError, match=r"FitPhonons\.structures must be labelled with forces"):
        done(FitPhonons(cells=cells, structures=displaced.frames))
    with pytest.raises(ValueError, match=r'FitPhonons\.structures must hold .*"phonon_cell"\] = 3'):
        done(FitPhonons(cells=cells, structures=labelled[:3]))
    with pytest.raises(ValueError, match=r"FitPhonons\.mesh must be three numbers"):
        done(FitPhonons(cells=cells, structures=labelled, mesh=(0, 1, 1)))
    moved = labelled[0].copy()
    moved.calc = labelled[0].calc
    moved.positions[3:5] += 0.1
    with pytest.raises(ValueError, match=r"one displaced atom each, received 3 in row 0"):
        done(FitPhonons(cells=cells[:1], structures=[moved]))
    moved = labelled[0][:4]
    moved.info["phonon_cell"] = 0
    with pytest.raises(ValueError, match=r"must be supercells of cells, received Cu4 in row 0"):
        done(FitPhonons(cells=cells[:1], structures=[moved]))


def test_the_nodes_keep_the_contract(labelled):
    node = zn.testing.check_node(
        BuildPhononDisplacements, structures=[ase.build.bulk("Cu")], strains=[0.0]
    )
    zn.testing.check_node(
        FitPhonons, cells=list(node.cells), structures=labelled[:1], mesh=(2, 2, 2)
    )
