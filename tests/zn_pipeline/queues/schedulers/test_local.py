"""The local queue through the same door as all others."""

import sys
import time
from pathlib import Path

import pytest

from zn_pipeline.queues.schedulers import QueueError, State, scheduler_for
from zn_pipeline.queues.transport import Answer, Local, Ssh


def test_a_job_from_submission_to_its_end(scheduler, tmp_path: Path):
    queue = scheduler("local")
    (tmp_path / "a b").mkdir()
    (tmp_path / "a b" / "job.sh").write_text("exit 0\n")
    job = queue.submit("zn-a", str(tmp_path / "a b"))
    while (state := queue.states([job])[job]).state in (State.PENDING, State.RUNNING):
        time.sleep(0.05)
    assert state.state == State.DONE
    assert queue.find("zn-a") == []
    queue.cancel([job])


class Remote(Ssh):
    """Another machine, which is this one."""

    def run(self, command, **_) -> Answer:
        return Local(self.local).run(command)


def test_behind_ssh_the_queue_is_spoken_to_by_its_command_line(make_pool, tmp_path: Path):
    pool = make_pool("local", environment={"GREETING": "a b"})
    queue = scheduler_for(pool, Remote("host", tmp_path, str(tmp_path / "there's")))
    (tmp_path / "job.sh").write_text('echo "$GREETING" >"$(dirname "$0")/out"\n')
    job = queue.submit("zn-a", str(tmp_path))
    while queue.states([job])[job].state in (State.PENDING, State.RUNNING):
        time.sleep(0.05)
    assert (tmp_path / "out").read_text() == "a b\n"
    assert (tmp_path / "there's" / ".queue-test").is_dir()


def test_a_machine_that_does_not_answer(make_pool, tmp_path: Path):
    pool = make_pool("local", python=f"{sys.executable}-nowhere")
    queue = scheduler_for(pool, Remote("host", tmp_path, str(tmp_path / "there")))
    assert not queue.states(["1"])["1"].answered
    with pytest.raises(QueueError, match="must answer"):
        queue.find("zn-a")
