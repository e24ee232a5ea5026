import dataclasses
import os
from importlib import metadata
from pathlib import Path
from typing import Any, ClassVar

import pytest
from ase.calculators.calculator import Calculator
from ase.calculators.emt import EMT
from ase.calculators.espresso import Espresso, EspressoProfile
from ase.calculators.lj import LennardJones
from ase.calculators.mixing import SumCalculator
from ase.calculators.morse import MorsePotential

from nodes.reference.calculators import Emt
from zn_pipeline.errors import NotCacheableError
from zn_pipeline.fingerprint.functions import differences, engine_of, recipe_of

SPEC = """
import dataclasses
from pathlib import Path
from ase.calculators.emt import EMT

@dataclasses.dataclass(frozen=True)
class Spec:
    cutoff: float = 200
    model: object = None
    command: str = dataclasses.field(default="run", metadata={"key": False})

    def get_calculator(self, directory=None):
        return EMT(asap_cutoff=True)
"""


@pytest.fixture
def spec(modules):
    return modules.make(SPEC)


@dataclasses.dataclass(frozen=True)
class Call:
    calculator: Any
    properties: tuple[str, ...] = ("energy",)

    def __call__(self, atoms):
        return atoms


def test_specs(modules, spec):
    before = recipe_of(spec.Spec())
    assert before.text["function"] == "Spec"
    assert before.text["versions"] == {"ase": metadata.version("ase")}
    assert recipe_of(spec.Spec(command="srun")).id == before.id
    after = recipe_of(spec.Spec(cutoff=300))
    assert differences(before.text, after.text) == ["engine.cutoff 200 -> 300"]
    edited = modules.edit(spec, ("asap_cutoff=True", "asap_cutoff=False"))
    after = recipe_of(edited.Spec())
    assert differences(before.text, after.text) == ["code of Spec changed"]


def test_the_parts_of_an_engine():
    engine = engine_of(Emt())
    assert set(engine) == {"class", "code", "codes", "fields", "versions", "files"}
    assert engine["class"] == "Emt"
    assert engine["versions"] == {"ase": metadata.version("ase")}
    assert engine_of((EMT, {}))["class"] == "ase.calculators.emt:EMT"


def test_declared_packages_replace_those_of_the_code(spec):
    class Declared(spec.Spec):
        packages: ClassVar[tuple[str, ...]] = ("h5py", "not-installed-at-all")

    Declared.__module__, Declared.__qualname__ = spec.Spec.__module__, "Spec"
    assert recipe_of(Declared()).text["versions"] == {"h5py": metadata.version("h5py")}


@pytest.mark.parametrize("kind", [str, Path])
@pytest.mark.parametrize("inside", [False, True])
def test_files_count_by_content(spec, tmp_path, kind, inside):
    for name, content in [("a.json", "x"), ("b.json", "x")]:
        (tmp_path / name).write_text(content)
        os.utime(tmp_path / name, (1e9, 1e9))

    def recipe(name):
        made = spec.Spec(model=[kind(tmp_path / name)])
        return recipe_of(Call(made) if inside else made)

    before = recipe("a.json")
    assert recipe("b.json").id == before.id, "another path with the same content"
    (tmp_path / "a.json").write_text("y")
    after = recipe("a.json")
    assert differences(before.text, after.text) == ["content of file a.json changed"]


def test_folders_count_as_a_tree(spec, tmp_path):
    folder = tmp_path / "pseudos"
    folder.mkdir()
    (folder / "Si").write_text("1")
    before = recipe_of(spec.Spec(model=folder)).id
    (folder / "O").write_text("2")
    assert recipe_of(spec.Spec(model=folder)).id != before


def test_texts_that_name_a_folder_by_chance_are_texts(spec, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    before = recipe_of(spec.Spec(model="PBE")).id
    Path("PBE").mkdir()
    assert recipe_of(spec.Spec(model="PBE")).id == before
    assert recipe_of(spec.Spec(model="./PBE")).text["files"]


def test_pseudopotentials_of_a_profile_count(tmp_path):
    def recipe(command, folder):
        (tmp_path / folder).mkdir(exist_ok=True)
        (tmp_path / folder / "Si.upf").write_text(folder[0])
        profile = EspressoProfile(command=command, pseudo_dir=tmp_path / folder)
        return recipe_of((Espresso, {"profile": profile, "kpts": (1, 1, 1)}))

    before = recipe("pw.x", "a1")
    assert recipe("mpirun pw.x", "a2").id == before.id
    assert differences(before.text, recipe("pw.x", "b").text) == ["content of file b changed"]


def test_texts_of_plain_functions_are_texts(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    before = recipe_of(len, arguments={"x": "name"}).id
    Path("name").touch()
    assert recipe_of(len, arguments={"x": "name"}).id == before


def test_calculator_objects():
    same = [EMT(), EMT(directory="elsewhere", label="a")]
    assert recipe_of(same[0]).id == recipe_of(same[1]).id
    used = EMT()
    used.calculate(atoms=__import__("ase.build").build.bulk("Cu"))
    assert recipe_of(used).id == recipe_of(EMT()).id, "what it computed does not count"
    ids = {recipe_of(c).id for c in (EMT(), LennardJones(), LennardJones(sigma=2.0), Emt())}
    assert len(ids) == 4
    assert recipe_of(MorsePotential()).text["engine"]["rho0"] == 6.0


def test_pairs():
    first = recipe_of((LennardJones, {"sigma": 2.0, "directory": "a", "label": "b"}))
    assert first.id == recipe_of((LennardJones, {"sigma": 2.0})).id
    other = recipe_of((LennardJones, {"sigma": 3.0}))
    assert differences(first.text, other.text) == ["engine.sigma 2.0 -> 3.0"]
    nested = [recipe_of(Call((LennardJones, {"sigma": s}))).id for s in (2.0, 2.0, 3.0)]
    assert nested[0] == nested[1] != nested[2]
    sums = [recipe_of((SumCalculator, {"calcs": [EMT(), LennardJones(sigma=s)]})) for s in (2, 3)]
    assert sums[0].id != sums[1].id


def test_own_calculators(modules):
    own = modules.make(
        "from ase.calculators.calculator import Calculator\n"
        "class Mine(Calculator):\n"
        "    def __init__(self, shift, **kwargs):\n"
        "        super().__init__(**kwargs)\n"
        "        self.shift, self.calls = shift, 0\n"
        "    def calculate(self, *args):\n"
        "        self.results = {'energy': self.shift}\n"
    )
    calc = own.Mine(1.0)
    before = recipe_of(calc).id
    calc.calls += 1
    assert recipe_of(calc).id == recipe_of(own.Mine(1.0)).id == before
    assert recipe_of(own.Mine(2.0)).id != before
    changed = modules.edit(own, ("self.results = {'energy'", "self.results = {'free_energy'"))
    assert recipe_of(changed.Mine(1.0)).id != before


def test_calculators_whose_settings_cannot_be_read():
    with pytest.raises(NotCacheableError, match=r"'calcs' .*give \(SumCalculator, .* or a spec"):
        recipe_of(SumCalculator([EMT(), EMT()]))
    with pytest.raises(NotCacheableError, match=r"Call: params\.calculator must be .*'calcs'"):
        recipe_of(Call(SumCalculator([EMT(), EMT()])))

    class Foreign(Calculator):
        def __init__(self, **kwargs):
            super().__init__()
            self.model = kwargs

    Foreign.__module__ = "ase.models"
    with pytest.raises(NotCacheableError, match=r"no parameters; give \(Foreign"):
        recipe_of(Foreign(model=1))


def test_a_spec_may_make_its_own_key(modules):
    own = modules.make(
        "class Spec:\n"
        "    def __init__(self, path):\n        self.path = path\n"
        "    def get_calculator(self, directory=None):\n        return 1\n"
        "    def __cache_key__(self):\n        return len(self.path)\n"
    )
    assert recipe_of(own.Spec("ab")).id == recipe_of(own.Spec("cd")).id
    assert recipe_of(own.Spec("abc")).id != recipe_of(own.Spec("cd")).id
    before = recipe_of(own.Spec("ab")).id
    changed = modules.edit(own, ("return 1", "return 2"))
    assert recipe_of(changed.Spec("ab")).id != before, "its code counts all the same"
