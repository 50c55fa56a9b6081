"""Does a verdict say no? ``python records/distill/spoiled.py HOW FOLDER``: a distillation of which one thing is wrong.

The liquid is 1,2-difluoroethane, whose molecules are trans or gauche. HOW is one of

- ``nothing``: all is right;
- ``labels``: one label in eight is as of a calculation that did not converge;
- ``frames``: a tenth of the frames;
- ``jumps``: the teacher's energy jumps between trans and gauche;
- ``conformer``: the classical force field knows the trans form alone, and no molecule is turned about its bonds.

Plans are those of ``--quick`` with fewer steps. The same command goes on with what is there.
"""

import argparse
import os
import re
import subprocess
import sys
from pathlib import Path

import yaml

from openmm_cgaa.building.forcefield import forcefield_xml, parametrize

SMILES, NAME = "FCCF", "DFE"
PLAN = {
    "training": {"first": 3000, "steps": 8000, "last": 0},
    "classical": {"npt": []},
    "proof": {"nvt": 20.0, "nve": 4.0, "npt": 20.0, "hot": 10.0, "structure_frames": 40},
}
FEW = {"classical": {"frames": 2, "turned": 10, "strained": 30, "pairs": 8}, "own": {"frames": 2}}
CIS = 80.0  # kJ/mol by which the force field lifts cis above trans, and gauche by three quarters of it


def plan(how: str, folder: Path) -> dict:
    """What is given to `openmm-cgaa distill`."""
    base = ["openmm-cgaa", "distill", "--smiles", SMILES, "--names", NAME, "--quick", "--write-template", "/dev/stdout"]
    whole = yaml.safe_load(subprocess.run(base, check=True, capture_output=True, text=True).stdout)
    for changes in [PLAN, FEW] if how == "frames" else [PLAN]:
        for key, values in changes.items():
            whole[key] |= values
    if how in ("labels", "jumps"):
        whole["teacher"] = "spoiled_teachers:" + {"labels": "Unconverged", "jumps": "Jumping"}[how]
    if how == "conformer":
        whole["classical"]["turned"] = 0
        (folder / "trans.xml").write_text(trans(forcefield_xml([parametrize(NAME, SMILES)])))
        whole["forcefield"] = ["trans.xml"]
    return whole


def trans(text: str) -> str:
    """The force field with a torsion F-C-C-F that has its one minimum in trans."""
    torsion = r'(type1="DFE-F0" type2="DFE-C1" type3="DFE-C1" type4="DFE-F0" periodicity1="1" phase1="0.0*" k1=)"[^"]*"'
    text, found = re.subn(torsion, rf'\1"{CIS / 2}"', text)
    assert found == 1
    return text


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("how", choices=["nothing", "labels", "frames", "jumps", "conformer"])
    parser.add_argument("folder", type=Path)
    args = parser.parse_args()
    args.folder.mkdir(parents=True, exist_ok=True)
    if not (args.folder / "given.yaml").is_file():
        (args.folder / "given.yaml").write_text(yaml.safe_dump(plan(args.how, args.folder), sort_keys=False))
    command = ["openmm-cgaa", "distill", str(args.folder / "given.yaml"), "--out", str(args.folder / "out")]
    paths = os.pathsep.join(filter(None, [str(Path(__file__).parent), os.environ.get("PYTHONPATH")]))
    sys.exit(subprocess.run(command, env=os.environ | {"PYTHONPATH": paths}).returncode)
