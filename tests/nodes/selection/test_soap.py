import copy
import sys

import numpy as np
import pytest
from ase.build import bulk, molecule

import zn_pipeline as zn
from nodes.interfaces import HasFeatures
from nodes.selection.describing import HasAtomFeatures
from nodes.selection.soap import Soap

SPEC = Soap(elements=("H", "C", "O"), n_max=3, l_max=2)


def test_without_dscribe_the_extra_is_named(monkeypatch):
    for name in [name for name in sys.modules if name.split(".")[0] == "dscribe"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "dscribe", None)
    with pytest.raises(zn.MissingExtraError, match=r'dscribe must .* "zn-pipeline\[soap\]"'):
        Soap(elements=("H",)).features([molecule("H2")])


def test_another_element_is_refused():
    with pytest.raises(ValueError, match=r"only the elements \['H', 'C', 'O'\], received \['Cu'\]"):
        SPEC.features([bulk("Cu")])


def test_it_describes_structures_and_atoms():
    pytest.importorskip("dscribe")
    assert isinstance(SPEC, HasFeatures)
    assert isinstance(SPEC, HasAtomFeatures)
    frames = [molecule("H2O"), molecule("CH3CH2OH")]
    features, atoms = SPEC.features(frames), SPEC.atom_features(frames)
    assert [len(rows) for rows in atoms] == [3, 9]
    np.testing.assert_allclose(np.linalg.norm(features, axis=1), 1.0)
    plain = Soap(elements=("H", "C", "O"), n_max=3, l_max=2, normalised=False)
    means = [rows.mean(axis=0) for rows in plain.atom_features(frames)]
    np.testing.assert_allclose(plain.features(frames), means)
    assert "_makers" not in vars(copy.copy(SPEC))


def test_features_are_invariant():
    pytest.importorskip("dscribe")
    frame = molecule("CH3CH2OH")
    moved = frame[::-1]
    moved.rotate(40, (1, 2, 3))
    first, second = SPEC.features([frame, moved])
    np.testing.assert_allclose(first, second, atol=1e-8)
    crystal = Soap(elements=("Cu",), n_max=3, l_max=2)
    first, second = crystal.features([bulk("Cu"), bulk("Cu").repeat((2, 1, 1))])
    np.testing.assert_allclose(first, second, atol=1e-8)
