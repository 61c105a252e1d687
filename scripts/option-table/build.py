#!/usr/bin/env python3
"""Build the option table from the real option declarations of NixOS.

    build.py --out xtask/data/options.tsv \\
        --nixpkgs PATH --release 20.09 \\
        --nixos PATH --lib PATH --release 24.11 \\
        --defined xtask/data/defined-by-nixpkgs.txt

Each release is a nixpkgs checkout (`--nixpkgs`), or the `nixos` folder of one
with the `lib` folder that belongs to it (`--nixos`, `--lib`). The modules of
`nixos/modules/module-list.nix` are evaluated by Nix with a stand-in for the
packages (packages.nix), so no package and no network is needed.

An option that does not evaluate never stops the walk: what `tryEval` does not
catch is narrowed down by evaluating ever smaller slices of the tree, and is
written with the type `?`.

The table: lines starting with `#` are comments, `# releases:` lists what was
seen. Then rows of five tab-separated columns, sorted by bytes:

    path  type  since  until  flags

path   components joined by `.`, `*` for the name in an attribute set of
       declared values; names that are no plain identifiers are in double
       quotes. Elements of lists have no name, so there are no rows for them,
       nor below types that are never merged per attribute.
type   the structure of the type, see xtask/src/options/types.rs.
since  first release, of those seen, that has the path with this type and these
until  flags; last such release. A path that changes has one row per range.
flags  comma-separated or `-`: apply, readOnly, internal, alias (renamed from
       this path to another), removed (declared only to say that it is gone).

With `--defined`, a second step lists which of the options whose order of
definitions may show the modules define themselves: rows of path, since, until
and `defined`, or `forwarded` where only the definitions of a renamed option
arrive. See xtask/examples/defined-by-nixpkgs; it needs cargo, and takes the
table as it was built just now.
"""

import argparse
import json
import os
import re
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
PLAIN = re.compile(r"^[A-Za-z0-9_][A-Za-z0-9_'+-]*$")
PACKAGE = re.compile(r"\bpkgs((?:\.[A-Za-z_][A-Za-z0-9_'-]*)+)")
INHERITED = re.compile(r"\binherit\s*\(pkgs((?:\.[A-Za-z_][A-Za-z0-9_'-]*)*)\)\s*([^;]*);")


def package_names(nixos):
    """The `pkgs.…` names in the modules, as nested dictionaries."""
    names = {}

    def add(parts):
        here = names
        for part in parts:
            here = here.setdefault(part, {})

    for folder, _, files in os.walk(os.path.join(nixos, "modules")):
        for file in files:
            if not file.endswith(".nix"):
                continue
            with open(os.path.join(folder, file), encoding="utf-8") as handle:
                text = handle.read()
            for match in PACKAGE.finditer(text):
                add(match.group(1)[1:].split("."))
            for match in INHERITED.finditer(text):
                prefix = [p for p in match.group(1).split(".") if p]
                for name in match.group(2).split():
                    add(prefix + [name])
    return names


class Release:
    """One set of option declarations and how to evaluate slices of it."""

    def __init__(self, name, nixos, lib, scratch):
        self.name = name
        self.nixos = os.path.realpath(nixos)
        self.lib = os.path.realpath(lib)
        self.scratch = scratch
        self.names_file = os.path.join(scratch, f"packages-{name}.json")
        with open(self.names_file, "w", encoding="utf-8") as handle:
            json.dump(package_names(self.nixos), handle)
        self.failures = {}

    def evaluate(self, slices, mode):
        """One result per slice, or None and the error where Nix gave up."""
        file = os.path.join(self.scratch, f"slices-{self.name}.json")
        with open(file, "w", encoding="utf-8") as handle:
            json.dump(slices, handle)
        command = [
            "nix-instantiate", "--eval", "--strict", "--json", os.path.join(HERE, "walk.nix"),
            "--arg", "nixos", self.nixos, "--arg", "lib", self.lib,
            "--argstr", "packageNames", self.names_file,
            "--argstr", "slices", file, "--argstr", "mode", mode,
        ]
        environment = dict(os.environ, NIX_PATH="", GC_INITIAL_HEAP_SIZE="2G")
        done = subprocess.run(command, capture_output=True, text=True, env=environment)
        if done.returncode == 0:
            return json.loads(done.stdout), ""
        return None, done.stderr

    def rows(self, slices):
        """Rows of all slices; what fails is split until it is one option."""
        result, error = self.evaluate(slices, "walk")
        if result is not None:
            return [row for rows in result for row in rows]
        if len(slices) > 1:
            middle = len(slices) // 2
            return self.rows(slices[:middle]) + self.rows(slices[middle:])
        children, _ = self.evaluate(slices, "names")
        if children and children[0]:
            print(f"{self.name}: splitting {'.'.join(slices[0]) or 'the whole tree'}", file=sys.stderr)
            return self.rows([slices[0] + [name] for name in children[0]])
        self.failures[render(slices[0])] = last_error(error)
        return [{"path": slices[0], "failed": True}]

    def table(self):
        """Path -> (type, flags)."""
        table = {}
        for row in self.rows([[]]):
            path = render(row["path"])
            if row.get("failed"):
                self.failures.setdefault(path, "the declaration throws")
                table.setdefault(path, ("?", "-"))
            else:
                table[path] = (row["type"], ",".join(row["flags"]) or "-")
        return table


def last_error(text):
    lines = [line.strip() for line in text.splitlines() if "error:" in line]
    return lines[-1] if lines else "no message"


def render(path):
    return ".".join(part if part == "*" or PLAIN.match(part) else json.dumps(part) for part in path)


def merge(tables):
    """Rows with the range of releases over which path, type and flags hold."""
    rows = []
    for path in sorted({path for _, table in tables for path in table}):
        current = None
        for name, table in tables:
            found = table.get(path)
            if current and found == current[0]:
                current[2] = name
                continue
            if current:
                rows.append((path, current))
            current = [found, name, name] if found else None
        if current:
            rows.append((path, current))
    lines = ["\t".join((path, kind, since, until, flags)) for path, ((kind, flags), since, until) in rows]
    return sorted(lines, key=lambda line: line.encode())


class Source(argparse.Action):
    def __call__(self, parser, namespace, values, option_string=None):
        sources = namespace.sources
        if option_string == "--release":
            if not sources or "release" in sources[-1]:
                parser.error("--release stands behind the tree it names")
            if not re.fullmatch(r"\d\d\.\d\d", values):
                parser.error(f"--release {values}: not of the form 24.11")
            sources[-1]["release"] = values
        elif option_string == "--lib":
            if not sources or "nixos" not in sources[-1]:
                parser.error("--lib stands behind --nixos")
            sources[-1]["lib"] = values
        elif option_string == "--nixos":
            sources.append({"nixos": values})
        else:
            sources.append({"nixos": os.path.join(values, "nixos"), "lib": os.path.join(values, "lib")})


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for option in ("--nixpkgs", "--nixos", "--lib", "--release"):
        parser.add_argument(option, action=Source, metavar="RELEASE" if option == "--release" else "DIR")
    parser.add_argument("--out", required=True, metavar="FILE")
    parser.add_argument("--defined", metavar="FILE", help="list what the modules define, too")
    parser.set_defaults(sources=[])
    arguments = parser.parse_args()
    for source in arguments.sources:
        if "release" not in source or "lib" not in source:
            parser.error("every tree needs a --release, and --nixos a --lib")
        if not os.path.exists(os.path.join(source["nixos"], "modules", "module-list.nix")):
            parser.error(f"{source['nixos']}: no modules/module-list.nix")
    if not arguments.sources:
        parser.error("no tree given")
    arguments.sources.sort(key=lambda source: source["release"])

    tables = []
    with tempfile.TemporaryDirectory() as scratch:
        for source in arguments.sources:
            release = Release(source["release"], source["nixos"], source["lib"], scratch)
            table = release.table()
            tables.append((release.name, table))
            print(f"{release.name}: {len(table)} options, {len(release.failures)} not evaluated", file=sys.stderr)
            for path, error in sorted(release.failures.items()):
                print(f"  {path}: {error}", file=sys.stderr)
    lines = merge(tables)
    with open(arguments.out, "w", encoding="utf-8") as handle:
        handle.write("# Made by scripts/option-table/build.py from the option declarations of NixOS.\n")
        handle.write("# releases: " + " ".join(name for name, _ in tables) + "\n")
        handle.write("# path\ttype\tsince\tuntil\tflags\n")
        handle.write("".join(line + "\n" for line in lines))
    print(f"{arguments.out}: {len(lines)} rows", file=sys.stderr)
    if arguments.defined:
        trees = [f"{source['release']}={source['nixos']}" for source in arguments.sources]
        cargo = ["cargo", "run", "-q", "-p", "xtask", "--example", "defined-by-nixpkgs", "--"]
        table = ["--table", arguments.out, "--out", arguments.defined]
        subprocess.run(cargo + table + trees, check=True)


if __name__ == "__main__":
    main()
