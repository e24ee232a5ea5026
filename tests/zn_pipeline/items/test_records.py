"""What the parts of a map hand to each other."""

import json

from zn_pipeline.items.records import Failure


def test_a_failure_survives_json():
    failure = Failure(3, "timeout", "JobLost", "too long", attempts=2, kept_files=("a", "b"))
    values = json.loads(json.dumps(failure.to_json()))
    assert Failure.from_json(values, row=3) == failure
    assert Failure.from_json({**values, "from_the_future": 1}, row=3) == failure
    assert str(failure) == "item 3 (timeout, 2 attempts): JobLost: too long"
