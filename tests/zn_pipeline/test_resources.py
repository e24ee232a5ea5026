import pytest

from zn_pipeline import Resources


@pytest.mark.parametrize(
    "options",
    [
        {"cpus": 0}, {"gpus": -1}, {"retries": -1}, {"memory_gib": 0.0}, {"walltime_minutes": -5.0},
    ],
)  # fmt: skip
def test_impossible_demands_are_refused(options):
    (name,) = options
    with pytest.raises(ValueError, match=rf"Resources\.{name} must .*, received"):
        Resources(**options)


def test_merge_satisfies_both():
    first = Resources(cpus=4, memory_gib=2.0, retries=1)
    second = Resources(gpus=1, memory_gib=8.0, walltime_minutes=10.0)
    merged = first.merge(second)
    assert merged == Resources(4, 1, 8.0, 10.0, 1)
    assert second.merge(first) == merged
    assert first.merge(Resources()) == first


def test_resources_do_not_make_a_node_stale(calc, repro):
    import zn_pipeline as zn

    with repro():
        calc.Const(value=1)
    calc.Const.resources = zn.Resources(cpus=2)
    with repro():
        calc.Const(value=1)
    assert repro.report.unchanged == ["Const"]
