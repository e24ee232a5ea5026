import ase.build
import numpy as np
import pytest
from ase.geometry import get_layers

import zn_pipeline as zn
from nodes.structures.surfaces import BuildSurfaces


def built(**fields):
    node = BuildSurfaces(**fields)
    node.run()
    return list(node.frames)


def test_a_cube_has_its_three_surfaces():
    crystal = ase.build.bulk("Cu", a=3.6, cubic=True)
    slabs = built(structures=[crystal], min_thickness_angstrom=8.0, vacuum_angstrom=6.0)
    assert [slab.info["miller_indices"].tolist() for slab in slabs] == [
        [1, 0, 0],
        [1, 1, 0],
        [1, 1, 1],
    ]
    for slab, layer in zip(slabs, (1.8, 3.6 / np.sqrt(8), 3.6 / np.sqrt(3)), strict=True):
        heights = np.unique(slab.positions[:, 2].round(4))
        np.testing.assert_allclose(np.diff(heights), layer, atol=1e-3)
        assert len(heights) * layer >= 8.0
        assert slab.cell[2, 2] - np.ptp(heights) == pytest.approx(12.0, abs=1e-3)
        assert slab.pbc.tolist() == [True, True, False]


def test_atoms_below_the_surface_have_all_their_neighbours():
    """Twelve, in every slab of a primitive, oblique cell."""
    for slab in built(structures=[ase.build.bulk("Cu", a=3.6)], max_index=2):
        repeated = slab.repeat((5, 5, 1)) if slab.cell.lengths()[:2].min() < 6 else slab
        layers = get_layers(repeated, (0, 0, 1), tolerance=0.05)[0]
        middle = int(np.argmin(np.abs(layers - np.median(layers))))
        distances = repeated.get_distances(middle, range(len(repeated)), mic=True)
        neighbours = (np.abs(distances - 3.6 / np.sqrt(2)) < 1e-4).sum()
        assert neighbours == 12, slab.info["miller_indices"]


def test_slabs_are_as_wide_as_asked_and_not_oblique():
    slabs = built(structures=[ase.build.bulk("Ti")], min_width_angstrom=6.0)
    assert len(slabs) == 5
    for slab in slabs:
        one, two = slab.cell.array[:2]
        area = np.linalg.norm(np.cross(one, two))
        assert min(area / np.linalg.norm(one), area / np.linalg.norm(two)) >= 6.0
        assert abs(slab.cell.angles()[2] - 90.0) <= 30.1 + 1e-6


def test_large_slabs_can_be_left_out():
    crystal = ase.build.bulk("Cu", cubic=True)
    sizes = [len(slab) for slab in built(structures=[crystal])]
    kept = built(structures=[crystal], max_n_atoms=min(sizes))
    assert [len(slab) for slab in kept] == [size for size in sizes if size == min(sizes)]
    with pytest.raises(ValueError, match=r"BuildSurfaces\.max_n_atoms must be at least"):
        built(structures=[crystal], max_n_atoms=1)


def test_unusable_input_is_refused():
    crystal = ase.build.bulk("Cu")
    with pytest.raises(ValueError, match=r"BuildSurfaces\.max_index must be at least 1"):
        built(structures=[crystal], max_index=0)
    with pytest.raises(ValueError, match=r"BuildSurfaces\.min_thickness_angstrom, .* 0 or more"):
        built(structures=[crystal], vacuum_angstrom=-1.0)
    with pytest.raises(ValueError, match=r"BuildSurfaces\.structures must be periodic"):
        built(structures=[ase.build.molecule("H2O")])


def test_the_node_keeps_the_contract():
    zn.testing.check_node(BuildSurfaces, structures=[ase.build.bulk("Cu")])
