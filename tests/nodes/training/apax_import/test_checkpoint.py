import json
import shutil
import sys

import numpy as np
import pytest

import zn_pipeline as zn
from nodes.training.apax_import.checkpoint import read_weights


def test_weights_have_the_names_and_shapes_of_the_model(data):
    weights = read_weights(data / "bessel")
    assert {name: array.shape for name, array in weights.items()} == {
        "readout.dense_0.w": (94, 8),
        "readout.dense_0.b": (8,),
        "readout.dense_1.w": (8, 8),
        "readout.dense_1.b": (8,),
        "readout.dense_2.w": (8, 1),
        "readout.dense_2.b": (1,),
        "representation.radial_fn.atomic_type_embedding": (119, 119, 3, 4),
        "scale_shift.scale_per_element": (119, 1),
        "scale_shift.shift_per_element": (119, 1),
    }
    assert {array.dtype for array in weights.values()} == {np.dtype("float64")}


def test_members_of_a_full_ensemble_stand_in_front(data):
    weights = read_weights(data / "full")
    assert {array.shape[0] for array in weights.values()} == {3}


def test_the_newest_finished_epoch_counts(data, copied):
    folder = copied("bessel")
    (newer,) = (data / "member" / "best").iterdir()
    (folder / "best" / "11.orbax-checkpoint-tmp-0").mkdir()
    shutil.copytree(newer, folder / "best" / "10")
    found, newest = read_weights(folder), read_weights(data / "member")
    assert all(np.array_equal(found[name], newest[name]) for name in newest)


def test_a_folder_without_a_checkpoint_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"best must hold the checkpoint of an epoch"):
        read_weights(tmp_path)


def metadata_of(folder):
    (path,) = folder.glob("best/*/default/_METADATA")
    return path, json.loads(path.read_text())


@pytest.mark.parametrize("change", [{"use_ocdbt": False}, {"use_zarr3": True}])
def test_another_format_is_refused(copied, change):
    folder = copied("bessel")
    path, metadata = metadata_of(folder)
    path.write_text(json.dumps(metadata | change))
    with pytest.raises(ValueError, match="must be a checkpoint in OCDBT and zarr 2"):
        read_weights(folder)


def test_a_checkpoint_of_something_else_is_refused(copied):
    folder = copied("bessel")
    path, metadata = metadata_of(folder)
    path.write_text(json.dumps(metadata | {"tree_metadata": {}}))
    with pytest.raises(ValueError, match=r"must hold model\.params\.params"):
        read_weights(folder)


def test_without_tensorstore_the_error_says_what_to_install(data, monkeypatch):
    monkeypatch.setitem(sys.modules, "tensorstore", None)
    with pytest.raises(zn.MissingExtraError, match=r"zn-pipeline\[apax\]"):
        read_weights(data / "bessel")
