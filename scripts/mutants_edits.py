"""The mutants of one module: small changes of its syntax tree, each of which some test should notice.

Text for people (what is inside ``raise``, arguments of error classes, hints, labels of enumerations, docstrings, and
returned texts that have spaces), annotations, decorators, assertions and ``__slots__`` are left alone: no behaviour
that a test should pin hangs on them.
"""

from __future__ import annotations

import ast
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from types import CodeType
from typing import Any

_COMPARED: dict[type[ast.cmpop], type[ast.cmpop]] = {
    ast.Lt: ast.LtE,
    ast.LtE: ast.Lt,
    ast.Gt: ast.GtE,
    ast.GtE: ast.Gt,
    ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq,
    ast.Is: ast.IsNot,
    ast.IsNot: ast.Is,
    ast.In: ast.NotIn,
    ast.NotIn: ast.In,
}
_COMPUTED: dict[type[ast.operator], type[ast.operator]] = {
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.Add,
    ast.FloorDiv: ast.Mult,
    ast.Div: ast.Mult,
    ast.Mod: ast.Mult,
    ast.Pow: ast.Mult,
    ast.LShift: ast.RShift,
    ast.RShift: ast.LShift,
    ast.BitAnd: ast.BitOr,
    ast.BitOr: ast.BitAnd,
    ast.BitXor: ast.BitAnd,
}
_TEXT_NAMES = re.compile("HINT|RULE|^hint$|^__all__$|^__slots__$")
_ENUMS = frozenset(("Enum", "IntEnum", "StrEnum", "Flag"))


@dataclass(frozen=True)
class Mutant:
    """One change.

    Attributes:
        module: path below the package.
        line: number of the line.
        text: that line without its indentation.
        change: what was done, with the column in ``text`` that it begins at, and a number where that fits several.
        code: the whole module, compiled with the change.
    """

    module: str
    line: int
    text: str
    change: str
    code: CodeType

    @property
    def key(self) -> tuple[str, str, str]:
        """What names it as long as its line stays as it is."""
        return self.module, self.text, self.change


@dataclass(frozen=True)
class _Edit:
    """Put ``new`` in the place of one field, or one item of a field, of ``owner``."""

    at: ast.expr | ast.stmt
    owner: ast.AST
    name: str
    index: int | None
    new: Any
    told: str


def mutants(module: str, source: str, filename: str) -> list[Mutant]:
    """All mutants of a module, in the order of its lines.

    Args:
        module: its path below the package.
        source: its text.
        filename: where it lies, for tracebacks.
    """
    tree = ast.parse(source, filename)
    lines = source.splitlines()
    found = []
    for edit in list(_Finder(tree).edits(tree)):
        line = lines[edit.at.lineno - 1]
        column = edit.at.col_offset - (len(line) - len(line.lstrip()))
        code = _compiled(tree, edit, filename)
        if code is not None:
            found.append(Mutant(module, edit.at.lineno, line.strip(), f"{column}: {edit.told}", code))
    found.sort(key=lambda mutant: (mutant.line, mutant.change))
    return _numbered(found)


def _numbered(found: list[Mutant]) -> list[Mutant]:
    """Every key is of one mutant: those that look the same are told apart by a number."""
    seen: Counter[tuple[str, str, str]] = Counter()
    numbered = []
    for mutant in found:
        seen[mutant.key] += 1
        number = seen[mutant.key]
        numbered.append(mutant if number == 1 else replace(mutant, change=f"{mutant.change}, the same again, {number}"))
    return numbered


def _compiled(tree: ast.Module, edit: _Edit, filename: str) -> CodeType | None:
    field = getattr(edit.owner, edit.name)
    old = field if edit.index is None else field[edit.index]
    _put(edit, edit.new)
    try:
        return compile(ast.fix_missing_locations(tree), filename, "exec", dont_inherit=True)
    except (SyntaxError, ValueError):
        return None
    finally:
        _put(edit, old)


def _put(edit: _Edit, value: Any) -> None:
    if edit.index is None:
        setattr(edit.owner, edit.name, value)
    else:
        getattr(edit.owner, edit.name)[edit.index] = value


class _Finder:
    """Walks a tree and says what can be changed."""

    def __init__(self, tree: ast.Module) -> None:
        self._errors = {
            alias.asname or alias.name
            for node in ast.walk(tree)
            if isinstance(node, ast.ImportFrom) and node.module == "gimmal.base.errors"
            for alias in node.names
        }

    def edits(self, node: ast.AST, returns_bool: bool = False) -> Iterator[_Edit]:
        """The changes of everything below a node."""
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            returns_bool = isinstance(node.returns, ast.Name) and node.returns.id == "bool"
        for name, value in ast.iter_fields(node):
            if name in ("annotation", "returns", "decorator_list", "type_comment", "bases"):
                continue
            items = enumerate(value) if isinstance(value, list) else ((None, value),)
            for index, child in items:
                if isinstance(child, ast.AST) and not self._left_alone(node, name, index, child):
                    if isinstance(child, ast.expr):
                        yield from _of_expression(child, node, name, index)
                    elif isinstance(child, ast.stmt):
                        yield from _of_statement(child, node, name, index, returns_bool)
                    if not isinstance(child, ast.Raise):
                        yield from self.edits(child, returns_bool)

    def _left_alone(self, owner: ast.AST, name: str, index: int | None, child: ast.AST) -> bool:
        if isinstance(child, ast.Assert | ast.Import | ast.ImportFrom | ast.JoinedStr):
            return True
        if isinstance(child, ast.Expr) and isinstance(child.value, ast.Constant):
            return True
        if isinstance(owner, ast.Return) and _is_text(child) and " " in ast.unparse(child):
            return True
        if isinstance(child, ast.If) and isinstance(child.test, ast.Name) and child.test.id == "TYPE_CHECKING":
            return True
        if isinstance(child, ast.Call) and isinstance(child.func, ast.Name) and child.func.id in self._errors:
            return True
        if isinstance(child, ast.AnnAssign) and ast.unparse(child.annotation) == "TypeAlias":
            return True
        if isinstance(child, ast.Assign | ast.AnnAssign) and any(_TEXT_NAMES.search(n) for n in _targets(child)):
            return True
        return isinstance(owner, ast.ClassDef) and _is_enum(owner) and _is_text(getattr(child, "value", None))


def _targets(node: ast.Assign | ast.AnnAssign) -> list[str]:
    targets = node.targets if isinstance(node, ast.Assign) else [node.target]
    return [target.id for target in targets if isinstance(target, ast.Name)]


def _is_enum(node: ast.ClassDef) -> bool:
    return any(isinstance(base, ast.Name) and base.id in _ENUMS for base in node.bases)


def _is_text(node: object) -> bool:
    return isinstance(node, ast.Constant) and isinstance(node.value, str)


def _of_expression(node: ast.expr, owner: ast.AST, name: str, index: int | None) -> Iterator[_Edit]:
    def instead(new: ast.expr, told: str) -> _Edit:
        return _Edit(node, owner, name, index, ast.copy_location(new, node), told)

    if isinstance(node, ast.Compare):
        for place, operation in enumerate(node.ops):
            other = _COMPARED[type(operation)]
            yield _Edit(node, node, "ops", place, other(), f"{_named(operation)} -> {other.__name__}")
    elif isinstance(node, ast.BoolOp):
        turned = ast.Or() if isinstance(node.op, ast.And) else ast.And()
        yield _Edit(node, node, "op", None, turned, f"{_named(node.op)} -> {_named(turned)}")
        for place in range(len(node.values)):
            kept = node.values[:place] + node.values[place + 1 :]
            dropped = kept[0] if len(kept) == 1 else ast.BoolOp(node.op, kept)
            yield instead(dropped, f"without condition {place + 1}")
    elif isinstance(node, ast.UnaryOp):
        yield instead(node.operand, f"without {_named(node.op)}")
    elif isinstance(node, ast.BinOp) and type(node.op) in _COMPUTED:
        operator = _COMPUTED[type(node.op)]
        yield _Edit(node, node, "op", None, operator(), f"{_named(node.op)} -> {operator.__name__}")
    elif isinstance(node, ast.Constant):
        yield from (instead(ast.Constant(value), f"{node.value!r} -> {value!r}") for value in _other_values(node.value))
    elif isinstance(node, ast.IfExp):
        yield from _decided(node)
    elif isinstance(node, ast.Slice):
        for bound in ("lower", "upper"):
            if getattr(node, bound) is not None:
                yield _Edit(node, node, bound, None, None, f"slice without {bound}")


def _of_statement(node: ast.stmt, owner: ast.AST, name: str, index: int | None, returns_bool: bool) -> Iterator[_Edit]:
    dropped = _Edit(node, owner, name, index, ast.copy_location(ast.Pass(), node), "dropped")
    if isinstance(node, ast.If | ast.While):
        yield from _decided(node)
    elif isinstance(node, ast.Raise | ast.Expr | ast.AugAssign | ast.Delete | ast.Continue | ast.Break):
        yield dropped
    elif isinstance(node, ast.Assign | ast.AnnAssign):
        targets = node.targets if isinstance(node, ast.Assign) else [node.target]
        if node.value is not None and any(isinstance(target, ast.Attribute | ast.Subscript) for target in targets):
            yield dropped
    elif isinstance(node, ast.Return):
        if node.value is None:
            yield dropped
        elif returns_bool:
            for value in (True, False):
                if not (isinstance(node.value, ast.Constant) and node.value.value is value):
                    yield _Edit(node, node, "value", None, ast.Constant(value), f"return {value}")
        elif not (isinstance(node.value, ast.Constant) and node.value.value is None):
            yield _Edit(node, node, "value", None, ast.Constant(None), "return None")


def _decided(node: ast.If | ast.While | ast.IfExp) -> Iterator[_Edit]:
    if isinstance(node.test, ast.Constant):
        return
    for value in (False,) if isinstance(node, ast.While) else (True, False):
        yield _Edit(node, node, "test", None, ast.Constant(value), f"condition {value}")


def _other_values(value: object) -> list[object]:
    if isinstance(value, bool):
        return [not value]
    if isinstance(value, int | float):
        return [value + 1]
    if isinstance(value, str):
        return [value + "x"] if value else ["x"]
    if isinstance(value, bytes):
        return [value + b"x"] if value else [b"x"]
    return []


def _named(node: ast.AST) -> str:
    return type(node).__name__
