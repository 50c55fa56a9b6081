"""Examples at the end of each help, to be pasted as they are; those with files in the folder of the repository."""

BOX = "openmm_cgaa/models/ec-emc.cif"
RUN = f"openmm-cgaa simulate {BOX} --model ec-emc --out run --picoseconds 1"
EXAMPLES = {  # by command, with its subcommand; lines of a shell
    "": ("openmm-cgaa info ec-emc-lipf6", "openmm-cgaa distill --smiles COCCOC --quick --dry-run"),
    "info": (f"openmm-cgaa info {BOX} --model ec-emc",),
    "model": ("openmm-cgaa model verify ec-emc-lipf6",),
    "model verify": ("openmm-cgaa model verify ec-emc-lipf6 ec-emc-lipf6-fast",),
    "model diff": ("openmm-cgaa model diff ec-emc-lipf6 ec-emc-lipf6-fast",),
    "model export": (f"openmm-cgaa model export ec-emc --metatomic ec-emc.pt --box {BOX}",),
    "doctor": ("openmm-cgaa doctor",),
    "build": ("openmm-cgaa build --write-template box.yaml", "openmm-cgaa build box.yaml"),
    "sample": ("openmm-cgaa sample systems/ec_emc_lipf6/sample_turned.yaml --output turned.h5 --workers 2",),
    "label": ("openmm-cgaa label tests/files/liquid.h5 labelled.h5 --teacher sevennet-0-d3",),
    "map": ("openmm-cgaa map --write-template mapping.yaml",),
    "prior": ("openmm-cgaa prior systems/water/data/tip3p_dipole.h5 -o prior.xml",),
    "data": ("openmm-cgaa data info systems/ec_emc/data/ec_emc_240.h5",),
    "data info": ("openmm-cgaa data info systems/ec_emc/data/ec_emc_240.h5 --figure data.png",),
    "data export": ("openmm-cgaa data export tests/files/liquid.h5 liquid.extxyz",),
    "data import": (
        "openmm-cgaa data export tests/files/liquid.h5 liquid.extxyz",
        "openmm-cgaa data import liquid.extxyz imported.h5",
    ),
    "data merge": (
        "openmm-cgaa data merge systems/ec_emc/data/ec_emc_seed102.h5 systems/ec_emc/data/ec_emc_seed105.h5 -o both.h5",
    ),
    "group": (
        RUN,
        "openmm-cgaa group run/trajectory.dcd run/topology.cif --size 10 --split train -o sequences.h5",
    ),
    "train": ("openmm-cgaa train systems/ec_emc/train_conserving.yaml --minutes 10 --output model",),
    "distill": ("openmm-cgaa distill --smiles COCCOC --quick --dry-run",),
    "active": ("openmm-cgaa active systems/ec_emc_lipf6/active.yaml",),
    "evaluate": ("openmm-cgaa evaluate ec-emc systems/ec_emc/data/ec_emc_240.h5 --split test",),
    "simulate": (RUN,),
    "propagate": (
        RUN,
        "openmm-cgaa group run/trajectory.dcd run/topology.cif --size 10 --split train -o train.h5",
        "openmm-cgaa group run/trajectory.dcd run/topology.cif --size 10 --split validation -o validation.h5",
        "openmm-cgaa train --write-template propagator.yaml --set objective=propagate --set max_steps=10 "
        "--set validate_every=10 --set 'data=[train.h5, validation.h5]'",
        "openmm-cgaa train propagator.yaml",
        "openmm-cgaa propagate runs/propagator/model.safetensors train.h5 --steps 10 --out steps",
    ),
    "ensemble": (
        "openmm-cgaa build --write-template box.yaml",
        "openmm-cgaa ensemble --write-template plan.yaml",
        "openmm-cgaa ensemble plan.yaml",
    ),
    "lammps": (f"openmm-cgaa lammps ec-emc {BOX} --out lammps",),
    "analyze": (RUN, "openmm-cgaa analyze run --teacher-frames 0"),
    "validate": ("openmm-cgaa validate systems/ec_emc_lipf6/validation.yaml jacobian --short --out short",),
    "benchmark": ("openmm-cgaa benchmark --engines pythonforce --steps 20",),
}
