import dataclasses

import numpy as np

from nodes.numerics.fit.packing import label, pack


def test_labels_are_padded_marked_and_less_their_reference(model, train):
    small, large = train[0], dataclasses.replace(train[-1], energy=None)
    data = label(pack([small, large], model.config), [small, large], np.array([-3.0, -4.0]))
    assert len(data) == 2
    assert data.forces.shape == (2, 8, 3)
    np.testing.assert_allclose(data.forces[0, :4], small.forces, rtol=1e-6)
    assert not data.forces[0, 4:].any()
    copper = int(np.sum(small.numbers == 29))
    expected = small.energy + 3.0 * copper + 4.0 * (4 - copper)
    np.testing.assert_allclose(data.energy, [expected, 0.0], rtol=1e-5)
    np.testing.assert_array_equal(data.energy_known, [1, 0])
    np.testing.assert_array_equal(data.forces_known, [1, 1])


def test_large_references_are_taken_off_in_float64(model, train):
    shifted = dataclasses.replace(train[0], energy=train[0].energy - 4e7)
    graph = pack([shifted], model.config)
    near = label(graph, [shifted], np.array([-1e7, -1e7]))
    plain = label(graph, [train[0]], np.zeros(2))
    np.testing.assert_allclose(near.energy, plain.energy, atol=1e-6)
