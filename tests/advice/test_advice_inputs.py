"""What messages about outputs, YAML and words of the command line advise is done to the letter, and helps."""

import dataclasses

import mdtraj
import pytest
from conftest import EC_EMC
from followed import done, refused

from openmm_cgaa.cli import main
from openmm_cgaa.host.files import check_output, check_outputs, write_bytes, writing
from openmm_cgaa.inputs.settings import Checked, from_mapping
from openmm_cgaa.inputs.yamlfile import parse_yaml


def test_outputs_that_cannot_be(tmp_path):
    kind, free = "figure (PNG)", tmp_path / "free.png"
    taken, other = tmp_path / "taken.png", tmp_path / "other.png"
    taken.write_text("a diary")
    with refused("move it away, or name another output"):
        check_output(taken, kind)
    with refused("which would be lost; name another output"):
        check_output(taken, kind, [taken])
    with refused("is a folder; name a file for the output"):
        check_output(tmp_path, kind)
    with refused("is the place of two outputs, figure (PNG) and figure (PNG); give each a name of its own"):
        check_outputs([(free, kind), (free, kind)])
    with refused("name another place"):
        check_output(taken / "in a file.png", kind)
    check_outputs([(free, kind), (other, kind)], [taken])
    taken.rename(tmp_path / "diary")
    check_output(taken, kind)


def test_a_place_where_one_may_not_write(tmp_path):
    with refused("you may not write there: change the permissions, or name another place, then go on"):
        with writing(tmp_path, "go on"):
            raise PermissionError(13, "Permission denied", str(tmp_path / "a"))
    write_bytes(tmp_path / "another place/a", b"")


@dataclasses.dataclass(frozen=True)
class Named(Checked):
    name: str
    sizes: dict[str, float] = dataclasses.field(default_factory=dict)


@pytest.mark.parametrize(
    ("wrong", "advice", "right"),
    [
        ("name: 5", "name is 5, expected str; put it in quotes", 'name: "5"'),
        ("name: no", "name is False, expected str; put it in quotes", 'name: "no"'),
        (
            "{name: a, sizes: {1: 2.0}}",
            "sizes has the key 1, expected str; put it in quotes",
            "{name: a, sizes: {'1': 2}}",
        ),
        ("{name: a, sizes: {b: 1e-3}}", "expected float; YAML wants a point: 1.0e-3", "{name: a, sizes: {b: 1.0e-3}}"),
        ("name: a\nname: b", "name stands there twice, in lines 1 and 2; leave one out", "name: b"),
        ("name: a\nnames: b", "unknown key names; known are name, sizes", "name: a"),
    ],
)
def test_yaml_that_says_something_else(wrong, advice, right):
    with refused(advice):
        from_mapping(Named, parse_yaml(wrong), "file")
    assert from_mapping(Named, parse_yaml(right), "file").name in ("5", "no", "a", "b")


def test_aliases_without_end():
    levels = "".join(f"{b}: &{b} [{', '.join(9 * ['*' + a])}]\n" for a, b in zip("abcdefgh", "bcdefghi"))
    with refused("write out what is meant"):
        parse_yaml(f"a: &a [1]\n{levels}")
    assert parse_yaml("a: &a [1]\nb: *a")["b"] == [1] == parse_yaml("a: [1]\nb: [1]")["b"]


def test_words_that_are_empty(told, capsys):
    with told("info", "", advice="an argument is empty; give it a value, or leave it out"):
        done("info", "ec-emc")
    with told("info", "ec-emc", "--modle=x", advice="see openmm-cgaa"):
        with pytest.raises(SystemExit) as end:
            main(["info", "--help"])
        assert end.value.code == 0 and "--model" in capsys.readouterr().out


def test_a_name_that_is_no_model(told):
    with told("info", "ec-emc-2", advice="no bundled model has this name (bundled: ec-emc, "):
        done("info", "ec-emc")


def test_templates_for_a_file_that_takes_none(solvent, tmp_path, told):
    topology, positions, _ = solvent
    trajectory = mdtraj.Trajectory(positions, mdtraj.Topology.from_openmm(topology))
    trajectory.save(str(tmp_path / "box.pdb.gz"))
    words = ["--templates", EC_EMC / "EC.pdb", EC_EMC / "EMC.pdb"]
    with told("info", tmp_path / "box.pdb.gz", *words, advice="; convert it to one"):
        for suffix in (".pdb", ".gro"):
            mdtraj.load(str(tmp_path / "box.pdb.gz")).save(str(tmp_path / f"box{suffix}"))
            done("info", tmp_path / f"box{suffix}", *words)
