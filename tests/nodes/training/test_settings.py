import dataclasses

import pytest

from nodes.numerics import fit
from nodes.training import settings

SPECS = [
    getattr(settings, name)
    for name in settings.__all__
    if dataclasses.is_dataclass(getattr(settings, name))
]


@pytest.mark.parametrize("spec", SPECS, ids=lambda spec: spec.__name__)
def test_a_spec_has_the_fields_and_defaults_of_what_it_stands_for(spec):
    meant = getattr(fit, spec.__name__)
    names = [field.name for field in dataclasses.fields(spec)]
    assert names == [field.name for field in dataclasses.fields(meant)]
    needed = {"name": "energy"} if spec is settings.Loss else {}
    assert settings.lowered(spec(**needed)) == meant(**needed)


def test_all_that_there_is_has_a_spec():
    meant = {
        name
        for name in fit.__all__
        if dataclasses.is_dataclass(getattr(fit, name)) and not name.startswith(("Fit", "Epoch"))
    }
    assert meant == {spec.__name__ for spec in SPECS}


def test_values_are_handed_on():
    spec = settings.Optimizer(
        "sgd", kwargs={"momentum": 0.9}, rates={"scale": 0.1}, schedule=settings.Linear(5, 1e-5)
    )
    optimizer = settings.lowered(spec)
    assert optimizer == fit.Optimizer(
        "sgd", {"momentum": 0.9}, rates={"scale": 0.1}, schedule=fit.Linear(5, 1e-5)
    )
    assert settings.lowered(settings.ElementScales({29: 2.0})) == fit.ElementScales({29: 2.0})
