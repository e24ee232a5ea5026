from nodes.numerics.md.moving import Langevin
from nodes.numerics.md.spec_numbers import take_numbers
from nodes.numerics.md.state import Program, Reason, Rules
from nodes.numerics.neighbors.device import ListSpec

SPEC = ListSpec(3.0, 0.5, 8, (True, True, True), (1, 1, 1))


def program(model, friction, frames_per_block=5):
    rules, _ = take_numbers(Rules(Langevin(friction), None, None, (), ()))
    return Program(model, SPEC, rules, frames_per_block, 0, "never", holds_center=False)


def test_programs_are_equal_if_only_numbers_differ(model):
    one, other = program(model, 1.0), program(model, 2.0)
    assert (one, hash(one)) == (other, hash(other))
    assert one != program(model, 1.0, frames_per_block=6)


def test_each_check_has_a_reason_of_its_own():
    assert Reason.NONE < Reason.NOT_FINITE < Reason.CHECK
