"""What PBS Professional and Torque say."""

import json

import pytest

from zn_pipeline.queues.schedulers import QueueError, RefusedError, State
from zn_pipeline.queues.schedulers.pbs import job_state, jobs_of_json, jobs_of_text
from zn_pipeline.resources import Resources

PROFESSIONAL = json.dumps(
    {
        "timestamp": 1664911414,
        "pbs_version": "19.0.0",
        "pbs_server": "head",
        "Jobs": {
            "11.head.example.org": {"Job_Name": "zn0", "job_state": "R", "comment": "Job run at"},
            "12.head.example.org": {"Job_Name": "zn1", "job_state": "F", "Exit_status": 0},
        },
    }
)
UNREACHABLE = json.dumps({"timestamp": 1750053827, "pbs_version": "22.05.11", "pbs_server": "head"})
TORQUE = """\
Job Id: 11.head
    Job_Name = zn0
    Job_Owner = user@login
    resources_used.walltime = 00:28:44
    job_state = R
    Variable_List = PBS_O_HOME=/home/user,PBS_O_LANG=C,
\tPBS_O_PATH=/usr/bin:
\t/bin
    comment = Job started on Thu Jan 02

Job Id: 12.head
    Job_Name = zn1
    job_state = C
    exit_status = 3
"""
CONNECTION = "Connection refused\nqstat: cannot connect to server head (errno=15010)\n"
UNKNOWN_ID = "qstat: Unknown Job Id 13.head\n"


@pytest.fixture
def pbs(scheduler):
    return scheduler("pbs", queue="batch", account="physics", extra=("-W umask=027",))


def test_the_head_of_a_script(pbs):
    resources = Resources(cpus=4, gpus=1, memory_gib=8, walltime_minutes=90)
    script = pbs.script("zn0", "/a", resources)
    head = [line.split(" ", 1)[1] for line in script.splitlines() if line.startswith("#PBS")]
    assert head == [
        "-N zn0",
        "-o /dev/null",
        "-j oe",
        "-r n",
        "-l select=1:ncpus=4:mem=8192mb:ngpus=1",
        "-l walltime=01:30:00",
        "-q batch",
        "-A physics",
        "-W umask=027",
    ]


def test_names_fit_the_oldest_server(pbs):
    assert len(pbs.job_name("x" * 50, "/a")) <= 15


@pytest.mark.parametrize(
    ("fields", "state"),
    [
        ({"job_state": "Q"}, State.PENDING),
        ({"job_state": "H"}, State.PENDING),
        ({"job_state": "R"}, State.RUNNING),
        ({"job_state": "E"}, State.RUNNING),
        ({"job_state": "F", "Exit_status": 0}, State.DONE),
        ({"job_state": "F", "Exit_status": 1}, State.FAILED),
        ({"job_state": "F", "Exit_status": -29}, State.TIMEOUT),
        ({"job_state": "F", "Exit_status": -27}, State.OUT_OF_MEMORY),
        ({"job_state": "F", "Exit_status": -10}, State.NODE_FAIL),
        ({"job_state": "F", "Exit_status": 271}, State.CANCELLED),
        ({"job_state": "F"}, State.CANCELLED),
        ({"job_state": "C", "exit_status": "271", "comment": "walltime 10 exceeded limit 1"},
         State.TIMEOUT),
        ({"job_state": "F", "Exit_status": 271, "comment": "job killed: vmem 192GB exceeded limit"},
         State.OUT_OF_MEMORY),
        ({}, State.UNKNOWN),
    ],
)  # fmt: skip
def test_states_of_one_job(fields, state):
    assert job_state(fields).state == state


def test_both_forms_of_the_list():
    assert jobs_of_json(PROFESSIONAL)["12.head.example.org"]["Exit_status"] == 0
    assert jobs_of_json("qstat: invalid option") is None
    jobs = jobs_of_text(TORQUE)
    assert jobs["11.head"]["Variable_List"].endswith("PBS_O_PATH=/usr/bin:/bin")
    assert [job_state(fields).state for fields in jobs.values()] == [State.RUNNING, State.FAILED]


def test_fields_after_a_tab():
    (job,) = jobs_of_text("Job Id:\t40\n\tJob_Name = zn0\n\tjob_state = C\n").items()
    assert job == ("40", {"Job_Name": "zn0", "job_state": "C"})


def test_states_of_a_professional_server(pbs, commands):
    commands.say("qstat", PROFESSIONAL, UNKNOWN_ID, 153)
    states = pbs.states(["11.head", "12.head", "13.head"])
    assert [state.state for state in states.values()] == [
        State.RUNNING,
        State.DONE,
        State.UNKNOWN,
    ]
    assert states["13.head"].answered
    assert len(commands.calls) == 1


def test_states_of_a_server_that_knows_no_json(pbs, commands):
    commands.write("qstat", f'[[ "$*" == *json* ]] && exit 2\ncat <<"X"\n{TORQUE}X')
    states = pbs.states(["11.head", "12.head"])
    assert [state.state for state in states.values()] == [State.RUNNING, State.FAILED]


def test_a_server_that_does_not_answer(pbs, commands):
    commands.say("qstat", UNREACHABLE, CONNECTION, 255)
    assert not pbs.states(["11.head"])["11.head"].answered
    commands.say("qselect", err=CONNECTION, code=255)
    with pytest.raises(QueueError, match="qselect or qstat must answer"):
        pbs.find("zn0")
    commands.say("qdel", err=CONNECTION, code=255)
    with pytest.raises(QueueError, match="qdel must answer"):
        pbs.cancel(["11.head"])


def test_find_without_the_command_for_it(pbs, commands):
    commands.say("qselect", err="invalid option", code=1)
    commands.say("qstat", TORQUE)
    assert pbs.find("zn0") == ["11.head"]
    assert pbs.find("zn1") == pbs.find("zn") == []


def test_a_job_that_is_not_listed(pbs, commands):
    commands.say("qstat", UNREACHABLE, UNKNOWN_ID, 153)
    state = pbs.states(["13.head"])["13.head"]
    assert (state.state, state.answered) == (State.UNKNOWN, True)


def test_submit_find_and_cancel(pbs, commands):
    commands.say("qsub", "14.head\n")
    commands.say("qselect", "14.head\n")
    commands.say("qdel", err="qdel: Job has finished 14.head\n", code=35)
    assert pbs.submit("zn0", "/a") == "14.head"
    assert pbs.find("zn0") == ["14.head"]
    pbs.cancel(["14.head"])


@pytest.mark.parametrize(
    ("said", "error"),
    [("qsub: Unknown queue", RefusedError), ("qsub: cannot connect to server", QueueError)],
)
def test_a_refusal_is_told_from_silence(pbs, commands, said, error):
    commands.say("qsub", err=said, code=1)
    with pytest.raises(QueueError) as caught:
        pbs.submit("zn0", "/a")
    assert type(caught.value) is error
