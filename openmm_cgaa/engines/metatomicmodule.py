"""What an engine that reads metatomic models calls: TorchScript around a `StandaloneModel` (needs metatomic)."""

import math
from typing import Dict, List, Optional, Tuple

import torch
from metatensor.torch import Labels, TensorBlock, TensorMap
from metatomic.torch import (
    AtomisticModel,
    ModelCapabilities,
    ModelMetadata,
    ModelOutput,
    NeighborListOptions,
    System,
)
from torch import Tensor, nn

from ..model.loaded import LoadedModel
from ..model.standalone import StandaloneModel


class MetatomicModule(nn.Module):
    """What `AtomisticModel` calls.

    It asks the engine for one list of neighbours, each pair once. All of its arithmetic that loses digits is in double
    precision, whatever that of the network.

    Parameters
    ----------
    model : StandaloneModel
    """

    def __init__(self, model: StandaloneModel):
        super().__init__()
        self.model = model
        self.request = NeighborListOptions(cutoff=model.cutoff, full_list=False, strict=False)

    @torch.jit.export
    def requested_neighbor_lists(self) -> List[NeighborListOptions]:
        return [self.request]

    def forward(
        self, systems: List[System], outputs: Dict[str, ModelOutput], selected_atoms: Optional[Labels]
    ) -> Dict[str, TensorMap]:
        """The energy of each system, eV.

        Raises
        ------
        ValueError
            Atoms that make no molecules of the model, or only a part of the atoms are asked for.
        """
        answer: Dict[str, TensorMap] = {}
        trouble = ""
        if "energy" in outputs:
            atoms = 0
            for system in systems:
                atoms += system.positions.size(0)
            if outputs["energy"].sample_kind != "system":
                trouble = "this model has an energy of all atoms together: ask for no energies of atoms"
            if selected_atoms is not None:
                if selected_atoms.values.size(0) != atoms:
                    trouble = (
                        "this model has an energy of all atoms together, and only some are asked for: run the engine "
                        "in one process (in LAMMPS one MPI rank, in GROMACS -ntmpi 1), with all atoms in the model"
                    )
            energies: List[Tensor] = []
            for system in systems:
                if trouble == "":
                    energy, trouble = self.energy_of(system)
                    energies.append(energy)
            if trouble == "":
                answer["energy"] = self.table(energies, systems)
        if trouble != "":
            raise ValueError(trouble)
        return answer

    def energy_of(self, system: System) -> Tuple[Tensor, str]:
        """Energy [], float64, eV, and why there is none, in words, or an empty string."""
        periodic: List[bool] = system.pbc.tolist()
        cell: Optional[Tensor] = None
        if periodic[0] or periodic[1] or periodic[2]:
            if not (periodic[0] and periodic[1] and periodic[2]):
                return torch.zeros([], dtype=torch.float64), (
                    "the system is periodic in some directions alone; give a box in all three, or in none"
                )
            cell = system.cell
        pairs = system.get_neighbor_list(self.request).samples.values.long()
        return self.model(system.types.long(), system.positions, cell, pairs[:, :2].t(), pairs[:, 2:])

    def table(self, energies: List[Tensor], systems: List[System]) -> TensorMap:
        """The energies as metatensor has them."""
        values = torch.zeros([0, 1], dtype=torch.float64)
        device = values.device
        if len(systems) > 0:
            values, device = torch.stack(energies).unsqueeze(1), systems[0].positions.device
        number = torch.arange(len(systems), dtype=torch.int32, device=device).unsqueeze(1)
        zero = torch.zeros([1, 1], dtype=torch.int32, device=device)
        block = TensorBlock(values, Labels(["system"], number), [], Labels(["energy"], zero))
        return TensorMap(Labels(["_"], zero), [block])


def metatomic_model(
    loaded: LoadedModel, numbers: Dict[str, int], longest: Dict[Tuple[str, str], float]
) -> AtomisticModel:
    """A loaded model as metatomic has it, in Python; `numbers` and `longest` are those of a `StandaloneModel`."""
    module = MetatomicModule(StandaloneModel(loaded.network, loaded.types, numbers, longest))
    energy = ModelOutput(unit="eV", sample_kind="system", description="of all atoms, the teacher's total")
    capabilities = ModelCapabilities(
        outputs={"energy": energy},
        atomic_types=sorted(numbers.values()),
        interaction_range=math.inf,  # so LAMMPS refuses to share atoms among processes, and lists no more than is asked
        length_unit="angstrom",
        supported_devices=["cuda", "cpu"],
        dtype="float64",
    )
    described = ModelMetadata(
        name=loaded.source,
        description=f"openmm_cgaa model, {loaded.precision} precision; knows {', '.join(map(str, loaded.types))}",
        references={"architecture": ["https://arxiv.org/abs/2505.01058"]},
        extra={"model_sha256": loaded.provenance()["model_sha256"]},
    )
    return AtomisticModel(module.eval(), described, capabilities)
