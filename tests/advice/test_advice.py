"""No advice is left out: each message that says what to do has a row, a test elsewhere, or a reason why not."""

import re
import subprocess
import sys

import pytest
import test_advice_boxes
import test_advice_crystals
import test_advice_engines
import test_advice_files
import test_advice_models
import test_advice_structures
from sitepages.markdown import HOLE
from sitepages.messages import messages
from test_messages import ROOT, named, texts

TABLES = (
    test_advice_boxes,
    test_advice_crystals,
    test_advice_engines,
    test_advice_files,
    test_advice_models,
    test_advice_structures,
)
ROWS = [piece for table in TABLES for piece in table.ROWS]
VERBS = (
    "add ask begin call change check choose convert delete get give go install leave let list look lower make mend "
    "minimise move must pack pip pull put read relax remove replace set step take train turn update use write"
).split()
ADVICE = re.compile(rf"(?:^|[;:,.?(] |\bor |\band )(?:{'|'.join(VERBS)}) [\w'(]", re.IGNORECASE)
# what runs, commands, data and training say is followed in the tests of those
OTHER_ROOMS = re.compile(
    r"openmm_cgaa/(?:(?:analysis|benchmark|cli|data|distill|ensemble|host|labelling|pipeline|propagate|sampling|simulation|training|"
    r"validation)/|"
    r"(?:building/forcefield|inputs/settings|inputs/yamlfile)\.py)"
)
# followed by tests of their own
ELSEWHERE = {
    "Give the topology of the run, with its atoms": "labelling/test_mapped.py test_files_that_do_not_fit_each_other",
    "Mend that line, or write the file anew as PDBx": "structures/test_records.py test_a_record_that_openmm",
    "; give the path of its file, ": "model/test_model_file.py test_a_model_that_is_bundled_no_longer",
    "take the first one away with system.removeForce(": "engines/test_overlap.py test_a_second_model_on_the_same_atoms",
    "Give each molecule a residue number of its own": "foreign/test_structure_files.py test_what_that_error_says",
    "from openmm_cgaa import CGAACalculator": "foreign/test_structure_files.py test_a_crystallographic_cif",
    "Write the file anew from the topology: openmm_cgaa": "foreign/test_structure_files.py test_pdbx_of_more_than_26",
    "openmm_cgaa.add_bonds(topology, templ": "foreign/test_structure_files.py test_bonds_for_a_file_with",
    "hydrogens become heavy by createSystem(topology, hy": "foreign/test_isotopes_and_masses.py test_elements_guessed",
    "is damaged. Write it anew by the program that it": "foreign/test_topology_files.py test_a_header_that_says_fewer",
    "Check its errors there before you trust it": "training/test_evaluation.py test_every_group_is_a_part_of_the_whole",
    "(): step outside of it": "foreign/test_torch_state.py test_torchforce",
    "it has none; give its options": "training/test_config.py test_a_wrong_preset_is_named",
    "files of these kinds:  ; convert it to one": "advice/test_advice_inputs.py test_templates_for_a_file_that_takes",
    "make it anew by createSystem(..., constraints=None, r": "building/test_flexible.py test_rigid_bonds_are_refused",
    "ask for it by backend='torch'": "foreign/test_torch_state.py test_torchforce",
    "the number of its grain, the names of the atoms of each grain, or": "mapping/test_cutting.py test_what_is_no_cut",
    "grains: take network: conserving, or leave molecules whole": "nn/test_linked.py test_the_published_network",
    "so that its weights serve no other ones; begin from": "nn/test_warmstart.py test_ordered_slots_serve_no",
    "leave the data block of one crystal in it": "structures/test_cif.py test_one_block_of_several",
    "candidates for neighbours: give a smaller system": "model/test_scripted.py test_memory_is_told",
    "in so many steps (take fewer at a time), or atoms ov": "engines/test_retaken.py test_what_more_room_does_not_mend",
    "more than memory holds: use backend='python', or giv": "engines/test_torchforce.py test_too_many_grains",
    "Atoms are lost where they fly apart: relax the st": "engines/test_domains.py test_what_cannot_be_shared",
    "and take a model on the CPU, without fused=False": "engines/test_domains.py test_one_process_needs_no_other",
    "has no box yet: let it read one (read_data)": "engines/test_lammps.py test_lammps_is_given_energy",
    "; give the topology of this box": "engines/test_lammps.py test_lammps_is_given_energy",
    "already; move them away, or name another folder": "engines/test_lammpsfiles.py test_nothing_is_replaced",
    "keep; take openmm.MTSLangevinIntegrator(temp": "engines/test_respa_langevin.py test_what_it_cannot_do_is_refused",
    "LAMMPS's domains are cut from; give one with a unit": "engines/test_lammpsfiles.py test_what_cannot_be_is_refused",
    "go back to the last good frame, and take shorter steps": "model/test_evaluator.py test_molecules_that_flew_apart",
    "or the box has no volume; go back to the last good frame": "nn/test_device_lists.py test_positions_that_cannot",
    "CUDA device: give device='cpu', or": "nn/test_runner.py test_what_is_missing_is_told",
    "twin on a CPU needs g++, which is not here: install": "nn/test_runner.py test_errors_of_the_host_compiler",
    "nor the model knows one; take the topology from Mapping": "engines/test_engines_of_beads.py test_a_bead_without",
    "no grain is so near to the front; give a larger": "mapping/test_grainpicture.py test_depth_leaves_the_grains",
    "its atoms have no mass; set position: geometric": "mapping/test_beadmapping.py test_beads_of_atoms_without_masses",
    "tells no orders: write ~ between": "mapping/test_beadmapping.py test_beads_by_smarts",
    "give its atoms, by name or place in the residue": "mapping/test_beadmapping.py test_beads_by_name_place_and",
    "; add it, or name it in left_out": "mapping/test_beadmapping.py test_what_is_told_of_a_mapping_mends_it",
    "is a data set; look at it by openmm-cgaa data": "cli/test_info.py test_a_data_set_is_looked_at_by_another_command",
    "and nothing else is: put it there, or": "mapping/test_prior.py test_what_else_is_rigid_is_told",
    "in a rigid residue; take two, which show": "mapping/test_beadmapping.py test_beads_of_a_rigid_residue_are",
    "; leave rigid away, or take a run": "mapping/test_beadmapping.py test_what_is_told_of_a_mapping_mends_it",
    "hold it there: fit a prior, whose": "labelling/test_mapped.py test_rigid_waters_as_two_beads_keep_their_length",
    "known then: put both into one bead, or set": "mapping/test_beadmapping.py test_what_is_told_of_a_mapping",
    "is in no bead; add it to one, or name it": "mapping/test_beadmapping.py test_what_is_told_of_a_mapping_mends_it",
    "it takes a sample of forces on atoms; give one": "mapping/test_forcemaps.py test_the_optimised_map_has_the_least",
    "for each bead; put what they join into": "mapping/test_forcemaps.py test_optimised_maps_hold_their_conditions",
    "; put all of them into its topology": "mapping/test_prior.py test_a_system_with_other_particles",
    "takes the particles in their order; leave atoms out": "mapping/test_prior.py test_particles_in_another_order",
    "; leave them out of its templates": "mapping/test_prior.py test_beads_are_told_by_their_names",
    "or more, or a prior of a shorter cutoff": "mapping/test_prior.py test_a_box_that_is_too_small",
    "; leave States alone in this folder": "labelling/test_mapped.py test_states_that_cannot_be_used",
    "not a whole State ( ); write it anew": "labelling/test_mapped.py test_states_that_cannot_be_used",
    "; write it by getState(positions=True, forces=True)": "labelling/test_mapped.py test_states_that_cannot_be_used",
    "; give the States of this System": "labelling/test_mapped.py test_states_that_cannot_be_used",
    "some do not; write all with them, or none": "labelling/test_mapped.py test_states_that_cannot_be_used",
    "; give one of OpenMM States, or a trajectory": "labelling/test_mapped.py test_a_folder_without_states",
    "was cut short: copy it again, or ask for fewer": "structures/test_trajectories.py test_a_dcd_that_was_cut_short",
    "or more, or take fewer pseudoscalars": "training/test_config.py test_pseudoscalars_take_three_vectors_each",
    "set bare: false, or leave rigid away": "mapping/test_beadmapping.py test_rigid_beads_have_bonds",
    "; give the trajectory of this topology": "structures/test_trajectories.py test_a_trajectory_of_other_atoms",
    "holds no frame; give a trajectory that has": "structures/test_lazyframes.py test_frames_that_are_not_finite",
    "; give the System of this topology": "structures/test_bondgraph.py test_masses_of_another_system",
    "has no mass; give the System of its run": "structures/test_bondgraph.py test_beads_need_a_mass_that_is_told",
    "or cell are not finite; go back": "model/test_standalone.py test_what_cannot_be_used_is_told",
    "give all atoms of each molecule, and": "mapping/test_perception.py test_atoms_that_make_no_molecule",
    "so that it has no end: give a cell that is larger": "mapping/test_perception.py test_a_molecule_without_an_end",
    "are no longer: use a shorter time step, or": "mapping/test_perception.py test_molecules_are_kept",
    "all atoms together: ask for no energies": "engines/test_metatomic.py test_what_an_engine_cannot_have",
    "only some are asked for: run the engine": "engines/test_metatomic.py test_what_an_engine_cannot_have",
    "in some directions alone; give a box": "engines/test_metatomic.py test_what_an_engine_cannot_have",
    "model are not; take a conserving model": "engines/test_metatomic_refusals.py test_models_that_need",
    "do not keep; take a conserving model of network": "engines/test_metatomic_refusals.py test_models_that_need",
    "know atoms alone: take a model of atoms": "engines/test_metatomic_refusals.py test_models_that_need",
    "run it in OpenMM, or take a model of whole": "engines/test_metatomic_refusals.py test_models_that_need",
    "nothing is written; give precision='double'": "engines/test_metatomic.py test_the_command_proves_what_it_writes",
    "must begin at a multiple of": "nn/test_runner.py test_launches_are_checked",
}
NOT_HERE = {
    "pip install 'openmm-cgaa[ ]'": "a network; test_public.py has one that is missing",
    "whole installation; install anew": "a network",
    "pip install 'openmm-cgaa[torchforce]', where TorchForce is wanted": "a network; test_installation.py looks for it",
    "install g++ for compiled trainings": "of the machine; test_compiled.py trains in both ways",
    "install the GPU's driver for OpenCL, where": "a GPU; test_installation.py looks for the row",
    "pip install openmm-cgaa": "a network; test_installation.py looks for it",
    "pip install 'openmm-cgaa[metis]'; or give a SMILES": "a network; test_cutting.py cuts in both ways",
    "pip install 'openmm-cgaa[build]'": "a network; test_messages.py looks whether the extra is there",
    "get Parameters": "a name, no message",
    "to set one, remove that # in each": "a template, no message; test_yamlschema.py and test_yamlfiles.py do so",
    "direct, read out of 1o": "a contract, no message",
    "; update it": "a version that is not there yet",
    "which cannot be imported ( ): pip install mpi4py": "a network",
    "the GPU has no memory left; give a smaller system": "a GPU; a stand-in for the driver says it in test_runner.py",
    "(libcuda.so.1) does not load:  ; use device='cpu'": "a GPU",
    "and later: use an older build of torch, or": "a GPU that is too old",
    "are more than 32 bits count; give a smaller system": "two thousand million threads",
    "atoms do not fit on  : give a smaller system, or": "a GPU",
}


def test_each_advice_is_followed():
    known = [*ROWS, *ELSEWHERE, *NOT_HERE]
    advising = [(place, text) for place, text in texts() if ADVICE.search(text) and not OTHER_ROOMS.match(place)]
    assert len(advising) > 60
    assert [(place, text) for place, text in advising if not any(piece in text for piece in known)] == []


@pytest.mark.parametrize("piece", [*ROWS, *ELSEWHERE, *NOT_HERE])
def test_what_is_followed_is_still_said(piece):
    assert any(piece in text for _, text in texts())


def test_what_is_followed_stands_on_the_page_of_messages():
    """That page reads the source in its own way: what is filled in has a name there, and is a space here."""
    told = [_letters(HOLE.sub("", message.text)) for message in messages()]
    advising = [text for _, text in texts() if ADVICE.search(text)]
    pieces = [piece for piece in [*ROWS, *ELSEWHERE] if any(piece in text for text in advising)]
    assert len(pieces) > 100
    assert [piece for piece in pieces if not any(_letters(piece) in text for text in told)] == []


def _letters(text):
    return re.sub(r"[\W_]+", "", text)


def test_tests_elsewhere_are_there():
    for place in ELSEWHERE.values():
        path, name = place.split()
        assert f"def {name}" in (ROOT / "tests" / path).read_text()


def test_functions_can_be_typed_as_they_are_named():
    """Messages name them by their modules, and who reads them has imported the package alone."""
    names = sorted({name for name, _ in named(r"openmm_cgaa(?:\.\w+)+")})
    assert len(names) > 3
    code = "import sys, openmm_cgaa; assert not hasattr(openmm_cgaa, 'no_such_module'); "
    subprocess.run([sys.executable, "-c", code + "; ".join(names)], check=True)
