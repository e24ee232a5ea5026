import functools
import subprocess
import sys
from importlib import metadata
from pathlib import Path

import numpy as np
import pytest
from ase.build import sort
from ase.calculators.emt import EMT

from zn_pipeline.errors import NotCacheableError
from zn_pipeline.fingerprint.functions import differences, reads_of, recipe_of

ROOT = Path(__file__).parents[3]

TOOLS = """
FACTOR = 2
UNUSED = 1


def scale(x):
    return x * FACTOR
"""

LABEL = '''
import numpy as np
from {tools} import scale
from ase.optimize import BFGS as Optimizer


def label(atoms, fmax=0.1):
    """Relax."""
    # A comment.
    Optimizer(atoms).run(fmax)
    return scale(np.zeros(3))


def other(atoms):
    return label(atoms)
'''


@pytest.fixture
def own(modules):
    """A module with a function, and the one that it takes a helper from."""
    tools = modules.make(TOOLS)
    return modules.make(LABEL.replace("{tools}", tools.__name__)), tools


def edited(modules, own, *changes):
    """Return recipes of `label` before and after changes of its module."""
    before = recipe_of(own[0].label)
    return before, recipe_of(modules.edit(own[0], *changes).label)


def test_what_is_said_of_a_function(own):
    recipe = recipe_of(own[0].label, arguments={"fmax": 0.01})
    assert len(recipe.id) == 20
    assert recipe.text["function"] == "label"
    assert recipe.text["place"] == own[0].__name__
    assert recipe.text["arguments"] == {"fmax": 0.01}
    assert recipe.text["versions"] == {"ase": metadata.version("ase")}
    assert recipe.text["reads"] == "all"


@pytest.mark.parametrize(
    "change",
    [
        ("# A comment.", "# Another one."),
        ('"""Relax."""', '"""Something else."""'),
        ("fmax=0.1", "fmax = 0.1"),
        ("return label(atoms)", "return None"),
    ],
)
def test_edits_that_do_not_count(modules, own, change):
    before, after = edited(modules, own, change)
    assert before.id == after.id


@pytest.mark.parametrize(
    "change",
    [
        ("np.zeros(3)", "np.zeros(4)"),
        ("fmax=0.1", "fmax=0.2"),
        ("import BFGS as", "import FIRE as"),
        ("import numpy as np", "import cmath as np"),
    ],
)
def test_edits_that_count(modules, own, change):
    before, after = edited(modules, own, change)
    assert before.id != after.id
    assert differences(before.text, after.text)[0] == "code of label changed"


def test_helpers_in_other_modules_count(modules, own):
    before = recipe_of(own[0].label).id
    modules.edit(own[1], ("UNUSED = 1", "UNUSED = 2"))
    assert recipe_of(own[0].label).id == before
    modules.edit(own[1], ("FACTOR = 2", "FACTOR = 3"))
    assert recipe_of(own[0].label).id != before


def test_the_module_does_not_count(modules, own):
    source = Path(own[0].__file__).read_text()
    moved = modules.make(source)
    assert recipe_of(moved.label).id == recipe_of(own[0].label).id
    assert recipe_of(moved.other).id != recipe_of(moved.label).id


def test_arguments_count_by_value(own):
    label = own[0].label
    first = recipe_of(label, arguments={"fmax": 0.1, "grid": {"a": [1, 2], "b": 3}})
    again = recipe_of(label, arguments={"grid": {"b": 3, "a": (1, 2)}, "fmax": np.float64(0.1)})
    assert first.id == again.id
    other = recipe_of(label, arguments={"fmax": 0.2, "grid": {"a": [1, 2], "b": 3}})
    assert differences(first.text, other.text) == ["arguments.fmax 0.1 -> 0.2"]


def test_an_upgrade_counts(own, monkeypatch):
    before = recipe_of(own[0].label)
    from zn_pipeline.fingerprint import engines

    monkeypatch.setattr(engines, "version_of", lambda name: ("ase", "99.0"))
    after = recipe_of(own[0].label)
    assert differences(before.text, after.text) == [f"ase {metadata.version('ase')} -> 99.0"]


def test_values_of_the_module_count_as_they_are(modules):
    own = modules.make(
        "import os\nCUT = float(os.environ.get('CUT_X', '1'))\nCALLS = []\n_count = 0\n"
        "def f(x):\n    global _count\n    _count += 1\n    CALLS.append(1)\n    return x + CUT\n"
    )
    before = recipe_of(own.f)
    own.f(1)
    assert recipe_of(own.f).id == before.id, "a counter and a list of calls do not count"
    own.CUT = 2.0
    after = recipe_of(own.f)
    assert differences(before.text, after.text) == ["params.global CUT 1.0 -> 2.0"]


def test_a_version_stands_for_the_code(modules):
    source = "def f(x):\n    return x\n\nf.__cache_version__ = 1\n"
    own = modules.make(source)
    before = recipe_of(own.f)
    assert before.text["code"] == "version 1"
    own = modules.edit(own, ("return x", "return x + 1"))
    assert recipe_of(own.f).id == before.id
    own = modules.edit(own, ("= 1", "= 2"))
    assert recipe_of(own.f).id != before.id


LOCAL = """
from {tools} import scale

def make(n, m=0):
    def inner(x, k=m):
        '''Docstring.'''
        return scale(x) + n
    return inner, lambda x: scale(x) - n
"""


@pytest.mark.parametrize("which", [0, 1])
def test_local_functions(modules, which):
    tools = modules.make(TOOLS)
    source = LOCAL.replace("{tools}", tools.__name__)
    own, twin = modules.make(source), modules.make("# Moved.\n\n" + source)
    before = recipe_of(own.make(1)[which])
    assert recipe_of(own.make(1)[which]).id == before.id
    assert recipe_of(twin.make(1)[which]).id == before.id, "the same source elsewhere"
    other = recipe_of(own.make(2)[which])
    assert differences(before.text, other.text) == ["params.n 1 -> 2"]
    if which == 0:
        assert recipe_of(own.make(1, m=3)[0]).id != before.id, "defaults count"
    edit = [("+ n", "+ 2 * n"), ("- n", "- 2 * n")][which]
    assert recipe_of(modules.edit(own, edit).make(1)[which]).id != before.id
    modules.edit(tools, ("FACTOR = 2", "FACTOR = 3"))
    assert recipe_of(twin.make(1)[which]).id != before.id


def test_lambdas_on_one_line(modules):
    own = modules.make("fs = [lambda x: x + 1, lambda x: x + 2, lambda x: x + 1]\n")
    ids = [recipe_of(f).id for f in own.fs]
    assert ids[0] == ids[2] != ids[1]


def test_functions_in_closures(modules):
    own = modules.make(
        "def outer(f):\n    return lambda x: f(x)\n"
        "def one(x):\n    return 1\ndef two(x):\n    return 2\n"
        "def again():\n    def f(n):\n        return f(n - 1)\n    return f\n"
        "def lazily():\n    import {}\n    return lambda x: {}.x\n".replace("{}", "ase.build")
    )
    assert recipe_of(own.outer(own.one)).id != recipe_of(own.outer(own.two)).id
    assert recipe_of(own.outer(own.outer(own.one))).id != recipe_of(own.outer(own.one)).id
    assert recipe_of(own.again()).id == recipe_of(own.again()).id
    assert "ase" in recipe_of(own.lazily()).text["versions"]


def test_modules_in_closures(modules):
    tools = modules.make(TOOLS)
    own = modules.make(
        f"def f():\n    import {tools.__name__} as tools\n    return lambda x: tools.scale(x)\n"
    )
    before = recipe_of(own.f()).id
    tools = modules.edit(tools, ("UNUSED = 1", "UNUSED = 2"))
    assert recipe_of(own.f()).id == before
    modules.edit(tools, ("FACTOR = 2", "FACTOR = 3"))
    assert recipe_of(own.f()).id != before


def test_partials(own):
    label = own[0].label
    first = recipe_of(functools.partial(label, fmax=0.1))
    assert recipe_of(functools.partial(label, fmax=0.1)).id == first.id
    other = recipe_of(functools.partial(label, fmax=0.2))
    assert differences(first.text, other.text) == ["params.fmax 0.1 -> 0.2"]
    assert recipe_of(functools.partial(label, None, 0.1)).id != first.id
    inner = functools.partial(functools.partial(label), fmax=0.1)
    assert recipe_of(inner).id == first.id


def test_foreign_functions():
    texts = {func: recipe_of(func).text for func in (len, str.upper, np.sum, np.sin, sort)}
    assert [text["function"] for text in texts.values()] == [
        "builtins:len",
        "builtins:str.upper",
        "numpy._core.fromnumeric:sum" if np.__version__ >= "2" else "numpy:sum",
        "numpy:sin",
        "ase.build.tools:sort",
    ]
    assert texts[sort]["versions"] == {"ase": metadata.version("ase")}
    assert texts[len]["versions"] == texts[np.sum]["versions"] == {}


def test_refusals_name_function_value_and_cure(own):
    rng = np.random.default_rng(1)
    with pytest.raises(
        NotCacheableError, match=r"label: arguments\.rng must be .*Generator.*__cache_key__"
    ):
        recipe_of(own[0].label, arguments={"rng": rng})
    with pytest.raises(NotCacheableError, match=r"<lambda>: params\.rng must be .*Generator"):
        recipe_of(lambda x: rng.normal() * x)


def test_what_is_read(modules):
    own = modules.make(
        "class Spec:\n    def get_calculator(self, directory=None): ...\n"
        "class Declared(Spec):\n    reads = ('tags', 'info.x')\n"
        "def f(x): ...\ndef g(x): ...\ng.reads = ('momenta',)\n"
    )
    engine = reads_of(own.Spec())
    assert set(engine) == {
        "initial_magmoms",
        "initial_charges",
        "info.charge",
        "info.spin",
        "info.multiplicity",
    }
    assert reads_of((EMT, {})) == reads_of(EMT()) == engine
    assert reads_of(own.Declared()) == ("info.x", "tags")
    assert reads_of(own.f) == "all"
    assert reads_of(own.g) == reads_of(functools.partial(own.g)) == ("momenta",)
    assert reads_of(own.g, "all") == "all"
    assert reads_of(own.f, ["b", "a", "b"]) == ("a", "b")
    with pytest.raises(ValueError, match=r'reads must be "all" or a sequence .* \'tags\''):
        reads_of(own.f, "tags")
    assert recipe_of(own.f, reads=("a",)).id != recipe_of(own.f).id


SCRIPT = """
import sys
from zn_pipeline.fingerprint.functions import recipe_of
TABLE = {"b": 1, "a": {3, 1, 2}}
limit = int(sys.argv[1])

def label(atoms, width=3.0):
    return atoms, TABLE, limit

def main():
    n = 4
    print(recipe_of(label, arguments={"x": {"p", "q", "r"}}).id.hex())
    print(recipe_of(lambda a: label(a, n)).id.hex())

recipe_of(label)
main()
"""


def run_script(path: Path, text: str, *, seed: str = "0", limit: str = "1") -> list[str]:
    path.write_text(text)
    environment = {"PYTHONHASHSEED": seed, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, str(path), limit]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.split()


def test_functions_of_a_script(tmp_path):
    script = tmp_path / "script.py"
    before = run_script(script, SCRIPT)
    assert run_script(script, SCRIPT, seed="1") == before, "in every process"
    assert run_script(tmp_path / "renamed.py", SCRIPT) == before
    used = SCRIPT.replace("recipe_of(label)\nmain", "recipe_of(label, reads='all')\nmain")
    assert run_script(script, used) == before, "how the script uses it does not count"
    for other in (
        run_script(script, SCRIPT, limit="2"),
        run_script(script, SCRIPT.replace("3.0", "3.5")),
        run_script(script, SCRIPT.replace('"b": 1', '"b": 2')),
        run_script(script, SCRIPT.replace("recipe_of(label)\n", "TABLE.update(b=2)\n")),
    ):
        assert not set(other) & set(before)


PROMPT = """
import os, sys
from pathlib import Path
from zn_pipeline.fingerprint.functions import recipe_of

def helper(x): return tools.scale(x) + WIDTH
def f(x): return helper(x)

sys.path.insert(0, "")
WIDTH, ids, tool = 1, [], Path("tools.py")
tool.write_text("UNUSED = 1\\ndef scale(x):\\n    return x")
import tools
ids.append(recipe_of(f).id)
tool.write_text("UNUSED = 22\\ndef scale(x):\\n    return x")
assert recipe_of(f).id == ids[0]
WIDTH = 2
ids.append(recipe_of(f).id)
tool.write_text("UNUSED = 1\\ndef scale(x):\\n    return x + 1")
ids.append(recipe_of(f).id)
def helper(x): return x - WIDTH
ids.append(recipe_of(f).id)
assert len(set(ids)) == 4, ids
assert recipe_of(f).id == ids[3]
"""


def test_functions_of_a_prompt(tmp_path):
    done = subprocess.run(
        [sys.executable, "-c", PROMPT], capture_output=True, text=True, check=False, cwd=tmp_path,
        env={"PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
