import pytest

from zn_pipeline.errors import PipelineError
from zn_pipeline.items.records import ItemRecord
from zn_pipeline.items.upkeep import describe, explain, status, verify
from zn_pipeline.items.values import encode


def put(store, recipe, structure: bytes, seed: int | None = None, state: str = "ok") -> bytes:
    store.note_recipe(recipe)
    key = recipe.key(structure, seed)
    body = encode({"kind": "timeout", "type": "E", "message": "too long"})
    store.put([ItemRecord(key, recipe.id, structure, state, body, 2.0, 3)])
    return key


def test_a_whole_store_is_clean(item_store, made):
    made.fill(item_store, range(10))
    item_store.put([made.record(10, {"kind": "timeout"}, "failed")])
    report = verify(item_store)
    assert report.clean
    assert (report.n_ok, report.n_failed) == (10, 1)
    assert report.damaged == report.lost == report.torn == report.not_deterministic == ()


def test_an_empty_store_is_clean(item_store):
    assert verify(item_store).clean
    assert status(item_store).n_ok == 0


def test_damage_is_reported_and_mended(item_store, made):
    places = made.fill(item_store, range(10))
    item_store.refresh()
    path = item_store.segments / places[0].segment
    made.damage(item_store, places[3])
    with path.open("ab") as file:
        file.write(path.read_bytes()[:50])
    report = verify(item_store)
    assert not report.clean
    assert report.lost == (made.key(3),)
    (damage,) = report.damaged
    assert str(damage) == (
        f"{path.name}: bytes {places[3].offset} to {places[3].offset + places[3].size} "
        "cannot be read"
    )
    assert report.torn == (path.name,)
    assert made.found(item_store, range(10)) == [0, 1, 2, 4, 5, 6, 7, 8, 9]
    assert status(item_store).damaged == report.damaged


def test_results_that_differ_are_reported(item_store, made):
    made.fill(item_store, [1])
    item_store.put([made.record(1, "another")])
    assert verify(item_store).not_deterministic == (made.key(1),)
    assert status(item_store).not_deterministic == (made.key(1),)


def test_status_counts_by_function(item_store, made):
    label, relax = made.recipe("label"), made.recipe("relax")
    for number in range(3):
        put(item_store, label, made.structure(number))
    put(item_store, relax, made.structure(0), state="failed")
    found = status(item_store)
    assert [(f.function, f.n_ok, f.n_failed, f.seconds) for f in found.functions] == [
        ("label", 3, 0, 6.0), ("relax", 0, 1, 2.0)
    ]  # fmt: skip
    assert (found.n_ok, found.n_failed, found.n_segments, found.n_growing) == (3, 1, 1, 1)
    item_store.writer().close()
    found = status(item_store)
    assert found.n_growing == 0
    assert found.n_bytes == sum(f.stat().st_size for f in item_store.segments.iterdir())
    item_store.leases.take([made.key(9)], "elsewhere.0:1:x")
    assert status(item_store).owners == {"elsewhere.0:1:x": 1}


def test_explain_says_what_differs(item_store, made):
    structure = made.structure(1)
    first = made.recipe(cutoff=300)
    assert explain(item_store, first, structure) == [
        "not done: the structure is new, and so is the recipe"
    ]
    put(item_store, first, structure)
    (line,) = explain(item_store, first, structure)
    assert line.startswith("done (2 s, 3 attempts), key ")
    assert explain(item_store, first, made.structure(2)) == [
        "not done: the structure is new; 1 others have been done this way"
    ]
    put(item_store, made.recipe("relax"), structure, state="failed")
    lines = explain(item_store, made.recipe(cutoff=400), structure)
    assert lines[0] == "not done; for the same structure there is:"
    assert lines[1] == "a result: params.cutoff 300 -> 400"
    assert lines[2].startswith("a failure: function relax -> label")
    assert explain(item_store, first, structure, seed=7)[1] == "a result with another seed"
    put(item_store, made.recipe(cutoff=5), structure, state="failed")
    (line,) = explain(item_store, made.recipe(cutoff=5), structure)
    assert line.startswith("failed, and is not tried again unless asked (2 s, 3 attempts)")


def test_explain_without_the_text_of_a_recipe(item_store, made):
    made.fill(item_store, [1])
    lines = explain(item_store, made.recipe(cutoff=1), made.structure(1))
    assert lines[1] == "a result of a recipe whose text is not here"
    assert status(item_store).functions[0].function.startswith("recipe ")


def test_one_result_by_the_first_digits_of_its_key(item_store, made):
    key = put(item_store, made.recipe(cutoff=300), made.structure(1), state="failed")
    put(item_store, made.recipe(cutoff=200), made.structure(1))
    lines = describe(item_store, key.hex()[:10])
    assert lines[0] == f"key        {key.hex()}"
    assert lines[1] == "status     failed, 2 s, attempts: 3"
    assert "function   label" in lines
    assert "  params: {'cutoff': 300}" in lines
    assert "failure    (timeout) E: too long" in lines
    assert lines[-1] == ("there is also a result of the same structure: params.cutoff 200 -> 300")
    with pytest.raises(PipelineError, match="must begin with 'zz', received none"):
        describe(item_store, "zz")
    with pytest.raises(PipelineError, match="received more than one"):
        describe(item_store, "")
