"""Every message of the package with its cure, read from the source: what is raised, warned of or advised."""

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from .markdown import HOLE, escaped

PACKAGE = Path(__file__).parents[2] / "openmm_cgaa"
VERBS = (
    "add|analyse|ask|begin|bring|call|change|check|choose|convert|copy|delete|get|give|go|install|leave|let|list|look|lower|"
    "make|measure|mend|minimise|move|must|pack|pip|pull|put|read|relax|remove|replace|say|start|take|train|turn|update|use|write"
)
# what tells people what to do; a few verbs are names of things as well
TODO = rf"(?:(?:{VERBS}) [\w'(\[`{{]|set [\w'(]|step out|name (?:a|another|it|one|the) )"
CURE = re.compile(rf"(?:^|[;:.] )(?={TODO})", re.IGNORECASE)  # a clause of its own, behind which it goes on
ADVICE = re.compile(rf"(?:^|[;:.,?(] |\bor |\band ){TODO}", re.IGNORECASE)
TOLD = {"warn", "warning"}  # calls that tell something beside errors
OPTIONS = {"add_argument", "add_parser", "add_description", "add_number", "add_structure", "add_subparsers"}
SILENT = {"AttributeError", "NotImplementedError"}  # of no message to people


@dataclass(frozen=True)
class Message:
    """What is told.

    Attributes
    ----------
    room : str
        Of the package, where it is told.
    error : str
        The class of the error; empty for warnings, notes and parts of messages.
    text : str
        Its words, with a name in braces for what is filled in.
    """

    room: str
    error: str
    text: str

    @property
    def line(self) -> str:
        """As Markdown: the class, what was wrong, and behind an arrow its cure, where that is a clause of its own."""
        start = CURE.search(self.text)
        wrong, cure = (self.text[: start.start()], self.text[start.end() :]) if start else (self.text, "")
        parts = [f"`{self.error}`" if self.error else "", escaped(wrong, holes=True) or "…"]
        parts += ["→", escaped(cure, holes=True)] if cure else []
        return " ".join(part for part in parts if part)


def words(node: ast.AST) -> str:
    """The words of a string; what is filled in becomes a name in braces; none of what holds no string."""
    if isinstance(node, ast.Constant):
        return node.value if isinstance(node.value, str) else ""
    if isinstance(node, ast.FormattedValue):
        return "{" + _filled(node.value) + "}"
    if isinstance(node, ast.JoinedStr):
        return "".join(map(words, node.values))
    if isinstance(node, ast.BinOp) and (words(node.left) or words(node.right)):
        return "".join(words(side) or "{" + _filled(side) + "}" for side in (node.left, node.right))
    return ""


def _filled(node: ast.expr) -> str:
    """What is filled in: a number of things, a variable, an attribute of one, else an ellipsis."""
    if _called(node) == "counted":
        thing = node.args[1]  # type: ignore[attr-defined]  # a call has arguments
        return f"N {thing.value}s" if isinstance(thing, ast.Constant) else "N"
    name = ast.unparse(node).removeprefix("self.")
    return name.replace("_", " ").replace(".", " ").strip() if re.fullmatch(r"\w+(\.\w+)?", name) else "…"


def _called(node: ast.AST) -> str:
    """The last name of what is called; empty where nothing is."""
    return ast.unparse(node.func).split(".")[-1] if isinstance(node, ast.Call) else ""


def _no_messages(tree: ast.Module) -> Iterator[ast.AST]:
    """What holds strings that are none: docstrings, options and commands with their help, fields of settings."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
            yield node
        if isinstance(node, ast.ClassDef):
            yield from (line for line in node.body if isinstance(line, ast.AnnAssign))
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) in ("help", "COMMANDS"):
            yield node
        if _called(node) in OPTIONS:
            yield node


def _strings(node: ast.AST) -> Iterator[ast.AST]:
    """The outermost strings below a node; a sum of strings is one."""
    if isinstance(node, ast.Constant | ast.JoinedStr) or (isinstance(node, ast.BinOp) and words(node)):
        yield node
    else:
        for part in ast.iter_child_nodes(node):
            yield from _strings(part)


def _tellers(tree: ast.Module) -> Iterator[tuple[ast.AST, str]]:
    """What tells something, and what it raises (a class), warns by, or neither; what is most exact comes first."""
    nodes = list(ast.walk(tree))
    for node in nodes:
        if isinstance(node, ast.Raise) and node.exc is not None and _called(node.exc) not in SILENT:
            yield node.exc, _called(node.exc)
        if isinstance(node, ast.Assert) and node.msg is not None:  # in what TorchScript compiles
            yield node.msg, "AssertionError"
    for node in nodes:
        if _called(node) in TOLD:
            yield node, _called(node)
    yield tree, ""


def messages_of(path: Path) -> list[Message]:
    """All messages of one module, each once: errors in their order, then warnings, then what only advises."""
    tree = ast.parse(path.read_text("utf-8"))
    room = path.relative_to(PACKAGE).parts[0].removesuffix(".py")
    seen = {id(part) for node in _no_messages(tree) for part in ast.walk(node)}
    found = {}
    for teller, kind in _tellers(tree):
        for node in _strings(teller):
            text = words(node).replace("}{", "} {").strip()
            told = len(re.findall(r"[a-z]{2,}", HOLE.sub("", text))) > 1 and "\n" not in text and "<!--" not in text
            if id(node) not in seen and told and (kind or ADVICE.search(text)):
                found.setdefault(text, Message(room, kind if kind[:1].isupper() else "", text))
            seen.update(id(part) for part in ast.walk(node))
    return list(found.values())


def messages() -> list[Message]:
    """Those of the whole package."""
    return [message for path in sorted(PACKAGE.rglob("*.py")) for message in messages_of(path)]


def markdown() -> str:
    """A heading for each room, what is in the room, and each of its messages with its cure; errors come first."""
    rooms: dict[str, list[Message]] = {}
    for message in sorted(messages(), key=lambda message: not message.error):
        rooms.setdefault(message.room, []).append(message)
    lines = []
    for room, told in sorted(rooms.items()):
        home = PACKAGE / room / "__init__.py"
        said = ast.get_docstring(ast.parse((home if home.exists() else PACKAGE / f"{room}.py").read_text("utf-8")))
        about = " ".join(re.split(r"\.\s", said or "")[0].split()).strip(".")
        lines += [f"## {room}", "", f"{escaped(about)}.", "", *(f"- {message.line}" for message in told), ""]
    return "\n".join(lines)
