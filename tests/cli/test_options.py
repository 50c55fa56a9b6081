"""Words of a command line: in any order, with a name where a name is expected."""

import pytest

from openmm_cgaa import cli
from openmm_cgaa.cli import main
from openmm_cgaa.cli.benchmark import SOLVENT
from openmm_cgaa.cli.options import given_charges
from openmm_cgaa.errors import CGAAError


@pytest.mark.parametrize(
    "sorted_words, mixed_words",
    [
        ("validate s.yaml drift rdf --short --threads 2", "validate s.yaml drift --threads 2 rdf --short"),
        ("validate s.yaml drift --short", "validate --short s.yaml drift"),
        ("validate s.yaml drift --short", "validate s.yaml --short drift"),
        ("evaluate model a.h5 b.h5 --split test", "evaluate model a.h5 --split test b.h5"),
        ("data info a.h5 b.h5 --figure a.png", "data info a.h5 --figure a.png b.h5"),
        ("data merge a.h5 b.h5 -o c.h5", "data merge a.h5 -o c.h5 b.h5"),
        ("benchmark box.cif --model m --teacher", "benchmark --model m box.cif --teacher"),
        ("info box.cif --model m", "info --model m -- box.cif"),
    ],
)
def test_files_stand_before_and_after_options(sorted_words, mixed_words):
    first, second = (cli.parser_of(words.split()[0]).parse_args(words.split()) for words in (sorted_words, mixed_words))
    assert vars(first) == vars(second)


def test_a_name_after_two_dashes_may_begin_with_a_dash():
    assert cli.parser_of("info").parse_args(["info", "--", "-model"]).path == ["-model"]


def test_a_file_in_the_place_of_a_teachers_name_is_told(capsys):
    assert main(["benchmark", "--teacher", str(SOLVENT)]) == 2
    assert "(it is a file; on a command line it stands before --teacher); give sevennet-0-d3" in capsys.readouterr().err
    words = ["benchmark", str(SOLVENT), "--teacher"]  # as it advises
    assert vars(cli.parser_of("benchmark").parse_args(words))["topology"] == str(SOLVENT)


def test_a_teacher_described_in_words_is_named_as_the_message_says(capsys):
    assert main(["benchmark", "--model", "ec-emc", "--teacher"]) == 2
    message = capsys.readouterr().err
    assert "in words alone, 'SevenNet-0 (7net-0" in message and "give --teacher sevennet-0-d3" in message


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("LI", "--charges 'LI'; give RESIDUE=CHARGE, such as LI=1"),
        ("LI=one", "--charges 'LI=one'"),
        ("LI=inf", "--charges 'LI=inf'"),
        ("=1", "--charges '=1'"),
        ("LI=1 LI=2", "--charges names LI twice"),
    ],
)
def test_charges_by_residue(words, message):
    assert given_charges(["LI=1", "PF6=-0.8"]) == {"LI": 1.0, "PF6": -0.8} and given_charges([]) is None
    with pytest.raises(CGAAError, match=message):
        given_charges(words.split())
