import json

import nodes


def test_the_catalogue_lists_every_node(runner_cli):
    rows = json.loads(runner_cli("nodes", "--json"))
    assert rows
    assert set(rows) <= set(nodes.__all__)
    assert all(row["description"] for row in rows.values())


def test_a_word_selects(runner_cli):
    rows = json.loads(runner_cli("nodes", "--json"))
    name = sorted(rows)[0]
    text = runner_cli("nodes", name.upper())
    assert f"{name}: {rows[name]['description']}" in text
    assert runner_cli("nodes", "no such word anywhere") == ""
