import subprocess
import sys

from zn_pipeline.fingerprint.values import digest, short


def test_the_order_of_keys_does_not_count():
    assert digest({"a": 1, "b": [1, 2]}) == digest({"b": [1, 2], "a": 1})


def test_everything_else_counts():
    values = [1, 1.0, "1", True, None, [1], {"1": 1}, [1, 2], [2, 1], "é", "e", {}, []]
    assert len({digest(value) for value in values}) == len(values)


def test_digests_are_the_same_in_every_process():
    call = "print(short({'b': ['é', 0.1], 'a': None}))"
    code = f"from zn_pipeline.fingerprint.values import short; {call}"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == short({"a": None, "b": ["é", 0.1]})
    assert len(done.stdout.strip()) == 16
