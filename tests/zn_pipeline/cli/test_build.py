import os

import pytest

from zn_pipeline.errors import PipelineError

SCRIPT = """\
import zn_pipeline as zn
from {module} import Const, Echo

if __name__ == "__main__":
    with zn.Project() as project:
        x = Const(value=1)
        y = Echo(value=x.out)
    project.repro()
"""


def test_a_script_is_built_and_nothing_runs(calc, tmp_project, runner_cli):
    tmp_project.write("flows/flow.py", SCRIPT.format(module=calc.__name__))
    assert runner_cli("build", "flows/flow.py") == "built: dvc.yaml params.yaml graph.json\n"
    assert "zn-pipeline run Echo" in (tmp_project.path / "dvc.yaml").read_text()
    assert not (tmp_project.path / "outs").exists()
    assert "ZN_PIPELINE_BUILD_ONLY" not in os.environ


def test_a_missing_script_is_an_error(tmp_project, runner_cli):
    with pytest.raises(PipelineError, match=r"SCRIPT must be a Python file, received nothing\.py"):
        runner_cli("build", "nothing.py")


def test_an_error_of_the_script_is_its_own(tmp_project, runner_cli):
    tmp_project.write("flow.py", "raise RuntimeError('in the script')\n")
    with pytest.raises(RuntimeError, match="in the script"):
        runner_cli("build", "flow.py")
    assert "ZN_PIPELINE_BUILD_ONLY" not in os.environ
