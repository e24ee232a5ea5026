import pytest

import zn_pipeline as zn
from nodes.structures.crystals import BuildBulk, BuildSurface


def built(node):
    node.run()
    return node.frames


def test_bulk_copper_has_its_lattice():
    (crystal,) = built(BuildBulk(formula="Cu", cubic=True, repeat=(2, 1, 1)))
    assert len(crystal) == 8
    assert crystal.cell.lengths() == pytest.approx([7.22, 3.61, 3.61])
    assert crystal.pbc.all()


def test_bulk_takes_lattice_type_and_constant():
    (salt,) = built(BuildBulk(formula="NaCl", crystal_structure="rocksalt", a_angstrom=5.6))
    assert salt.get_volume() == pytest.approx(5.6**3 / 4)
    assert salt.get_distance(0, 1, mic=True) == pytest.approx(2.8)


def test_surface_has_layers_vacuum_and_an_open_side():
    bulk = built(BuildBulk(formula="Cu", cubic=True))
    node = BuildSurface(
        structures=bulk, miller_indices=(1, 0, 0), n_layers=2, vacuum_angstrom=8.0, repeat=(2, 1)
    )
    (slab,) = built(node)
    assert len(slab) == 16
    assert slab.pbc.tolist() == [True, True, False]
    height = slab.positions[:, 2].max() - slab.positions[:, 2].min()
    assert height == pytest.approx(1.5 * 3.61)
    assert slab.cell.lengths()[2] == pytest.approx(height + 16.0)


def test_a_repeat_below_one_is_refused():
    with pytest.raises(ValueError, match=r"repeat must be at least 1 .* received \(1, 0, 1\)"):
        built(BuildBulk(formula="Cu", repeat=(1, 0, 1)))


def test_the_nodes_keep_the_contract():
    crystal = zn.testing.check_node(BuildBulk, formula="Cu", cubic=True)
    zn.testing.check_node(BuildSurface, structures=crystal.frames, n_layers=2)
