import ase.build
import pytest
from ase import Atoms
from ase.calculators.emt import EMT

from nodes.interfaces import HasCalculator
from nodes.reference.calculators import AseCalculator, Emt, LennardJones, Xtb
from nodes.reference.failures import NotConvergedError


class HalfEmt(EMT):
    """A calculator of one's own."""


@pytest.mark.parametrize(
    "spec", [Emt(), LennardJones(), Xtb(), AseCalculator("ase.calculators.emt:EMT")]
)
def test_every_spec_gives_a_fresh_calculator_each_time(spec):
    assert isinstance(spec, HasCalculator)
    assert spec.get_calculator() is not spec.get_calculator()


def test_lennard_jones_has_its_depth_and_zero():
    spec = LennardJones(epsilon_ev=0.5, sigma_angstrom=2.0, cutoff_angstrom=8.0)
    shift = 4 * 0.5 * ((2.0 / 8.0) ** 12 - (2.0 / 8.0) ** 6)
    for distance, expected in ((2.0, 0.0), (2.0 * 2 ** (1 / 6), -0.5)):
        pair = Atoms("Ar2", positions=[[0, 0, 0], [distance, 0, 0]])
        pair.calc = spec.get_calculator()
        assert pair.get_potential_energy() == pytest.approx(expected - shift, abs=1e-12)


def test_emt_gives_bulk_copper_near_its_minimum():
    copper = ase.build.bulk("Cu")
    copper.calc = Emt().get_calculator()
    assert abs(copper.get_stress()).max() < 0.02


def test_xtb_gives_the_published_energy_of_water_and_reads_the_charge():
    # tblite's own documentation gives -156.96750578 eV for this molecule with GFN1-xTB.
    water = ase.build.molecule("H2O")
    water.calc = Xtb(method="GFN1-xTB").get_calculator()
    assert water.get_potential_energy() == pytest.approx(-156.9675057724589, abs=1e-5)
    hydroxide = ase.build.molecule("OH")
    hydroxide.set_initial_magnetic_moments([0.0, 0.0])
    hydroxide.calc = Xtb(charge=-1).get_calculator()
    charged = hydroxide.get_potential_energy()
    hydroxide.set_initial_charges([-1.0, 0.0])
    hydroxide.calc = Xtb().get_calculator()
    assert hydroxide.get_potential_energy() == pytest.approx(charged, abs=1e-6)


def test_xtb_forces_are_the_slope_of_its_energy():
    water = ase.build.molecule("H2O")
    water.rattle(0.05, seed=1)
    water.calc = Xtb(accuracy=0.01).get_calculator()
    force = water.get_forces()[1, 2]
    energies = []
    for step in (1e-3, -1e-3):
        moved = water.copy()
        moved.positions[1, 2] += step
        moved.calc = water.calc
        energies.append(moved.get_potential_energy())
    assert force == pytest.approx(-(energies[0] - energies[1]) / 2e-3, abs=1e-4)


def test_a_calculator_by_import_path_gets_its_arguments_and_directory(tmp_path):
    spec = AseCalculator("ase.calculators.lj:LennardJones", {"epsilon": 0.5, "sigma": 2.0})
    assert spec.get_calculator().parameters["epsilon"] == 0.5
    spec = AseCalculator("ase.calculators.emt:EMT", needs_directory=True)
    assert str(spec.get_calculator(tmp_path).directory) == str(tmp_path)


def test_unusable_settings_are_refused():
    with pytest.raises(ValueError, match=r"must be positive, received 0.0 and None"):
        LennardJones(sigma_angstrom=0.0)
    with pytest.raises(ValueError, match="target must be \"module:name\", received 'emt'"):
        AseCalculator("emt").get_calculator()
    with pytest.raises(ValueError, match="target must name an importable calculator"):
        AseCalculator("ase.calculators.emt:NoSuch").get_calculator()


def test_charges_that_do_not_converge_are_a_typed_failure():
    silicon = ase.build.bulk("Si", cubic=True)
    silicon.rattle(0.2, seed=3)
    calculator = Xtb(electronic_temperature_k=300.0, max_iterations=3).get_calculator()
    with pytest.raises(NotConvergedError, match=r"tblite must converge.*electronic_temperature_k"):
        calculator.calculate(silicon, ["energy"])
    molecule = ase.build.molecule("H2O")
    calculator = Xtb().get_calculator()
    calculator.calculate(molecule, ["energy"])
    assert calculator.results["energy"] < 0


def test_the_key_of_any_calculator_holds_its_class_and_no_folders():
    spec = AseCalculator(f"{__name__}:HalfEmt", {"command": "run here", "asap_cutoff": True})
    key = spec.__cache_key__()
    assert key["target"].__name__ == "HalfEmt"
    assert key["arguments"] == {"asap_cutoff": True}
    assert AseCalculator("not_here:Calculator").__cache_key__()["target"] == "not_here:Calculator"
