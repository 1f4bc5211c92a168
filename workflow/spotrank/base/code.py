"""What code decides a stage's numbers: a hash of the statements that it uses, or a version.

Caches and tables keep the answer, so that none is taken for what other code would make.
"""

import ast
import hashlib
from functools import cache
from pathlib import Path

import yaml

from spotrank.base.store import RESOURCES

WORKFLOW = Path(__file__).parents[2]
GOLDEN = RESOURCES / "golden.yaml"


@cache
def numbers(stage):
    """The version of a stage's numbers, if its code is known to give them, else `code_hash`.

    `resources/golden.yaml` says which code was found to give the golden vectors of the tests: a
    function that was moved, or a new option, does not make a cell stale. `make golden` writes it.
    """
    known = yaml.safe_load(GOLDEN.read_text(encoding="utf-8"))[stage]
    code = code_hash(stage)
    return known["version"] if code == known["code"] else code


@cache
def code_hash(script):
    """Hash of a script's statements, and of all definitions of this package that they use.

    A definition counts by what it says: not comments, docstrings and layout, nor the module that it
    stands in. What the script does not use does not count.
    """
    todo, texts = [(_module(f"scripts.{script}"), None)], set()
    done = set(todo)
    while todo:
        module, name = todo.pop()
        for node in module.statements(name):
            text, used = _read(module, node)
            texts.add(text)
            new = used - done
            done |= new
            todo += new
    return hashlib.sha256("\n".join(sorted(texts)).encode()).hexdigest()[:16]


class _Module:
    """A module's top-level statements by the names that they define, and its imports of ours."""

    def __init__(self, path):
        self.definitions, self.rest, self.imported = {}, [], {}
        tree = ast.parse(path.read_text(encoding="utf-8"))
        for node in ast.walk(tree):
            if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef):
                node.body = node.body[ast.get_docstring(node) is not None :]
            if _is_ours(node):
                for alias in node.names:
                    self.imported[alias.asname or alias.name] = node.module, alias.name
        for node in tree.body:
            if not _is_ours(node):
                for name in _defined(node):
                    self.definitions.setdefault(name, []).append(node)
                if not _defined(node):
                    self.rest.append(node)

    def statements(self, name):
        """Those that define `name`, or those that are run whatever is used."""
        return self.rest if name is None else self.definitions[name]

    def find(self, name):
        """Yield where `name` is defined, here or where it is imported from."""
        if name in self.definitions:
            yield self, name
            yield self, None
        elif name in self.imported and not _module(".".join(self.imported[name])):
            where, original = self.imported[name]
            yield from _module(where).find(original)

    def stands_for(self, node):
        """The module of ours that a node names, if it does."""
        if isinstance(node, ast.Name) and node.id in self.imported:
            return _module(".".join(self.imported[node.id]))
        return None


@cache
def _read(module, node):
    """What a statement says, and the `(module, name)` of this package that it uses."""
    used = set()
    return str(_plain(node, module, used)), used


@cache
def _module(name):
    """The module of a dotted name, if there is one."""
    path = WORKFLOW / name.replace(".", "/")
    for file in (path.with_suffix(".py"), path / "__init__.py"):
        if file.exists():
            return _Module(file)
    return None


def _is_ours(node):
    return isinstance(node, ast.ImportFrom) and (node.module or "").startswith("spotrank")


def _defined(node):
    """Names that a top-level statement defines."""
    if isinstance(node, ast.FunctionDef | ast.ClassDef):
        return [node.name]
    if isinstance(node, ast.Import | ast.ImportFrom):
        return [(alias.asname or alias.name).partition(".")[0] for alias in node.names]
    if isinstance(node, ast.Assign | ast.AnnAssign | ast.AugAssign):
        return [
            part.id
            for part in ast.walk(node)
            if isinstance(part, ast.Name) and isinstance(part.ctx, ast.Store)
        ]
    return []


def _plain(node, module, used):
    """What a node of a syntax tree holds, the same text with every version of Python.

    Names of this package's modules are left out, for they say where a definition stands. `used`
    gets the `(module, name)` of this package that are met.
    """
    if isinstance(node, list):
        return [_plain(part, module, used) for part in node if not _is_ours(part)]
    if not isinstance(node, ast.AST):
        return node
    if isinstance(node, ast.Name):
        used.update(module.find(node.id))
        return module.imported.get(node.id, (None, node.id))[1]
    if isinstance(node, ast.Attribute) and (named := module.stands_for(node.value)):
        used.update(named.find(node.attr))
        return node.attr
    held = {
        key: _plain(value, module, used)
        for key, value in ast.iter_fields(node)
        if value not in ([], None)
    }
    return type(node).__name__, held
