import json.decoder

import pytest

import zn_pipeline as zn
from nodes.extras import require


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
