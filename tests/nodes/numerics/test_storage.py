import numpy as np
import pytest

from nodes.numerics import storage


def test_arrays_and_records_round_trip(tmp_path):
    arrays = {"a['b']": np.arange(3.0), "text": np.array("é")}
    storage.write_arrays(tmp_path / "new" / "x.npz", arrays)
    back = storage.read_arrays(tmp_path / "new" / "x.npz")
    assert back.keys() == arrays.keys()
    np.testing.assert_array_equal(back["a['b']"], arrays["a['b']"])
    storage.write_json(tmp_path / "x.json", {"k": [1, None]})
    assert storage.read_json(tmp_path / "x.json") == {"k": [1, None]}
    assert sorted(p.name for p in tmp_path.iterdir()) == ["new", "x.json"]


def test_objects_are_never_pickled(tmp_path):
    with pytest.raises(ValueError, match="Object arrays cannot be saved"):
        storage.write_arrays(tmp_path / "x.npz", {"a": np.array([{}], dtype=object)})
    assert not list(tmp_path.iterdir())


def test_trees_round_trip_and_are_checked():
    tree = {"w": [np.ones(2), np.zeros((1, 3))]}
    flat = storage.flatten(tree)
    again = storage.unflatten(tree, flat)
    np.testing.assert_array_equal(again["w"][1], tree["w"][1])
    with pytest.raises(ValueError, match="received a difference in"):
        storage.unflatten({"v": tree["w"]}, flat)
    with pytest.raises(ValueError, match=r"stored array .* must be"):
        storage.unflatten({"w": [np.ones(3), np.zeros((1, 3))]}, flat)


def test_digest_depends_on_names_and_values():
    a = storage.array_digest({"a": np.ones(2)})
    assert a == storage.array_digest({"a": np.ones(2)})
    assert a != storage.array_digest({"b": np.ones(2)})
    assert a != storage.array_digest({"a": np.ones(2, np.float32)})
