import json.decoder
import sys

import ase.build
import pytest
from ase.calculators.singlepoint import SinglePointCalculator

import nodes
import zn_pipeline as zn
from nodes.extras import require


def labelled_frame():
    frame = ase.build.bulk("Cu")
    frame.calc = SinglePointCalculator(frame, energy=0.0, forces=[[0.0, 0.0, 0.0]])
    return frame


def test_an_installed_module_is_returned():
    assert require("json.decoder", extra="none") is json.decoder


def test_a_missing_module_names_the_extra():
    with pytest.raises(
        zn.MissingExtraError, match=r'no_such_module must .* pip install "zn-pipeline\[chem\]"'
    ):
        require("no_such_module.part", extra="chem")


def test_an_import_that_fails_inside_an_installed_package_is_not_disguised(tmp_path, monkeypatch):
    (tmp_path / "half_installed.py").write_text("import absent_dependency\n")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(ModuleNotFoundError, match="absent_dependency"):
        require("half_installed", extra="chem")


@pytest.mark.parametrize(
    ("module", "extra", "use"),
    [
        ("rdkit", "chem", lambda: nodes.BuildConformers(smiles="O").run()),
        (
            "packmol",
            "chem",
            lambda: nodes.PackBox(
                molecules=[[ase.build.molecule("H2O")]], counts=[1], box_length_angstrom=9.0
            ).run(),
        ),
        ("tblite", "chem", lambda: nodes.Xtb().get_calculator()),
        ("optax", "jax", lambda: nodes.TrainPotential(train_frames=[labelled_frame()]).run()),
        (
            "jax",
            "jax",
            lambda: nodes.JaxMD(structures=[labelled_frame()], model=None).run(),
        ),
        (
            "matplotlib",
            "plots",
            lambda: nodes.PlotParity(
                reference=[labelled_frame()], predicted=[labelled_frame()]
            ).run(),
        ),
    ],
)
def test_every_optional_package_is_named_when_it_is_missing(monkeypatch, module, extra, use):
    for name in [name for name in sys.modules if name.split(".")[0] == module]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(
        zn.MissingExtraError, match=rf'^{module} must .* pip install "zn-pipeline\[{extra}\]"'
    ):
        use()
