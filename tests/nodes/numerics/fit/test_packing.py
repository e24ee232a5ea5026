import dataclasses

import numpy as np
import pytest

from nodes.numerics.fit.packing import head_outputs, pack, size_in_bytes, take

from .conftest import Charge, small_model


def test_labels_are_padded_marked_and_less_their_reference(model, mixed):
    small, large = mixed[0], dataclasses.replace(mixed[-1], energy=None, stress=None)
    (data,) = pack(model, [small, large], np.array([-3.0, -4.0]))
    assert len(data) == 2
    assert data.forces.shape == (2, 8, 3)
    np.testing.assert_allclose(data.forces[0, :4], small.forces, rtol=1e-6)
    assert not data.forces[0, 4:].any()
    copper = int(np.sum(small.numbers == 29))
    expected = small.energy + 3.0 * copper + 4.0 * (4 - copper)
    np.testing.assert_allclose(data.energy, [expected, 0.0], rtol=1e-5)
    np.testing.assert_allclose(data.virial[0], small.stress * small.volume, rtol=1e-5)
    np.testing.assert_array_equal(data.known["energy"], [1, 0])
    np.testing.assert_array_equal(data.known["forces"], [1, 1])
    np.testing.assert_array_equal(data.known["stress"], [1, 0])


def test_large_references_are_taken_off_in_float64(model, train):
    shifted = dataclasses.replace(train[0], energy=train[0].energy - 4e7)
    (near,) = pack(model, [shifted], np.array([-1e7, -1e7]))
    (plain,) = pack(model, [train[0]], np.zeros(2))
    np.testing.assert_allclose(near.energy, plain.energy, atol=1e-6)


def test_structures_of_different_sizes_get_shapes_of_their_own(model, mixed):
    data = pack(model, mixed, np.zeros(2), max_shapes=2, batch_size=3)
    assert [part.graph.species.shape for part in data] == [(9, 4), (6, 8)]
    energies = np.concatenate([part.energy for part in data])
    np.testing.assert_allclose(energies, [s.energy for s in mixed], rtol=1e-6)
    (whole,) = pack(model, mixed, np.zeros(2))
    assert size_in_bytes(data) < 0.8 * size_in_bytes([whole])


def test_labels_of_structures_that_fill_a_batch_up_do_not_count(model, train):
    (data,) = pack(model, train, np.zeros(2))
    batch = take(data, np.array([3, 0]), np.array([1.0, 0.0]))
    np.testing.assert_allclose(batch.energy, [train[3].energy, train[0].energy], rtol=1e-6)
    np.testing.assert_array_equal(batch.known["forces"], [1, 0])
    assert batch.known["energy"].dtype == np.float32


def test_labels_of_heads(mixed):
    model = small_model(heads=(Charge("total", False), Charge("charge", True, n_members=3)))
    assert head_outputs(model) == {"total": (False, ()), "charge": (True, ())}
    small = dataclasses.replace(mixed[0], properties={"charge": np.arange(4.0)[:, None]})
    (data,) = pack(model, [small, mixed[-1]], np.zeros(2))
    assert data.per_atom == ("forces", "charge")
    np.testing.assert_array_equal(data.properties["charge"][0], [0, 1, 2, 3, 0, 0, 0, 0])
    np.testing.assert_array_equal(data.known["charge"], [1, 0])
    np.testing.assert_array_equal(data.known["total"], [0, 0])
    wrong = dataclasses.replace(mixed[0], properties={"charge": np.zeros(3)})
    with pytest.raises(ValueError, match=r"'charge' must have shape \(4,\), received \(3,\)"):
        pack(model, [wrong], np.zeros(2))
