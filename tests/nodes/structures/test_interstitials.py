import ase.build
import numpy as np
import pytest

import zn_pipeline as zn
from nodes.structures.interstitials import BuildInterstitials


@pytest.fixture
def copper():
    return ase.build.bulk("Cu", a=3.6, cubic=True).repeat(2)


def made(node):
    node.run()
    return list(node.frames)


def test_the_largest_voids_of_fcc_are_the_octahedral_sites(copper):
    frames = made(
        BuildInterstitials(
            structures=[copper], elements=["H"], radius_exponent=None, n_per_frame=10
        )
    )
    for frame in frames:
        assert frame.symbols[-1] == "H"
        np.testing.assert_array_equal(frame[:-1].positions, copper.positions)
        distances = np.sort(frame.get_distances(-1, range(32), mic=True))
        np.testing.assert_allclose(distances[:6], 1.8, atol=1e-6)
        assert distances[6] > 2.5
    assert len({tuple(frame.positions[-1].round(3)) for frame in frames}) > 5


def test_voids_are_drawn_by_their_radius(copper):
    """Two tetrahedral sites (0.433 a) for each octahedral one (0.5 a)."""
    octahedral = {}
    for exponent in (0.0, 3.0, 40.0):
        frames = made(
            BuildInterstitials(
                structures=[copper], elements=["H"], radius_exponent=exponent, n_per_frame=400
            )
        )
        radii = np.concatenate([frame.info["void_radius_angstrom"] for frame in frames])
        octahedral[exponent] = float((radii > 1.7).mean())
    ratio = 0.5 / (np.sqrt(3) / 4)
    for exponent, share in octahedral.items():
        weight = ratio**exponent
        assert share == pytest.approx(weight / (weight + 2), abs=0.08)


def test_added_atoms_keep_their_distance_from_each_other(copper):
    frames = made(
        BuildInterstitials(
            structures=[copper],
            elements=["H", "O"],
            n_interstitials=8,
            min_radius_angstrom=1.5,
            n_per_frame=5,
        )
    )
    for frame in frames:
        added = frame[32:]
        assert len(added) == 8
        assert set(added.symbols) <= {"H", "O"}
        distances = added.get_all_distances(mic=True)[~np.eye(8, dtype=bool)]
        assert distances.min() >= 1.5


def test_unusable_input_is_refused(copper):
    with pytest.raises(ValueError, match=r"BuildInterstitials\.structures must be periodic"):
        made(BuildInterstitials(structures=[ase.build.molecule("H2O")], elements=["H"]))
    with pytest.raises(ValueError, match=r"BuildInterstitials\.elements must be chemical symbols"):
        made(BuildInterstitials(structures=[copper], elements=[]))
    with pytest.raises(
        zn.MapFailedError, match=r"n_interstitials must be at most 0, the number of voids"
    ):
        made(BuildInterstitials(structures=[copper], elements=["H"], min_radius_angstrom=2.0))


def test_the_node_keeps_the_contract(copper):
    zn.testing.check_node(
        BuildInterstitials, structures=[copper], elements=["H"], n_interstitials=2
    )
