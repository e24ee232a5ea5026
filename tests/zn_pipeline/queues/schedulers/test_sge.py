"""Grid Engine's words, as it really says them."""

import pytest

from zn_pipeline.queues.schedulers import QueueError, RefusedError, State
from zn_pipeline.queues.schedulers.sge import accounted, job_state
from zn_pipeline.resources import Resources

JOB = """\
    <job_list state="{kind}">
      <JB_job_number>{number}</JB_job_number>
      <JAT_prio>0.75000</JAT_prio>
      <JB_name>{name}</JB_name>
      <JB_owner>root</JB_owner>
      <state>{letters}</state>
      <slots>1</slots>
    </job_list>
"""
LIST = "<?xml version='1.0'?>\n<job_info>\n  <queue_info>\n{}  </queue_info>\n</job_info>\n"
NAME = "zn-" + "a" * 40
QSTAT = LIST.format(
    JOB.format(kind="running", number=1, name=NAME, letters="r")
    + JOB.format(kind="pending", number=2, name="zn-b", letters="qw")
    + JOB.format(kind="pending", number=3, name="zn-c", letters="Eqw")
    + JOB.format(kind="running", number=4, name="zn-d", letters="dr")
)
QACCT = """\
==============================================================
qname        standard
hostname     vm
jobname      zn-test
jobnumber    3
failed       {failed}
exit_status  {status}
ru_wallclock {seconds}s
maxvmem      4.746MB
category     -l h_rt=5
"""
GONE = "error: job id 77 not found\n"


@pytest.fixture
def sge(scheduler):
    return scheduler("sge", queue="standard", account="physics", extra=("-l fast=1",))


def test_the_head_of_a_script(sge):
    resources = Resources(cpus=4, gpus=1, memory_gib=8, walltime_minutes=90)
    script = sge.script("zn-a", "/a", resources)
    head = [line.split(" ", 1)[1] for line in script.splitlines() if line.startswith("#$")]
    assert head == [
        "-N zn-a",
        "-S /bin/bash",
        "-o /dev/null",
        "-j y",
        "-r n",
        "-q standard",
        "-P physics",
        "-pe smp 4",
        "-l h_vmem=2048M",
        "-l gpu=1",
        "-l h_rt=01:30:00",
        "-l fast=1",
    ]


@pytest.mark.parametrize(
    ("letters", "state"),
    [
        ("qw", State.PENDING),
        ("hqw", State.PENDING),
        ("r", State.RUNNING),
        ("t", State.RUNNING),
        ("Rr", State.RUNNING),
        ("S", State.RUNNING),
        ("dr", State.RUNNING),
        ("Eqw", State.FAILED),
        ("", State.UNKNOWN),
    ],
)
def test_letters(letters, state):
    assert job_state(letters).state == state


@pytest.mark.parametrize(
    ("failed", "status", "seconds", "state"),
    [
        ("0", "0", 1, State.DONE),
        ("0", "3", 1, State.FAILED),
        ("100 : assumedly after job", "137                  (Killed)", 4, State.CANCELLED),
        ("37  : qmaster enforced h_rt, h_cpu, or h_vmem limit", "137  (Killed)", 5, State.TIMEOUT),
        ("37  : qmaster enforced h_rt, h_cpu, or h_vmem limit", "137", 1, State.OUT_OF_MEMORY),
        ("26 : opening input/output file", "0", 0, State.NODE_FAIL),
    ],
)
def test_accounting(failed, status, seconds, state):
    assert accounted(QACCT.format(failed=failed, status=status, seconds=seconds)).state == state


def test_only_the_last_record_of_an_id_counts():
    first = QACCT.format(failed="26", status="0", seconds=0)
    assert accounted(first + QACCT.format(failed="0", status="0", seconds=1)).state == State.DONE


def test_accounting_without_sense():
    assert accounted("nothing").state == State.UNKNOWN


def test_states(sge, commands):
    commands.say("qstat", QSTAT)
    commands.write("qacct", f"echo {GONE!r} >&2; exit 1")
    states = sge.states(["1", "2", "3", "77"])
    assert [states[job].state for job in ("1", "2", "3", "77")] == [
        State.RUNNING,
        State.PENDING,
        State.FAILED,
        State.UNKNOWN,
    ]
    assert states["77"].answered
    assert sum(call.startswith("qstat") for call in commands.calls) == 1


@pytest.mark.parametrize("answer", [("", "unable to contact qmaster", 1), ("", "", 0)])
def test_a_master_that_does_not_answer(sge, commands, answer):
    out, err, code = answer
    commands.say("qstat", out, err, code)
    assert not sge.states(["1"])["1"].answered
    with pytest.raises(QueueError):
        sge.find("zn-a")


def test_find_knows_whole_names_and_leaves_out_what_ends(sge, commands):
    commands.say("qstat", QSTAT)
    assert sge.find(NAME) == ["1"]
    assert sge.find(NAME[:10]) == []
    assert sge.find("zn-c") == sge.find("zn-d") == []


def test_submit(sge, commands):
    commands.say("qsub", "17\n")
    assert sge.submit("zn-a", "/a b") == "17"
    assert commands.calls == ["qsub -terse -wd /a b /a b/job.sh"]


@pytest.mark.parametrize(
    ("said", "error"),
    [
        ('Unable to run job: unknown resource "gpu".', RefusedError),
        ("error: commlib error: got select error (Connection refused)", QueueError),
    ],
)
def test_a_refusal_is_told_from_silence(sge, commands, said, error):
    commands.say("qsub", err=said, code=1)
    with pytest.raises(QueueError) as caught:
        sge.submit("zn-a", "/a")
    assert type(caught.value) is error


def test_cancel(sge, commands):
    commands.say("qdel", 'denied: job "9" does not exist\n', code=1)
    sge.cancel(["9"])
    sge.cancel([])
    assert commands.calls == ["qdel 9"]
    commands.say("qdel", err="error: commlib error: got select error", code=1)
    with pytest.raises(QueueError):
        sge.cancel(["9"])
