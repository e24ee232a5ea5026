"""From records to structures."""

import zn_pipeline as zn


def test_lists_and_nothing(structures, store):
    def spread(atoms):
        return [atoms] * (atoms.info["name"] % 3)

    results = zn.map(spread, structures[:6], store=store)
    assert results.rows.tolist() == [1, 2, 2, 4, 5, 5]


def test_tags_reach_every_output(structures, store):
    results = zn.map(lambda atoms: [atoms, atoms], structures[:2], store=store, tags={"from": "a"})
    assert [atoms.info["from"] for atoms in results] == ["a"] * 4


def test_values_keep_their_rows(structures, store):
    values = zn.map(
        lambda atoms: None if atoms.info["name"] == 1 else 1.5, structures[:3], store=store
    )
    assert values == [1.5, 1.5]
    assert values.rows.tolist() == [0, 2]
