from nodes.cli.kinds import Kind, section_of
from nodes.cli.notes import print_notes


def test_keys_without_effect_are_named_on_stderr(capsys):
    content = {"duration": 1.0, "initial_structure": "a", "extra_capacity": 3}
    print_notes(section_of(Kind.MD).model_validate(content))
    shown = capsys.readouterr()
    assert shown.out == ""
    assert shown.err == "note: extra_capacity has no effect\n"
