"""A node's project in a folder of its own."""

import dataclasses
import json

import zn_pipeline as zn
from zn_pipeline.execute.session import Session
from zn_pipeline.execute.staging import bring_back, stage_project, staged_task
from zn_pipeline.execute.worker import run_task


def test_a_node_runs_away_from_its_project(calc, tmp_project, tmp_path):
    with zn.Project() as project:
        x = calc.Const(name="x", value=3.0)
        calc.Sub(name="y", a=x.out, b=x.out)
    project.repro(targets=["x"], executor=zn.SequentialExecutor(), quiet=True)
    task = Session(tmp_project.path).task("y")
    task = dataclasses.replace(task, deps=("outs/x/out.json",))
    job = tmp_path / "job"
    stage_project(job, task)
    assert not (job / "project" / ".git").exists()
    values = json.loads(json.dumps(dataclasses.asdict(task)))
    values["outs"], values["deps"] = tuple(values["outs"]), tuple(values["deps"])
    result = run_task(staged_task(job, values))
    assert result.ok, result.traceback
    assert not (tmp_project.path / "outs" / "y").exists()
    bring_back(job, task)
    assert (tmp_project.path / "outs" / "y" / "out.json").read_text().strip() == "0.0"
    project.repro(executor=zn.SequentialExecutor(), quiet=True)
    assert zn.from_rev("y").out == 0.0
