"""YAML that is none, too large, or says a thing twice."""

import pytest

from openmm_cgaa.errors import CGAAError
from openmm_cgaa.inputs.yamlfile import parse_yaml, read_yaml


def test_a_key_that_stands_there_twice():
    with pytest.raises(CGAAError, match="seed stands there twice, in lines 1 and 3; leave one out"):
        parse_yaml("seed: 1\nother: 2\nseed: 3\n")
    with pytest.raises(CGAAError, match="a stands there twice, in lines 2 and 2"):
        parse_yaml("runs:\n - {a: 1, b: 2, a: 3}\n")
    merged = parse_yaml("a: &x {b: 1}\nc: {<<: *x, d: 2}\ne: *x\n")
    assert merged == {"a": {"b": 1}, "c": {"b": 1, "d": 2}, "e": {"b": 1}}


def test_aliases_that_grow_without_end():
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 10)]
    with pytest.raises(CGAAError, match="aliases stand for more than 10000000 values"):
        parse_yaml("\n".join(lines))
    with pytest.raises(CGAAError, match="aliases stand for more than"):
        parse_yaml("a: &a [*a]")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "expected a plan: keys and values, but the file is empty"),
        (b"- 1\n", "but the file holds"),
        (b"a:\n\t- 1\n", "not YAML .*found character .*that cannot start any token"),
        (b"a: \xff\xfe\n", "not YAML"),
        (b"\x00\x01", "not YAML"),
        (b"[" * 3000, "nested too deep|nesting depth"),
        (b"a: 2001-99-99\n", "not YAML"),
        (b"a: " + b"9" * 5000, "not YAML|seed"),
        (b"a: !!python/object/apply:os.getcwd []\n", "not YAML"),
        (b"#" * 10_000_001, "larger than 10 MB"),
    ],
)
def test_files_that_hold_no_settings(tmp_path, content, message):
    path = tmp_path / "plan.yaml"
    path.write_bytes(content)
    with pytest.raises(CGAAError, match=f"plan.yaml: .*{message}") as error:
        read_yaml(path, "a plan")
    assert "\n" not in str(error.value) and len(str(error.value)) < 500


def test_files_that_are_none(tmp_path):
    with pytest.raises(CGAAError, match="Is a directory; expected a plan"):
        read_yaml(tmp_path, "a plan")
    with pytest.raises(CGAAError, match="No such file or directory; expected a plan"):
        read_yaml(tmp_path / "none.yaml", "a plan")
