import pytest

from nodes.numerics.potentials import (
    Bessel,
    EquivariantMessages,
    Gaussian,
    GaussianMoments,
    Precision,
    Readout,
)
from nodes.schema.reading import check_config
from nodes.training.config.lower_model import lower_model
from nodes.training.config.model import EquivMP, Gmnn


def test_defaults_are_those_of_apax():
    model = lower_model(Gmnn(), [29, 79, 29])
    assert model.elements == (29, 79)
    assert model.cutoff_angstrom == 5.0
    assert isinstance(model.representation, GaussianMoments)
    assert model.representation.n_radial == 5
    assert model.representation.basis == Bessel(16)
    assert model.readout == Readout((256, 256), "scaled_silu", weight_init="lecun")
    assert model.n_members == 1
    assert model.precision == Precision("float32", "float32", "float32")


def test_without_learned_radial_functions_the_basis_takes_their_place():
    basis = {"name": "gaussian", "n_basis": 4, "r_max": 6.0}
    model = lower_model(check_config({"emb_init": None, "basis": basis}, Gmnn), [1])
    assert not model.representation.contraction
    assert model.representation.n_radial == 4
    assert model.representation.basis == Gaussian(4)
    assert model.cutoff_angstrom == 6.0


def test_messages_and_ensembles():
    config = check_config({"features": 8, "ensemble": {"kind": "full", "n_members": 3}}, EquivMP)
    model = lower_model(config, [1, 8])
    assert isinstance(model.representation, EquivariantMessages)
    assert model.representation.features == 8
    assert (model.n_members, model.ensemble) == (3, "full")


def test_more_elements_may_be_known():
    assert lower_model(Gmnn(elements=("H", "Au")), [29]).elements == (1, 29, 79)
    with pytest.raises(ValueError, match=r"model\.elements must be symbols"):
        lower_model(Gmnn(elements=("Xq",)), [29])
