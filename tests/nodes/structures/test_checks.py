import ase.build
import pytest

from nodes.structures.checks import known_symbols, require_crystal, require_positive
from nodes.structures.dimers import BuildDimers
from nodes.structures.supercells import BuildSupercells


def test_counts_must_be_positive():
    node = BuildDimers(elements=["H"], n_steps=0)
    with pytest.raises(ValueError, match=r"BuildDimers\.n_steps must be at least 1, received 0"):
        require_positive(node, "n_steps")
    require_positive(BuildDimers(elements=["H"], n_steps=1), "n_steps")


@pytest.mark.parametrize("elements", [[], ["H", "H"], ["Xx"], ["X"], ["h"]])
def test_elements_must_be_known_and_named_once(elements):
    with pytest.raises(ValueError, match=r"BuildDimers\.elements must be chemical symbols"):
        known_symbols(BuildDimers(elements=elements), "elements")


def test_a_crystal_is_periodic_along_three_axes():
    node = BuildSupercells(structures=[], max_n_atoms=1)
    require_crystal(node, ase.build.bulk("Cu"), 0)
    for other in (ase.build.molecule("H2O"), ase.build.fcc111("Cu", (1, 1, 2), vacuum=5)):
        with pytest.raises(ValueError, match=r"BuildSupercells\.structures must be .* row 3"):
            require_crystal(node, other, 3)
