"""SLURM's words, as it really says them, and its silence."""

import pytest

from zn_pipeline.queues.schedulers import QueueError, RefusedError, State
from zn_pipeline.resources import Resources

SQUEUE = """\
3|TIMEOUT|TimeLimit
4|CANCELLED|None
1|COMPLETED|None
2|FAILED|NonZeroExitCode
5|NODE_FAIL|NodeDown
6|PENDING|BeginTime
7|RUNNING|None
8|COMPLETING|None
9|OUT_OF_MEMORY|OutOfMemory
10|PREEMPTED|None
11|SOMETHING_NEW|None
"""
INVALID = "slurm_load_jobs error: Invalid job id specified\n"
UNREACHABLE = (
    "squeue: error: Unable to contact slurm controller (connect failure)\n"
    "slurm_load_jobs error: Unable to contact slurm controller (connect failure)\n"
)
SCONTROL = (
    "JobId=5 JobName=zn-k UserId=root(0) GroupId=root(0) MCS_label=N/A Priority=4294901755 Nice=0 "
    "Account=(null) QOS=(null) JobState=NODE_FAIL Reason=NodeDown Dependency=(null) Requeue=0\n"
)
NO_ACCOUNTING = "Slurm accounting storage is disabled\n"


@pytest.fixture
def slurm(scheduler):
    return scheduler("slurm", partition="fast", account="physics", extra=("--constraint=a",))


def test_the_head_of_a_script(slurm):
    resources = Resources(cpus=4, gpus=2, memory_gib=1.5, walltime_minutes=90)
    script = slurm.script("zn-a", "/a", resources)
    head = [line.split(" ", 1)[1] for line in script.splitlines() if line.startswith("#SBATCH")]
    assert head == [
        "--job-name=zn-a",
        "--output=/dev/null",
        "--no-requeue",
        "--nodes=1",
        "--ntasks=1",
        "--cpus-per-task=4",
        "--partition=fast",
        "--account=physics",
        "--mem=1536M",
        "--gres=gpu:2",
        "--time=01:30:00",
        "--signal=B:TERM@120",
        "--constraint=a",
    ]


def test_short_jobs_get_no_signal_that_would_come_too_early(slurm):
    assert not any("--signal" in line for line in slurm.options("a", Resources(walltime_minutes=5)))


def test_states_come_in_one_call(slurm, commands):
    commands.say("squeue", SQUEUE)
    commands.say("sacct", code=1)
    commands.say("scontrol", code=1)
    states = slurm.states([str(number) for number in range(1, 12)])
    assert [states[str(number)].state for number in range(1, 12)] == [
        State.DONE,
        State.FAILED,
        State.TIMEOUT,
        State.CANCELLED,
        State.NODE_FAIL,
        State.PENDING,
        State.RUNNING,
        State.RUNNING,
        State.OUT_OF_MEMORY,
        State.NODE_FAIL,
        State.UNKNOWN,
    ]
    assert states["3"].reason == "TIMEOUT TimeLimit"
    (squeue,) = [call for call in commands.calls if call.startswith("squeue")]
    assert "--me" in squeue
    assert "--jobs=1,2,3,4,5,6,7,8,9,10,11 " in squeue


def test_what_squeue_has_forgotten_scontrol_may_know(slurm, commands):
    commands.say("squeue", err=INVALID, code=1)
    commands.say("scontrol", SCONTROL)
    state = slurm.states(["5"])["5"]
    assert (state.state, state.reason) == (State.NODE_FAIL, "NODE_FAIL NodeDown")


def test_and_then_the_accounting(slurm, commands):
    commands.say("squeue", err=INVALID, code=1)
    commands.say("scontrol", err=INVALID, code=1)
    commands.say("sacct", "5|CANCELLED by 1000\n6|OUT_OF_MEMORY\n")
    states = slurm.states(["5", "6", "7"])
    assert [states[job].state for job in "567"] == [
        State.CANCELLED,
        State.OUT_OF_MEMORY,
        State.UNKNOWN,
    ]


def test_a_job_that_nobody_knows(slurm, commands):
    commands.say("squeue", err=INVALID, code=1)
    commands.say("scontrol", err=INVALID, code=1)
    commands.say("sacct", err=NO_ACCOUNTING, code=1)
    state = slurm.states(["5"])["5"]
    assert (state.state, state.answered) == (State.UNKNOWN, True)


def test_a_controller_that_does_not_answer(slurm, commands):
    commands.say("squeue", err=UNREACHABLE, code=1)
    state = slurm.states(["5"])["5"]
    assert (state.state, state.answered) == (State.UNKNOWN, False)
    with pytest.raises(QueueError, match="Unable to contact"):
        slurm.find("zn-a")
    commands.say("scancel", err=UNREACHABLE, code=1)
    with pytest.raises(QueueError, match="scancel must answer"):
        slurm.cancel(["5"])


def test_an_empty_list_says_nothing(slurm, commands):
    commands.say("squeue")
    commands.say("scontrol")
    commands.say("sacct")
    assert slurm.states(["5"])["5"].state == State.UNKNOWN


def test_a_missing_command_and_a_hanging_one_say_nothing(slurm, commands, monkeypatch):
    monkeypatch.setattr("zn_pipeline.queues.transport.Local.run.__kwdefaults__",
                        {"timeout_seconds": 0.3, "again": True})  # fmt: skip
    commands.write("squeue", "exec sleep 30")
    assert not slurm.states(["5"])["5"].answered
    commands.write("squeue", "exec /nowhere/squeue")
    assert not slurm.states(["5"])["5"].answered


def test_a_missing_user_does_not_matter(slurm, commands, monkeypatch):
    monkeypatch.delenv("USER", raising=False)
    commands.say("squeue", SQUEUE)
    assert slurm.states(["7"])["7"].state == State.RUNNING
    assert all("--user" not in call for call in commands.calls)


def test_submit(slurm, commands, monkeypatch):
    monkeypatch.setenv("SLURM_CPUS_PER_TASK", "7")
    commands.write("sbatch", 'echo "${SLURM_CPUS_PER_TASK:-unset}" >>"$(dirname "$0")/calls.log"\n'
                   "echo '1234;cluster'")  # fmt: skip
    assert slurm.submit("zn-a", "/a b") == "1234"
    assert commands.calls == ["sbatch --parsable --chdir=/a b /a b/job.sh", "unset"]


@pytest.mark.parametrize(
    ("said", "error"),
    [
        ("sbatch: error: invalid partition specified: x", RefusedError),
        ("sbatch: error: Memory specification can not be satisfied", RefusedError),
        ("sbatch: error: Batch job submission failed: Unable to contact slurm controller",
         QueueError),
        ("sbatch: error: Batch job submission failed: Socket timed out on send/recv", QueueError),
        ("sbatch: error: QOSMaxSubmitJobPerUserLimit", QueueError),
        ("", QueueError),
    ],
)  # fmt: skip
def test_a_refusal_is_told_from_silence(slurm, commands, said, error):
    commands.say("sbatch", err=said, code=1)
    with pytest.raises(QueueError) as caught:
        slurm.submit("zn-a", "/a")
    assert type(caught.value) is error


def test_find_wants_the_whole_name(slurm, commands):
    commands.say("squeue", "12|zn-a\n13|zn-ab\n")
    assert slurm.find("zn-a") == ["12"]
    assert "--me" in commands.calls[0]


def test_cancelling_what_is_over_is_no_error(slurm, commands):
    commands.say(
        "scancel", err="scancel: error: Kill job error on job id 9: Invalid job id", code=1
    )
    slurm.cancel(["9"])
