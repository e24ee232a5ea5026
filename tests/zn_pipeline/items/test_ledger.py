"""What is known of each unit of a map."""

from zn_pipeline.items.ledger import Ledger
from zn_pipeline.items.records import Place


def test_units_are_kept_apart():
    ledger = Ledger(3)
    keys, structures = [bytes([n]) * 20 for n in range(3)], [bytes([n]) * 16 for n in range(3)]
    for unit in range(3):
        ledger.note(unit, keys[unit], structures[unit])
    places = [Place("a.seg", 0, 10), Place("b.seg", 2**40, 7)]
    ledger.settle(0, keys[0], places[0])
    ledger.settle(2, keys[2], places[1])
    ledger.settle(1, keys[1], None)
    assert len(ledger) == 3
    assert [ledger.place(unit) for unit in range(3)] == [places[0], None, places[1]]
    assert [ledger.structure(unit) for unit in range(3)] == structures
    assert list(ledger.keys()) == [keys[0], b"", keys[2]]
