import numpy as np
import pytest
from ase.build import add_adsorbate, fcc100
from ase.calculators.emt import EMT
from ase.constraints import FixAtoms
from ase.mep import NEBTools

import zn_pipeline as zn
from nodes.reference.calculators import AseCalculator, Emt
from nodes.relaxation.elastic_band import NudgedElasticBand
from nodes.relaxation.relax import Relax


class Fussy(EMT):
    """EMT that does not know gold."""

    def calculate(self, atoms=None, *arguments, **keywords):
        if (atoms.numbers == 79).any():
            raise RuntimeError("no gold")
        super().calculate(atoms, *arguments, **keywords)


@pytest.fixture(autouse=True)
def own_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def hop(adatom):
    """Hollow sites of Al(100) between which an atom hops."""
    ends = []
    for shift in (0.0, 0.5):
        slab = fcc100("Al", size=(2, 2, 3))
        add_adsorbate(slab, adatom, 1.7, "hollow")
        slab.center(axis=2, vacuum=4.0)
        slab.info.clear()
        slab[-1].x += shift * slab.cell[0, 0]
        slab.set_constraint(FixAtoms(mask=slab.get_tags() > 1))
        ends.append(Relax(Emt(), fmax_ev_per_angstrom=0.01)(slab))
    return ends


@pytest.fixture(scope="module")
def hops():
    return [hop("Au"), hop("Al")]


def found(**fields):
    node = NudgedElasticBand(**({"calculator": Emt(), "n_images": 3} | fields))
    node.run()
    return node


def test_barriers_and_profiles_of_all_bands(hops):
    node = found(initial=[pair[0] for pair in hops], final=[pair[1] for pair in hops])
    assert node.rows.tolist() == [0] * 5 + [1] * 5
    assert [frame.info["image"] for frame in node.frames] == [0, 1, 2, 3, 4] * 2
    assert node.barriers[0]["barrier_ev"] == pytest.approx(0.374, abs=3e-3)
    for row, barrier in enumerate(node.barriers):
        images = list(node.frames[5 * row : 5 * row + 5])
        height, difference = NEBTools(images).get_barrier(fit=False)
        assert barrier["row"] == row
        assert barrier["converged"]
        assert barrier["saddle_image"] == 2
        assert barrier["barrier_ev"] == pytest.approx(height)
        assert barrier["reaction_energy_ev"] == pytest.approx(difference)
        assert barrier["reverse_barrier_ev"] == pytest.approx(height - difference)
        profile = node.profile[node.profile["band"] == row]
        assert profile["energy_ev"].max() == pytest.approx(height)
        assert profile["path_angstrom"].iloc[0] == 0.0
        assert (np.diff(profile["path_angstrom"]) > 0).all()
    assert node.metrics["n_bands"] == node.metrics["n_converged"] == 2
    heights = [barrier["barrier_ev"] for barrier in node.barriers]
    assert node.metrics["max_barrier_ev"] == max(heights)
    assert node.metrics["min_barrier_ev"] == min(heights)


def test_bands_may_be_given_with_all_images(hops):
    first = found(bands=[hops[0]])
    again = found(bands=[list(first.frames)])
    assert again.barriers[0]["n_steps"] == 0
    assert again.barriers[0]["barrier_ev"] == pytest.approx(first.barriers[0]["barrier_ev"])


def test_failures_and_unfinished_bands_are_counted(hops):
    node = found(
        bands=hops, calculator=AseCalculator(f"{__name__}:Fussy"), on_error="record", max_steps=1
    )
    assert node.failures == [{"row": 0, "kind": "calculation", "reason": "RuntimeError: no gold"}]
    assert node.rows.tolist() == [1] * 5
    assert node.barriers[0]["row"] == 1
    assert node.barriers[0]["converged"] is False
    assert node.metrics["n_failed"] == node.metrics["n_not_converged"] == 1


def test_paths_are_given_in_one_of_two_ways(hops):
    with pytest.raises(ValueError, match="either by initial and final or by bands, received"):
        found()
    with pytest.raises(ValueError, match="initial of 1, final None, bands None"):
        found(initial=hops[0][:1])
    with pytest.raises(ValueError, match="initial of 1, final of 1, bands of 2"):
        found(initial=hops[0][:1], final=hops[0][1:], bands=hops)
    with pytest.raises(ValueError, match="initial and final must be pairs, received 2 and 1"):
        found(initial=hops[0], final=hops[0][:1])
    with pytest.raises(ValueError, match="on_error must be one of raise, record"):
        found(bands=hops, on_error="skip")


def test_the_node_keeps_the_contract(hops):
    zn.testing.check_node(NudgedElasticBand, bands=hops, calculator=Emt(), n_images=1, max_steps=10)
    zn.testing.check_node(
        NudgedElasticBand, initial=hops[0][:1], final=hops[0][1:], calculator=Emt(), n_images=1,
        share_calculator=True, climb=False,
    )  # fmt: skip
