"""How far members are, by the tables that they write."""

import pytest
from ensembles import plan_file

from openmm_cgaa.ensemble.ensembleplan import read_ensemble
from openmm_cgaa.ensemble.members import members_of
from openmm_cgaa.ensemble.watched import Watched
from openmm_cgaa.simulation.underway import TAIL

HEADER = "step,time_ps,volume_nm3\n"


def test_the_last_whole_row_says_how_far_a_run_is(tmp_path):
    members = members_of(read_ensemble(plan_file(tmp_path, replicas=4)))
    for member in members[:3]:
        member.run.mkdir(parents=True)
    rows = "".join(f"{n},{0.0005 * n},1.0\n" for n in range(1, TAIL // 10))
    (members[0].run / "state.csv").write_text(f"{HEADER}{rows}400,0.0")  # half a row
    (members[1].run / "state.csv").write_text(f"{HEADER}40,0.02,1.0\n")
    (members[1].run / "nve.csv").write_text(HEADER)
    members[2].mark.touch()
    seen = Watched(members)
    assert seen.all_picoseconds == pytest.approx(4 * 0.08) and (seen.finished, seen.members) == (1, 4)
    reached = min(0.08, 0.0005 * (TAIL // 10 - 1))
    assert seen.picoseconds == pytest.approx(reached + 0.02 + 0.08)
    (members[1].run / "nve.csv").write_text(f"{HEADER}50,0.025,1.0\n")
    seen.look()
    assert seen.picoseconds == pytest.approx(reached + 0.025 + 0.08) and seen.ns_per_day > 0


def test_what_looks_is_called_at_both_ends(tmp_path):
    seen = []
    with Watched(members_of(read_ensemble(plan_file(tmp_path)))).reporting(lambda state: seen.append(state.finished)):
        pass
    assert seen == [0, 0]
