#!/usr/bin/env python3
"""Turns the table of options into the form that the offline stand-in reads.

    scripts/option-table/nested.py [--check]

Reads xtask/data/options.tsv and writes nix/standin/options/table.json: the options
of the newest release as one nested object, so that Nix follows a path without
splitting a string. A number is an option of the type with that index; a list is an
option with options below it; an object is a namespace. Types are names, or lists of
a name and its arguments. With --check nothing is written: the exit status says
whether the file is current.
"""

import json
import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
SOURCE = ROOT / "xtask/data/options.tsv"
TARGET = ROOT / "nix/standin/options/table.json"


def parse(text):
    """A type expression as nested lists."""
    tokens = re.findall(r"[(),]|[^(),]+", text)
    position = 0

    def expression():
        nonlocal position
        name = tokens[position]
        position += 1
        if position == len(tokens) or tokens[position] != "(":
            return name
        arguments = []
        while tokens[position] != ")":
            position += 1
            arguments.append(expression())
        position += 1
        return [name, *arguments]

    parsed = expression()
    if position != len(tokens):
        raise SystemExit(f"{SOURCE}: {text}: what follows {parsed} is not understood")
    return parsed


def main():
    lines = SOURCE.read_text().splitlines()
    releases = next(l for l in lines if l.startswith("# releases:")).split()[2:]
    newest = releases[-1]
    types, indices, tree = [], {}, {}
    for line in lines:
        if line.startswith("#"):
            continue
        path, kind, _since, until, _flags = line.split("\t")
        if until != newest or path.startswith("_module"):
            continue
        if kind not in indices:
            indices[kind] = len(types)
            types.append(parse(kind))
        node = tree
        # Names with dots stand in quotes.
        for name in re.findall(r'"[^"]*"|[^.]+', path):
            node = node.setdefault(name.strip('"'), {})
        node[""] = indices[kind]

    def compact(node):
        index = node.pop("", None)
        below = {name: compact(child) for name, child in sorted(node.items())}
        if index is None:
            return below
        return [index, below] if below else index

    # One line per top-level name keeps changes readable.
    def rows(pairs):
        return ",\n".join(pairs)

    short = {"separators": (",", ":")}
    tree = compact(tree)
    text = '{"release":%s,\n"types":[\n%s\n],\n"tree":{\n%s\n}}\n' % (
        json.dumps(newest),
        rows(json.dumps(kind, **short) for kind in types),
        rows(
            f"{json.dumps(name)}:{{\n"
            + rows(f" {json.dumps(inner)}:{json.dumps(child, **short)}" for inner, child in node.items())
            + "}"
            if isinstance(node, dict)
            else f"{json.dumps(name)}:{json.dumps(node, **short)}"
            for name, node in tree.items()
        ),
    )
    json.loads(text)
    if "--check" in sys.argv[1:]:
        if not TARGET.exists() or TARGET.read_text() != text:
            raise SystemExit(f"{TARGET.relative_to(ROOT)} is not current: run {pathlib.Path(__file__).relative_to(ROOT)}")
        return
    TARGET.write_text(text)


main()
