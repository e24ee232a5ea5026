"""Who is told how far a map is."""

from zn_pipeline.items.progress import show_progress


def test_a_function_is_told():
    seen = []
    with show_progress(lambda done, total: seen.append((done, total)), "label") as told:
        assert told is not None
        told(1, 2)
    assert seen == [(1, 2)]


def test_without_a_terminal_nothing_is_shown(capsys):
    for progress in (True, False):
        with show_progress(progress, "label") as told:
            assert told is None
    assert capsys.readouterr().err == ""
