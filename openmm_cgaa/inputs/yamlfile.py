"""YAML files: keys and values, each key once, nothing that grows beyond the file."""

import os

import yaml

try:
    from yaml import CSafeLoader as SafeLoader  # several times faster
except ImportError:  # PyYAML was built without libyaml
    from yaml import SafeLoader  # type: ignore[assignment]  # both read the same

from ..errors import CGAAError

LARGEST = 10_000_000  # bytes of a file, and values that its aliases stand for


class _Loader(SafeLoader):
    """Refuses a key that stands there twice, of which YAML would take the last one without a word."""

    def construct_mapping(self, node: yaml.Node, deep: bool = False) -> dict:
        lines: dict[tuple[str, str], int] = {}
        for key, _ in node.value if isinstance(node, yaml.MappingNode) else ():
            name, line = (key.tag, str(key.value)), key.start_mark.line + 1
            if name in lines:
                raise CGAAError(f"{key.value} stands there twice, in lines {lines[name]} and {line}; leave one out")
            lines[name] = line
        return super().construct_mapping(node, deep)


def is_yaml(path: str | os.PathLike[str]) -> bool:
    """Whether a file is YAML by its name."""
    return os.path.splitext(path)[1].lower() in (".yaml", ".yml")


def parse_yaml(text: str | bytes) -> object:
    """What a YAML text holds.

    Parameters
    ----------
    text : str or bytes

    Raises
    ------
    CGAAError
        It is not YAML, holds a key twice, or aliases that stand for more than ten million values.
    """
    try:
        loader = _Loader(text)
        node = loader.get_single_node()
        if node is None:
            return None
        if _size(node, {}) > LARGEST:
            raise CGAAError(f"its aliases stand for more than {LARGEST} values; write out what is meant")
        return loader.construct_document(node)
    except RecursionError:
        raise CGAAError("not YAML that can be read: its blocks are nested too deep") from None
    except (yaml.YAMLError, ValueError, OverflowError) as error:  # ValueError: a date or a number that cannot be
        if isinstance(error, CGAAError):
            raise
        raise CGAAError(f"not YAML ({' '.join(str(error).split())})") from None


def read_yaml(path: str | os.PathLike[str], what: str) -> dict:
    """The mapping that a YAML file holds; `what` says for messages what was expected.

    Raises
    ------
    CGAAError
        The file is missing, not YAML, holds a key twice, or no mapping.
    """
    try:
        with open(path, "rb") as file:
            text = file.read(LARGEST + 1)
    except OSError as error:
        raise CGAAError(f"{path}: {error.strerror}; expected {what}") from None
    if len(text) > LARGEST:
        raise CGAAError(f"{path}: is larger than {LARGEST // 10**6} MB; expected {what}")
    try:
        values = parse_yaml(text)
    except CGAAError as error:
        raise CGAAError(f"{path}: {error}") from None
    if not isinstance(values, dict):
        found = "is empty" if values is None else f"holds {str(values)[:60]!r}"
        raise CGAAError(f"{path}: expected {what}: keys and values, but the file {found}")
    return values


def changed(values: dict, change: str) -> None:
    """Set one nested key of what a file holds, in place.

    Parameters
    ----------
    values : dict
    change : str
        ``a.b=value``, with the value in YAML.

    Raises
    ------
    CGAAError
        It is no such word, or ``a`` is no block of keys.
    """
    key, equals, text = change.partition("=")
    if not equals or not all(key.split(".")):
        raise CGAAError(
            f"change {change!r}: expected key=value, the value in YAML; for example seed=2 or "
            "data.max_grains.liquid=10000"
        )
    try:
        value = parse_yaml(text)
    except CGAAError as error:
        raise CGAAError(f"change {change!r}: the value is {error}; expected key=value, such as seed=2") from None
    *above, last = key.split(".")
    for name in above:
        if isinstance(values, dict) and values.get(name) is None:
            values[name] = {}
        values = values[name] if isinstance(values, dict) else None
    if not isinstance(values, dict):
        raise CGAAError(f"change {change!r}: {'.'.join(above) or 'the file'} is no block of keys")
    values[last] = value


def _size(node: yaml.Node, known: dict[int, int]) -> int:
    """Values in a node with all aliases written out; a node inside itself has no end."""
    if id(node) not in known:
        known[id(node)] = LARGEST + 1  # until it is known
        inner = node.value if isinstance(node, yaml.CollectionNode) else []
        pairs = isinstance(node, yaml.MappingNode)
        known[id(node)] = 1 + sum(_size(n, known) for entry in inner for n in (entry if pairs else [entry]))
    return known[id(node)]
