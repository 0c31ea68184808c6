"""Faults put into tested functions, as a programmer makes them: more cases of "Fix" than the data has.

A function of HumanEval-Infilling, whole and without its docstring, gets one small fault of those below, chosen by
a seeded lot among all that make its tests fail. So each is about as long, and as wrong, as the data's own.
"""

from __future__ import annotations

import ast
import copy
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass

_COMPARE: dict[type[ast.cmpop], type[ast.cmpop]] = {
    ast.Lt: ast.LtE,
    ast.LtE: ast.Lt,
    ast.Gt: ast.GtE,
    ast.GtE: ast.Gt,
    ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq,
    ast.In: ast.NotIn,
    ast.NotIn: ast.In,
}
_COUNT: dict[type[ast.operator], type[ast.operator]] = {
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.Add,
    ast.FloorDiv: ast.Div,
    ast.Div: ast.FloorDiv,
    ast.Mod: ast.FloorDiv,
}


@dataclass(frozen=True)
class Mutant:
    """`code` has a fault that `tests`, a `check(candidate)`, find."""

    id: str
    entry: str
    code: str
    tests: str


def mutants(rows: list[dict[str, str]], fails: Callable[[Mutant], bool], seed: int = 0) -> Iterator[Mutant]:
    """One of each function in `rows` of HumanEval-Infilling, where there is one that `fails`."""
    seen = set()
    for row in rows:
        if row["entry_point"] in seen:
            continue
        seen.add(row["entry_point"])
        tree = ast.parse(row["prompt"] + row["canonical_solution"] + row["suffix"])
        for node in ast.walk(tree):
            if isinstance(node, ast.FunctionDef) and ast.get_docstring(node) is not None and len(node.body) > 1:
                del node.body[0]
        faulty = [ast.unparse(each) + "\n" for each in _faulty(tree)]
        random.Random(f"{seed} {row['entry_point']}").shuffle(faulty)
        for code in faulty[:8]:
            mutant = Mutant(f"mutant/{row['entry_point']}", row["entry_point"], code, row["test"])
            if fails(mutant):
                yield mutant
                break


def _faulty(tree: ast.Module) -> Iterator[ast.Module]:
    """The module with one fault more, in all the ways."""
    count = len(list(ast.walk(tree)))
    for at in range(count):
        for way in range(2):
            changed = copy.deepcopy(tree)
            node = list(ast.walk(changed))[at]
            if _spoil(node, way):
                yield changed


def _spoil(node: ast.AST, way: int) -> bool:
    """Put a fault into one node; False when there is none of this way for it."""
    match node, way:
        case ast.Compare(ops=[op, *_]), 0 if type(op) in _COMPARE:
            node.ops[0] = _COMPARE[type(op)]()
        case ast.BinOp(op=op), 0 if type(op) in _COUNT:
            node.op = _COUNT[type(op)]()
        case ast.BinOp(op=ast.Sub()), 1:
            node.left, node.right = node.right, node.left
        case ast.Constant(value=int() as value), _ if not isinstance(value, bool):
            node.value = value + (1 if way == 0 else -1)
        case ast.Constant(value=bool() as value), 0:
            node.value = not value
        case ast.BoolOp(op=op), 0:
            node.op = ast.And() if isinstance(op, ast.Or) else ast.Or()
        case ast.UnaryOp(op=ast.Not(), operand=operand), 0:
            node.op, node.operand = ast.Not(), ast.UnaryOp(ast.Not(), operand)
        case ast.Call(func=ast.Name(id=name)), 0 if name in _OTHER:
            node.func = ast.Name(_OTHER[name])
        case ast.AugAssign(op=op), 0 if type(op) in _COUNT:
            node.op = _COUNT[type(op)]()
        case ast.If(orelse=[]), 0:
            node.test = ast.Constant(True)
        case _:
            return False
    ast.fix_missing_locations(node)
    return True


_OTHER = {"min": "max", "max": "min", "any": "all", "all": "any"}
