import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from ase.build import bulk

from zn_pipeline.errors import NotCacheableError
from zn_pipeline.fingerprint.structures import item_seed, structure_hash

ROOT = Path(__file__).parents[3]


def test_groups_are_hashed_in_order():
    first, second = bulk("Cu"), bulk("Ag")
    assert structure_hash([first, second]) == structure_hash((first.copy(), second.copy()))
    hashes = [
        structure_hash(item)
        for item in (first, [first], [first, second], [second, first], [[first], second])
    ]
    assert len(set(hashes)) == 5
    tagged = first.copy()
    tagged.info["x"] = 1
    assert structure_hash([tagged, second]) != hashes[2]
    assert structure_hash([tagged, second], ()) == structure_hash([first, second], ())


def test_plain_values():
    values = [1, 1.0, True, "1", None, [], [1], {"a": 1}, np.arange(3), np.arange(3.0), b"1"]
    assert len({structure_hash(value) for value in values}) == len(values)
    assert structure_hash((1, "a")) == structure_hash([1, "a"])
    assert structure_hash({"a": bulk("Cu")}) != structure_hash({"a": bulk("Ag")})
    assert structure_hash([bulk("Cu"), 300]) != structure_hash([bulk("Cu"), 400])
    with pytest.raises(NotCacheableError, match="item must be"):
        structure_hash(object())


def test_sixteen_bytes_in_every_process(tmp_path):
    code = (
        "from ase.build import bulk\n"
        "from zn_pipeline.fingerprint.structures import structure_hash\n"
        "a = bulk('Cu'); a.info.update({KEYS})\n"
        "print(structure_hash(a).hex(), structure_hash({'x', 'y', 'z'}).hex())\n"
    )
    runs = [("0", "x='a', y=2"), ("1", "y=2, x='a'")]
    found = set()
    for seed, keys in runs:
        environment = {"PYTHONHASHSEED": seed, "PYTHONPATH": str(ROOT)}
        command = [sys.executable, "-c", code.replace("{KEYS}", keys)]
        done = subprocess.run(
            command, capture_output=True, text=True, check=True, env=environment, cwd=tmp_path
        )
        found.add(done.stdout)
    assert len(found) == 1
    assert len(found.pop().split()[0]) == 32


def test_seeds_belong_to_items():
    first, second = structure_hash(bulk("Cu")), structure_hash(bulk("Ag"))
    assert item_seed(1, first) == item_seed(1, first)
    seeds = {
        item_seed(1, first),
        item_seed(2, first),
        item_seed(1, second),
        item_seed(1, first, replica=1),
        item_seed(11, first),
    }
    assert len(seeds) == 5
    many = [item_seed(0, number.to_bytes(16, "little")) for number in range(200)]
    assert all(0 <= seed < 2**63 for seed in many)
    assert max(many) > 2**62
    assert len(set(many)) == 200
