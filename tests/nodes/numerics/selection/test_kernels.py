import numpy as np
import pytest

from nodes.numerics.selection import ensemble_features, kernel_blocks


def test_the_ensemble_kernel_is_the_mean_of_the_kernels_of_the_members():
    rng = np.random.default_rng(0)
    members = [rng.normal(size=(20, width)) for width in (3, 5, 4)]
    features = ensemble_features(members)
    mean = np.mean([member @ member.T for member in members], axis=0)
    np.testing.assert_allclose(features @ features.T, mean, atol=1e-13)
    assert np.linalg.eigvalsh(features @ features.T).min() > -1e-12


def test_members_of_opposite_sign_do_not_cancel():
    member = np.random.default_rng(1).normal(size=(6, 3))
    features = ensemble_features([member, -member])
    np.testing.assert_allclose(features @ features.T, member @ member.T, atol=1e-14)


def test_members_must_describe_the_same_rows():
    with pytest.raises(ValueError, match=r"the same number of rows, received \[2, 3\] rows"):
        ensemble_features([np.zeros((2, 1)), np.zeros((3, 1))])
    with pytest.raises(ValueError, match=r"one or more, .* received \[\] rows"):
        ensemble_features([])


def test_blocks_make_up_the_kernel_and_stay_within_their_memory():
    rng = np.random.default_rng(2)
    rows, columns = rng.normal(size=(37, 4)), rng.normal(size=(11, 4))
    kernel = np.full((37, 11), np.nan)
    sizes = []
    for part, block in kernel_blocks(rows, columns, max_bytes=8 * 11 * 5):
        kernel[part] = block
        sizes.append(block.nbytes)
    np.testing.assert_allclose(kernel, rows @ columns.T)
    assert max(sizes) <= 8 * 11 * 5
    assert len(sizes) == 8
    assert len(list(kernel_blocks(rows, columns, max_bytes=1))) == 37
