"""``openmm-cgaa distill``: what it prints before it works."""

import yaml

from openmm_cgaa.cli import main

PLAN = {
    "molecules": [{"name": "DME", "smiles": "COCCOC"}],
    **{"teacher": "springs:Springs", "form": "fast", "classical": {"atoms": 60}},
}


def test_a_dry_run_times_and_tells_and_leaves_nothing(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "120")
    (tmp_path / "plan.yaml").write_text(yaml.safe_dump(PLAN))
    assert main(["distill", "plan.yaml", "--dry-run", "--quick"]) == 0
    printed = capsys.readouterr().out
    for word in (
        "classical.frames: the classical",
        "student1: a student learns (fast)",
        "own2",
        "run-npt",
        "h in all",
        "labels",
    ):
        assert word in printed
    assert [path.name for path in tmp_path.iterdir()] == ["plan.yaml"]


def test_another_teacher_takes_no_settings_of_the_plans_own(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "plan.yaml").write_text(yaml.safe_dump(PLAN | {"teacher_settings": {"stiffness": 0.02}}))
    given = "--teacher", "gfn2-xtb", "--setting", "accuracy=0.5"
    for words, teacher, settings in [
        ((), "springs:Springs", {"stiffness": 0.02}),
        (given[:2], "gfn2-xtb", {"charges": {}}),
        (given, "gfn2-xtb", {"accuracy": 0.5, "charges": {}}),
    ]:
        (tmp_path / "whole.yaml").unlink(missing_ok=True)
        assert main(["distill", "plan.yaml", "--write-template", "whole.yaml", *words]) == 0
        plan = yaml.safe_load((tmp_path / "whole.yaml").read_text())
        assert (plan["teacher"], plan["teacher_settings"]) == (teacher, settings)
    assert main(["distill", "plan.yaml", "--write-template", "new.yaml", "--setting", "accuracy=0.5"]) == 2
    assert "name it with --teacher NAME" in capsys.readouterr().err


def test_a_budget_that_is_too_small_is_told(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "plan.yaml").write_text(yaml.safe_dump(PLAN))
    assert main(["distill", "plan.yaml", "--dry-run", "--budget", "0.01"]) == 2
    assert "with the fewest steps of training; give more" in capsys.readouterr().err
