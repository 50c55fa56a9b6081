"""Force errors on test frames without walls inside grains, and with them: ``python without_walls.py DATA MODEL...``."""

import sys

import numpy as np

from openmm_cgaa.data import Dataset
from openmm_cgaa.mapping.grains import GrainType
from openmm_cgaa.model.file import cuts_of_model, load_model
from openmm_cgaa.training.evaluation import predict
from openmm_cgaa.training.labelled import LabelledFrames


def rms(values):
    return float(np.sqrt(np.square(values).mean()))


def main(data, *models):
    for path in models:
        network, metadata = load_model(path)
        dataset = Dataset.load(data).select(splits=["test"]).cut(cuts_of_model(metadata))
        types = [GrainType.from_dict(entry) for entry in metadata["types"]]
        frames = LabelledFrames(dataset, types, network.grain_cutoff, network.atom_cutoff)
        labels = np.concatenate([label.forces.numpy() for _, label in frames.items])
        with network.without_ranges():
            bare = np.concatenate([forces for _, forces, _ in predict(network, frames)])
        walled = np.concatenate([forces for _, forces, _ in predict(network, frames)])
        print(f"{path}: {rms(bare - labels):.4f}, {rms(walled - labels):.4f}, of {rms(labels):.4f} eV/Å")


if __name__ == "__main__":
    main(*sys.argv[1:])
