"""A model that is its own teacher errs by nothing: pairs, torsions, modes and stretched bonds in a vacuum.

Also `vacuum`.
"""

from pathlib import Path

import pytest

pytest.importorskip("ase")

from openmm_cgaa.building.molecules import Molecule  # noqa: E402
from openmm_cgaa.validation.place import Workplace  # noqa: E402
from openmm_cgaa.validation.rows import ROW_KINDS  # noqa: E402
from openmm_cgaa.validation.system import ValidatedSystem  # noqa: E402

EC = str(Path(__file__).parents[2] / "systems/ec_emc/EC.pdb")


def test_a_model_is_what_it_teaches(tmp_path):
    row = ROW_KINDS["molecules"](name="molecules", pairs=[["EC", "EC"]], modes=["EC"], stretches=["EC"])
    system = ValidatedSystem(
        model="ec-emc",
        teacher="openmm_cgaa.engines.ase:CGAACalculator",
        teacher_settings={"model": "ec-emc", "precision": "double"},
        molecules=[Molecule("EC", structure=EC)],
        **{"boxes": {"box": "box.cif"}, "runs": {}, "rows": {"molecules": row}},
    )
    found = {"molecules": row.measure(Workplace(system, tmp_path, short=True))}
    scans, modes, bonds = (found["molecules"][key] for key in ("scans", "modes", "stretches"))
    assert scans[0]["depth_ratio"] == pytest.approx(1.0, abs=1e-6) and scans[0]["depth_meV"]["model"] > 10.0
    assert modes[0]["largest_relative_above_300"] < 1e-3 and len(modes[0]["model_per_cm"]) == 24
    assert {bond["name"] for bond in bonds} >= {"EC O0-C1", "EC C3-H6"}
    for bond in bonds:
        assert bond["model_eV"] == pytest.approx(bond["teacher_eV"], abs=1e-5)
    text, met = row.verdict(found, system)
    assert text.startswith("depths within 0.0 % (EC...EC)") and met == "yes"
    assert "C-H bonds hold up to" in row.tables(found, system)["verlet"]
