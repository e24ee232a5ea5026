import ase.build
import numpy as np
import pytest

import zn_pipeline as zn
from nodes.structures.defects import BuildAntisites, BuildVacancies


@pytest.fixture
def salt():
    return ase.build.bulk("NaCl", "rocksalt", a=5.6, cubic=True).repeat(2)


@pytest.fixture
def copper():
    return ase.build.bulk("Cu", cubic=True).repeat(3)


def made(node):
    node.run()
    return list(node.frames)


def test_atoms_are_missing_and_the_rest_stays(salt):
    frames = made(BuildVacancies(structures=[salt], n_vacancies=3, n_per_frame=20))
    assert len(frames) == 20
    for frame in frames:
        kept = np.setdiff1d(np.arange(64), frame.info["removed_atoms"])
        assert len(kept) == 61
        np.testing.assert_array_equal(frame.positions, salt.positions[kept])
        np.testing.assert_array_equal(frame.numbers, salt.numbers[kept])
    assert len({tuple(frame.info["removed_atoms"]) for frame in frames}) > 15


def test_vacancies_of_one_element(salt):
    frames = made(BuildVacancies(structures=[salt], n_vacancies=4, element="Cl", n_per_frame=5))
    assert {frame.get_chemical_formula() for frame in frames} == {"Cl28Na32"}


@pytest.mark.parametrize("cls", [BuildVacancies, BuildAntisites])
def test_clusters_stay_within_their_radius_of_one_site(cls, copper):
    count, radius = 5, 2.6  # the twelve nearest neighbours
    if cls is BuildVacancies:
        node = cls(
            structures=[copper], n_vacancies=count, cluster_radius_angstrom=radius, n_per_frame=10
        )
    else:
        node = cls(
            structures=[copper],
            n_antisites=count,
            elements=["Au"],
            cluster_radius_angstrom=radius,
            n_per_frame=10,
        )
    name = "removed_atoms" if cls is BuildVacancies else "changed_atoms"
    distances = copper.get_all_distances(mic=True)
    for frame in made(node):
        sites = frame.info[name]
        assert len(sites) == count
        assert distances[np.ix_(sites, sites)].max(axis=1).min() <= radius


def test_exchange_keeps_the_composition(salt):
    frames = made(BuildAntisites(structures=[salt], n_antisites=2, n_per_frame=10))
    for frame in frames:
        changed = np.flatnonzero(frame.numbers != salt.numbers)
        np.testing.assert_array_equal(changed, frame.info["changed_atoms"])
        assert len(changed) == 4
        assert frame.get_chemical_formula() == salt.get_chemical_formula()


def test_all_atoms_can_be_exchanged(salt):
    (frame,) = made(BuildAntisites(structures=[salt], n_antisites=32))
    assert (frame.numbers != salt.numbers).all()


def test_substitution_puts_other_elements(salt):
    frames = made(
        BuildAntisites(structures=[salt], n_antisites=6, elements=["Na", "K"], n_per_frame=10)
    )
    for frame in frames:
        changed = frame.info["changed_atoms"]
        assert (frame.numbers[changed] != salt.numbers[changed]).all()
        assert set(frame.symbols[changed]) <= {"Na", "K"}
        assert len(changed) == 6


@pytest.mark.parametrize("cls", [BuildVacancies, BuildAntisites])
def test_a_structure_has_its_own_stream(cls, salt):
    larger = salt.repeat((1, 1, 2))
    alone = made(cls(structures=[salt], n_per_frame=2, seed=5))
    among = made(cls(structures=[larger, salt], n_per_frame=3, seed=5))
    other = made(cls(structures=[salt], n_per_frame=2, seed=6))
    assert alone[0] == among[3]
    assert alone[1] == among[4]
    assert alone[0] != alone[1]
    assert alone[0] != other[0]


def test_inputs_are_not_modified(salt):
    before = salt.copy()
    made(BuildVacancies(structures=[salt]))
    made(BuildAntisites(structures=[salt]))
    assert salt == before


def test_unusable_input_is_refused(salt, copper):
    with pytest.raises(ValueError, match=r"BuildVacancies\.n_vacancies must be at least 1"):
        made(BuildVacancies(structures=[salt], n_vacancies=0))
    with pytest.raises(zn.MapFailedError, match=r"BuildVacancies\.n_vacancies must be at most 0"):
        made(BuildVacancies(structures=[salt], element="Au"))
    with pytest.raises(
        zn.MapFailedError, match=r"at most 13, .* within 2.6 Angstrom .* received 14"
    ):
        made(BuildVacancies(structures=[copper], n_vacancies=14, cluster_radius_angstrom=2.6))
    with pytest.raises(ValueError, match=r"BuildAntisites\.elements must be chemical symbols"):
        made(BuildAntisites(structures=[salt], elements=["Xx"]))
    with pytest.raises(zn.MapFailedError, match=r"BuildAntisites\.n_antisites must be at most the"):
        made(BuildAntisites(structures=[copper]))


def test_the_nodes_keep_the_contract(salt):
    zn.testing.check_node(BuildVacancies, structures=[salt], n_vacancies=2, n_per_frame=2)
    zn.testing.check_node(BuildAntisites, structures=[salt], n_antisites=2, n_per_frame=2)
