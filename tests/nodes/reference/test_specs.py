"""What all specs of codes promise together: keys, graphs, catalogue."""

import dataclasses
import os

import ase.build
import ase.io
import pytest

import nodes
import zn_pipeline as zn
from nodes.interfaces import HasCalculator
from zn_pipeline.fingerprint.functions import recipe_of


@pytest.fixture
def specs(tmp_path):
    """Return one spec of each code, with files where it takes some."""
    (tmp_path / "Si.upf").write_text("potential")
    files = {"Si": tmp_path / "Si.upf"}
    return [
        nodes.Gpaw(),
        nodes.Cp2k(),
        nodes.QuantumEspresso(files, 20.0),
        nodes.Orca("PBE"),
        nodes.Vasp({"ENCUT": 400.0}, files),
    ]


def key(spec):
    return recipe_of(zn.Evaluate(spec)).id


def test_every_spec_makes_a_fresh_calculator_without_its_code(specs, tmp_path):
    for spec in (*specs, nodes.Committee([nodes.Emt(), nodes.LennardJones()])):
        assert isinstance(spec, HasCalculator)
        calculator = spec.get_calculator(tmp_path)
        assert calculator is not spec.get_calculator(tmp_path)
        assert {"energy", "forces"} <= set(calculator.implemented_properties)


def test_how_a_code_runs_is_no_part_of_the_key(specs):
    for spec in specs:
        names = {field.name for field in dataclasses.fields(spec)}
        changes = {
            "command": "srun somewhere/else",
            "environment": {"OMP_NUM_THREADS": "4"},
            "time_limit_s": 10.0,
            "keep": "nothing",
            "scratch": "$TMPDIR",
        }
        known = {name: value for name, value in changes.items() if name in names}
        assert {"keep", "scratch"} <= set(known)
        assert key(dataclasses.replace(spec, **known)) == key(spec)


def test_settings_versions_and_contents_of_files_are_part_of_the_key(specs, tmp_path):
    keys = [key(spec) for spec in specs]
    assert len(set(keys)) == len(keys)
    for spec in specs:
        changed = {"charge": 1}
        assert key(dataclasses.replace(spec, **changed)) != key(spec)
        if hasattr(spec, "version"):
            assert key(dataclasses.replace(spec, version="7")) != key(spec)
    before = [key(spec) for spec in specs[2::2]]
    path = tmp_path / "Si.upf"
    status = path.stat()
    path.rename(tmp_path / "renamed.upf")
    moved = dataclasses.replace(specs[2], pseudopotentials={"Si": tmp_path / "renamed.upf"})
    assert key(moved) == before[0]
    path.write_text("another potential")
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns + 1_000_000))
    assert [key(spec) for spec in specs[2::2]] != before


def test_every_spec_can_stand_in_a_graph(specs, tmp_project):
    ase.io.write("frames.extxyz", ase.build.bulk("Si"))
    project = zn.Project()
    with project:
        loaded = nodes.LoadFrames(file="frames.extxyz")
        for number, spec in enumerate([*specs, nodes.Committee([nodes.Emt(), *specs[:2]])]):
            nodes.LabelFrames(name=f"Label{number}", structures=loaded.frames, calculator=spec)
    project.build()
