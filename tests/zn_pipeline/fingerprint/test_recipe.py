from zn_pipeline.fingerprint.recipe import Recipe, differences

TEXT = {
    "schema": 1,
    "function": "label",
    "code": "aa",
    "codes": {"Dft": "bb"},
    "params": {"cutoff": 200, "spec": {"$class": "Dft", "grid": [1, 2]}},
    "engine": None,
    "arguments": {"fmax": 0.1},
    "versions": {"ase": "3.28.0"},
    "files": {"params.model": "11"},
    "reads": "all",
    "paths": {"params.model": "models/model.json"},
    "place": "my_module",
}


def test_what_counts():
    recipe = Recipe.of(TEXT)
    assert len(recipe.id) == 20
    for name in TEXT:
        other = Recipe.of({**TEXT, name: "other"})
        assert (other.id == recipe.id) == (name in ("paths", "place")), name
    assert Recipe.of(dict(reversed(TEXT.items()))).id == recipe.id
    assert Recipe.of({**TEXT, "params": True}).id != Recipe.of({**TEXT, "params": 1}).id


def test_keys():
    recipe, other = Recipe.of(TEXT), Recipe.of({**TEXT, "code": "cc"})
    keys = {
        recipe.key(b"a" * 16, None),
        recipe.key(b"b" * 16, None),
        recipe.key(b"a" * 16, 0),
        recipe.key(b"a" * 16, 2**63 - 1),
        other.key(b"a" * 16, None),
    }
    assert len(keys) == 5
    assert {len(key) for key in keys} == {20}


def test_differences_are_sentences():
    cases = [
        ({"code": "ab"}, "code of label changed"),
        ({"code": "version 2"}, "code of label changed"),
        ({"function": "other"}, "function label -> other"),
        ({"codes": {"Dft": "cc"}}, "code of Dft changed"),
        ({"codes": {}}, "code of Dft is no longer used"),
        ({"versions": {"ase": "3.29.0"}}, "ase 3.28.0 -> 3.29.0"),
        ({"versions": {}}, "ase 3.28.0 -> not used"),
        ({"params": {**TEXT["params"], "cutoff": 300}}, "params.cutoff 200 -> 300"),
        ({"params": {**TEXT["params"], "cutoff": 200.0}}, "params.cutoff 200 -> 200.0"),
        (
            {"params": {"cutoff": 200, "spec": {"$class": "Dft", "grid": [1, 3]}}},
            "params.spec.grid[1] 2 -> 3",
        ),
        (
            {"params": {"cutoff": 200, "spec": {"$class": "Emt", "grid": [1, 2]}}},
            'params.spec class "Dft" -> "Emt"',
        ),
        ({"arguments": {}}, "arguments.fmax is gone: 0.1"),
        ({"arguments": {"fmax": 0.1, "steps": 3}}, "arguments.steps is new: 3"),
        ({"files": {"params.model": "22"}}, "content of file model.json changed"),
        ({"files": {}}, "file model.json is no longer used"),
        ({"reads": ["tags"]}, 'reads "all" -> ["tags"]'),
        ({"schema": 2}, "rules of keys 1 -> 2"),
    ]
    for change, sentence in cases:
        assert differences(TEXT, {**TEXT, **change}) == [sentence]
    assert differences(TEXT, dict(TEXT)) == []
    moved = {**TEXT, "place": "elsewhere", "paths": {"params.model": "b.json"}}
    assert differences(TEXT, moved) == []


def test_versions_set_by_hand_are_shown():
    old, new = {**TEXT, "code": "version 1"}, {**TEXT, "code": "version 2"}
    assert differences(old, new) == ["code of label: version 1 -> version 2"]
