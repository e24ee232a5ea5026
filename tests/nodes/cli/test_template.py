from typer.testing import CliRunner

from zn_pipeline.cli.app import app


def test_a_template_can_be_validated(tmp_path):
    for kind in ("train", "md"):
        for full in ([], ["--full"]):
            done = CliRunner().invoke(app, ["template", kind, *full])
            assert done.exit_code == 0
            path = tmp_path / "c.yaml"
            path.write_text(done.stdout)
            checked = CliRunner().invoke(app, ["validate", kind, str(path)])
            assert f"c.yaml is a valid {kind} config" in checked.stdout
            assert "note:" not in checked.output


def test_an_unknown_kind_is_wrong_usage():
    assert CliRunner().invoke(app, ["template", "eval"]).exit_code == 2
