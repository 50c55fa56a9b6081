"""Bars of commands."""

from openmm_cgaa.cli.bars import Bar

FORM = "{desc} {percentage:3.0f} %{postfix}"


def test_a_bar_is_there_when_it_has_something_to_show(capsys):
    with Bar() as bar:
        bar.tell("first")
        assert bar.bar is None
        shown = bar.shown(FORM, 4.0, 1.0, desc="frames")
        shown.update(1.0)
        assert bar.shown(FORM, 4.0) is shown and shown.n == 2.0
        bar.tell("second")
        shown.refresh()
        bar.close()
        assert bar.bar is None and bar.shown(FORM, 2.0) is not shown
    assert bar.bar is None
    out, told = capsys.readouterr()
    assert out == "" and told.startswith("first\n") and "\nsecond\n" in told.replace("\r", "\n") and "50 %" in told


def test_a_command_that_fails_leaves_its_line(capsys):
    try:
        with Bar() as bar:
            bar.shown(FORM, 1.0)
            raise ValueError
    except ValueError:
        assert bar.bar is None and capsys.readouterr().err.endswith("\n")
