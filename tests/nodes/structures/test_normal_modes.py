import ase.build
import numpy as np
import pytest
from ase.calculators.emt import EMT
from ase.constraints import FixAtoms
from ase.optimize import BFGS
from ase.vibrations import Vibrations

import zn_pipeline as zn
from nodes.reference.calculators import Emt, LennardJones
from nodes.structures.normal_modes import SampleNormalModes


def relaxed(atoms):
    atoms.calc = EMT()
    with BFGS(atoms, logfile=None) as relaxation:
        relaxation.run(fmax=1e-4)
    atoms.calc = None
    return atoms


@pytest.fixture(scope="module")
def water():
    return relaxed(ase.build.molecule("H2O"))


@pytest.fixture(scope="module")
def copper():
    return ase.build.bulk("Cu", cubic=True)


def done(**fields):
    node = SampleNormalModes(calculator=Emt(), **fields)
    node.run()
    return node


def test_frequencies_are_those_of_ase(water, tmp_path):
    vibrations = Vibrations(water.copy(), name=str(tmp_path / "vib"), delta=0.01)
    vibrations.atoms.calc = vibrations.calc = EMT()
    vibrations.run()
    expected = vibrations.get_frequencies()
    assert np.abs(expected.imag[6:]).max() == 0.0
    (found,) = done(structures=[water]).frequencies_per_cm
    assert len(found) == 3
    np.testing.assert_allclose(found, expected.real[6:], rtol=2e-3)


def test_samples_have_the_temperature_of_the_ensemble(copper):
    """Each of the nine modes holds half of kT; close to the minimum the energy is harmonic."""
    node = done(structures=[copper], temperature_k=20.0, n_per_frame=400)
    calculator = EMT()
    rest = calculator.get_potential_energy(copper)
    energies = [calculator.get_potential_energy(frame) - rest for frame in node.frames[:60]]
    told = [frame.info["harmonic_energy_ev"] for frame in node.frames]
    np.testing.assert_allclose(energies, told[:60], rtol=0.1)
    expected = 9 * 0.5 * 8.617333e-5 * 20.0
    assert np.mean(told) == pytest.approx(expected, rel=0.08)
    assert np.std(told) / np.mean(told) == pytest.approx(np.sqrt(2 / 9), rel=0.15)


def test_rigid_motion_is_left_out(water, copper):
    for start in (water, copper):
        for frame in done(structures=[start], n_per_frame=3).frames:
            moved = (frame.positions - start.positions) * start.get_masses()[:, None]
            np.testing.assert_allclose(moved.sum(axis=0), 0.0, atol=1e-9)
            if not start.pbc.any():
                arms = start.positions - start.get_center_of_mass()
                np.testing.assert_allclose(np.cross(arms, moved).sum(axis=0), 0.0, atol=1e-9)


def test_cold_quantum_samples_still_move(copper):
    cold = {
        statistics: done(structures=[copper], temperature_k=0.0, statistics=statistics)
        for statistics in ("classical", "quantum")
    }
    assert np.abs(cold["classical"].frames[0].positions - copper.positions).max() == 0.0
    told = [frame.info["harmonic_energy_ev"] for frame in cold["quantum"].frames]
    quanta = np.array(cold["quantum"].frequencies_per_cm[0]) * 1.239842e-4
    assert np.mean(told) == pytest.approx(quanta.sum() / 4, rel=0.5)


def test_a_structure_has_its_own_stream(water, copper):
    alone = done(structures=[copper], n_per_frame=2, seed=1).frames
    among = done(structures=[water, copper], n_per_frame=3, seed=1).frames
    other = done(structures=[copper], n_per_frame=2, seed=2).frames
    np.testing.assert_array_equal(alone[0].positions, among[3].positions)
    np.testing.assert_array_equal(alone[1].positions, among[4].positions)
    assert np.abs(alone[0].positions - alone[1].positions).max() > 1e-3
    assert np.abs(alone[0].positions - other[0].positions).max() > 1e-3


def test_soft_modes_are_not_displaced(copper):
    node = done(structures=[copper], min_frequency_per_cm=200.0, n_per_frame=30)
    assert node.metrics == {"n_displaced": 24, "n_soft": 6}
    told = np.mean([frame.info["harmonic_energy_ev"] for frame in node.frames])
    assert told == pytest.approx(3 * 0.5 * 8.617333e-5 * 300.0, rel=0.4)


def test_constraints_are_kept_but_not_obeyed(copper):
    fixed = copper.copy()
    fixed.set_constraint(FixAtoms([0]))
    free, held = (done(structures=[start], n_per_frame=1) for start in (copper, fixed))
    np.testing.assert_allclose(free.frequencies_per_cm, held.frequencies_per_cm)
    assert len(held.frames[0].constraints) == 1
    assert np.abs(held.frames[0].positions[0] - copper.positions[0]).max() > 1e-3


def test_unusable_input_is_refused(copper):
    with pytest.raises(ValueError, match=r"SampleNormalModes\.n_per_frame must be at least 1"):
        done(structures=[copper], n_per_frame=0)
    with pytest.raises(ValueError, match=r'statistics must be "classical" or "quantum"'):
        done(structures=[copper], statistics="fermi")
    with pytest.raises(ValueError, match=r"SampleNormalModes\.temperature_k must be 0 or more"):
        done(structures=[copper], temperature_k=-1.0)
    with pytest.raises(ValueError, match=r"SampleNormalModes\.structures must have a mode above"):
        done(structures=[copper], min_frequency_per_cm=1000.0)


def test_the_node_keeps_the_contract():
    argon = ase.build.bulk("Ar", a=5.3, cubic=True)
    zn.testing.check_node(
        SampleNormalModes, structures=[argon], calculator=LennardJones(), n_per_frame=2
    )
