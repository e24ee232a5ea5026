import ase.units
import pytest

from nodes.numerics import units


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        (units.FS, ase.units.fs),
        (units.PS, 1000 * ase.units.fs),
        (units.KB, ase.units.kB),
        (units.GPA, ase.units.GPa),
        (units.KCAL_PER_MOL, ase.units.kcal / ase.units.mol),
        (units.COULOMB, ase.units.Hartree * ase.units.Bohr),
        (units.GRAM_PER_CM3, ase.units.kg / ase.units.m**3 * 1000),
    ],
)
def test_constants_equal_those_of_ase(ours, theirs):
    # ASE uses CODATA 2014.
    assert ours == pytest.approx(theirs, rel=1e-6)
