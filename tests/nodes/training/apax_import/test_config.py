import pytest

from nodes.training.apax_import.config import read_model_section


@pytest.fixture
def config(tmp_path):
    def write(model: str):
        (tmp_path / "config.yaml").write_text(f"n_epochs: 1\nmodel: {model}\n")
        return tmp_path

    return write


def test_the_section_of_a_trained_model(data):
    section = read_model_section(data / "gaussian")
    assert section["basis"] == {
        "name": "gaussian", "n_basis": 4, "r_min": 0.5, "r_max": 3.4, "spacing": "linear",
    }  # fmt: skip
    assert (section["n_contr"], section["use_ntk"], section["nn"]) == (5, True, [8, 8])


def test_what_is_not_there_has_the_default_of_apax(config):
    section = read_model_section(
        config(
            "{ensemble: {kind: shallow, n_members: 4}, empirical_corrections: [{name: zbl}], "
            "property_heads: [{name: charges}]}"
        )
    )
    assert (section["name"], section["n_radial"], section["nn"]) == ("gmnn", 5, [256, 256])
    assert section["basis"] == {"name": "bessel", "n_basis": 16, "r_max": 5.0}
    assert section["ensemble"]["force_variance"] is True
    assert section["empirical_corrections"] == [{"name": "zbl", "r_max": 1.5}]
    assert section["property_heads"][0]["nn"] == [128, 128]


@pytest.mark.parametrize(
    ("model", "message"),
    [
        ("{name: so3krates}", r"model\.name must be one of .*so3krates models cannot"),
        ("{name: mace}", r"model\.name must be one of .*received 'mace'"),
        ("{n_contrs: 8}", r"model must have the keys of apax .*received \['n_contrs'\]"),
        ("{basis: {name: cosine}}", r"model\.basis\.name must be one of"),
        ("{basis: {name: bessel, r_min: 1}}", r"model\.basis must have the keys"),
        (
            "{empirical_corrections: [{name: zbl}, {name: latent_ewald, kgrid: [2, 2, 2]}]}",
            r"model\.empirical_corrections\[1\]\.name must be one of .*wrong sign",
        ),
        (
            "{property_heads: [{name: mu, mode: l1}]}",
            r"model\.property_heads\[0\]\.mode must be 'l0', received 'l1'",
        ),
        ("{ensemble: {kind: deep, n_members: 2}}", r"model\.ensemble\.kind must be one of"),
        ("{ensemble: {kind: full}}", r"model\.ensemble\.n_members must be at least 1"),
        ("5", "must have a section model"),
        ("[1", "must be YAML"),
    ],
)
def test_what_cannot_be_taken_over_is_named(config, model, message):
    with pytest.raises(ValueError, match=message):
        read_model_section(config(model))


def test_a_folder_without_config_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"must hold config\.yaml"):
        read_model_section(tmp_path)
