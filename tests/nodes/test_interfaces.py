from nodes.interfaces import HasCalculator, HasFeatures, HasFrames
from nodes.reference.calculators import Emt
from nodes.selection.features import DistanceHistogram
from nodes.structures.crystals import BuildBulk


def test_members_make_the_interface():
    node = BuildBulk(formula="Cu")
    node.run()
    assert isinstance(node, HasFrames)
    assert isinstance(Emt(), HasCalculator)
    assert isinstance(DistanceHistogram(), HasFeatures)


def test_an_object_without_the_members_has_not_the_interface():
    for interface in (HasFrames, HasCalculator, HasFeatures):
        assert not isinstance(object(), interface)
