//! Random flakes of one host: import trees in every spelling the module system
//! knows, written as text. Nothing here knows what they evaluate to.

use std::collections::{BTreeMap, BTreeSet};

use crate::merge::{Default, Kind, Schema};
use crate::seed::Seed;

const LIST: Schema = Schema::Option(Kind::ListOfStr, Default::Empty);
const LINES: Schema = Schema::Option(Kind::Lines, Default::Empty);
const STR: Schema = Schema::Option(Kind::Str, Default::Empty);

const INNER: &[(&str, Schema)] = &[("l", LIST), ("t", LINES)];
const MIDDLE: &[(&str, Schema)] = &[
    ("l", LIST),
    ("n", Schema::Namespace(&[("l", LIST)])),
    ("s", STR),
    (
        "sub",
        Schema::Option(Kind::AttrsOf(&Kind::Submodule(INNER)), Default::Empty),
    ),
];
const OUTER: &[(&str, Schema)] = &[
    ("l", LIST),
    ("t", LINES),
    (
        "a",
        Schema::Option(Kind::AttrsOf(&Kind::ListOfStr), Default::Empty),
    ),
    (
        "n",
        Schema::Namespace(&[
            ("l", LIST),
            (
                "one",
                Schema::Option(Kind::Submodule(MIDDLE), Default::Empty),
            ),
        ]),
    ),
    (
        "sub",
        Schema::Option(Kind::AttrsOf(&Kind::Submodule(MIDDLE)), Default::Empty),
    ),
];
const W: &[(&str, Schema)] = &[
    ("list", LIST),
    ("lines", LINES),
    ("str", STR),
    ("int", Schema::Option(Kind::Int, Default::Number(7))),
    ("maybe", Schema::Option(Kind::NullOrList, Default::Null)),
    (
        "attrs",
        Schema::Option(Kind::AttrsOf(&Kind::ListOfStr), Default::Empty),
    ),
    (
        "lazy",
        Schema::Option(Kind::LazyAttrsOf(&Kind::ListOfStr), Default::Empty),
    ),
    ("flat", Schema::Option(Kind::Attrs, Default::Empty)),
    (
        "sub",
        Schema::Option(Kind::AttrsOf(&Kind::Submodule(OUTER)), Default::Empty),
    ),
    (
        "one",
        Schema::Option(Kind::Submodule(OUTER), Default::Empty),
    ),
    (
        "ns",
        Schema::Namespace(&[
            ("list", LIST),
            ("lines", LINES),
            (
                "sub",
                Schema::Option(Kind::AttrsOf(&Kind::Submodule(MIDDLE)), Default::Empty),
            ),
        ]),
    ),
];

/// What `schema.nix` declares.
pub const SCHEMA: &[(&str, Schema)] = &[
    (
        "g",
        Schema::Namespace(&[("flag", Schema::Option(Kind::Bool, Default::False))]),
    ),
    ("w", Schema::Namespace(W)),
];

/// The schema as an option table.
pub fn table() -> String {
    fn expression(kind: &Kind) -> String {
        match kind {
            Kind::Bool => "bool".into(),
            Kind::Int => "int".into(),
            Kind::Str => "str".into(),
            Kind::Lines => "lines".into(),
            Kind::ListOfStr => "listOf(str)".into(),
            Kind::NullOrList => "nullOr(listOf(str))".into(),
            Kind::AttrsOf(inner) => format!("attrsOf({})", expression(inner)),
            Kind::LazyAttrsOf(inner) => format!("lazyAttrsOf({})", expression(inner)),
            Kind::Attrs => "attrs".into(),
            Kind::Submodule(_) => "submodule".into(),
        }
    }
    fn below(path: &str, of: &Kind, rows: &mut Vec<String>) {
        match of {
            Kind::AttrsOf(inner) | Kind::LazyAttrsOf(inner) => {
                below(&format!("{path}.*"), inner, rows);
            }
            Kind::Submodule(declared) => walk(&format!("{path}."), declared, rows),
            _ => {}
        }
    }
    fn walk(prefix: &str, declared: &[(&str, Schema)], rows: &mut Vec<String>) {
        for (name, schema) in declared {
            let path = format!("{prefix}{name}");
            match schema {
                Schema::Namespace(declared) => walk(&format!("{path}."), declared, rows),
                Schema::Option(own, _) => {
                    rows.push(format!("{path}\t{}\t20.09\t20.09\t-", expression(own)));
                    below(&path, own, rows);
                }
            }
        }
    }
    let mut rows = Vec::new();
    walk("", SCHEMA, &mut rows);
    rows.sort();
    format!("# releases: 20.09\n{}\n", rows.join("\n"))
}

/// How a module names the library and its arguments.
#[derive(Clone, Copy, PartialEq)]
enum Style {
    /// `{ lib, … }:`, `lib.mkIf`.
    Dotted,
    /// `with lib;`.
    With,
    /// `let inherit (lib) mkIf …; in`.
    Inherit,
    /// `m: … m.lib.mkIf`.
    Whole,
    /// No function; nothing of the library.
    Plain,
}

struct Context {
    style: Style,
    /// Arguments that were named.
    used: BTreeSet<&'static str>,
    /// Functions of the library that were named.
    functions: BTreeSet<&'static str>,
    /// Directory of the file.
    directory: String,
    /// Files that may be imported: later ones, so there is no cycle.
    targets: Vec<usize>,
    depth: usize,
}

enum Node {
    Set(BTreeMap<String, Node>),
    Wrapped(String, Box<Node>),
    /// `mkMerge` as it is spelt there, and its parts.
    Merged(String, Vec<Node>),
    Expr(String),
}

struct File {
    path: String,
    /// Called with arguments before it is a module.
    factory: bool,
}

pub struct Generator {
    seed: Seed,
    files: Vec<File>,
    counter: usize,
    /// Below a namespace with a priority: conditions and priorities further in
    /// would be taken for values.
    overriding: bool,
}

const DIRECTORIES: [&str; 4] = ["", "a/", "a/b/", "c/"];

/// The files of one random flake.
pub fn generate(seed: u64) -> Vec<(String, String)> {
    let mut seed = Seed::new(seed);
    let count = 2 + seed.below(7);
    let mut files = Vec::new();
    for index in 0..count {
        let directory = *seed.pick(&DIRECTORIES);
        let path = if seed.chance(25) {
            format!("{directory}d{index}/default.nix")
        } else {
            format!("{directory}m{index}.nix")
        };
        let factory = index > 0 && seed.chance(15);
        files.push(File { path, factory });
    }
    let mut generator = Generator {
        seed,
        files,
        counter: 0,
        overriding: false,
    };
    let mut texts = Vec::new();
    for index in 0..count {
        texts.push((generator.files[index].path.clone(), generator.file(index)));
    }
    let declared = generator.seed.chance(30);
    texts.push(("flake.nix".to_owned(), generator.flake(declared)));
    if declared {
        // The model knows the options from the tree itself.
        texts.push((
            "schema.nix".to_owned(),
            include_str!("schema.nix").to_owned(),
        ));
    }
    texts
}

fn directory_of(path: &str) -> String {
    path.rfind('/')
        .map_or(String::new(), |at| path[..=at].to_owned())
}

impl Generator {
    fn flake(&mut self, declared: bool) -> String {
        let mut context = Context {
            style: Style::Plain,
            used: BTreeSet::new(),
            functions: BTreeSet::new(),
            directory: String::new(),
            targets: (0..self.files.len()).collect(),
            depth: 1,
        };
        let schema = if declared {
            "./schema.nix"
        } else {
            "schema.nixosModules.default"
        };
        let mut modules = vec![schema.to_owned()];
        for _ in 0..1 + self.seed.below(3) {
            let import = self.import(&mut context);
            let at = self.seed.below(modules.len() + 1);
            modules.insert(at, import);
        }
        let list = if self.seed.chance(30) {
            let at = self.seed.below(modules.len() + 1);
            format!(
                "[ {} ] ++ [ {} ]",
                modules[..at].join(" "),
                modules[at..].join(" ")
            )
        } else {
            format!("[ {} ]", modules.join(" "))
        };
        format!(
            "{{\n  outputs = {{ self, nixpkgs, schema }}: {{\n    nixosConfigurations.h = \
             nixpkgs.lib.evalModules {{\n      specialArgs = {{ inherit self; extra = \"x\"; on = \
             true; off = false; tags = [ \"t1\" \"t2\" ]; }};\n      modules = {list};\n    \
             }};\n  }};\n}}\n"
        )
    }

    fn file(&mut self, index: usize) -> String {
        let mut context = Context {
            style: Style::Plain,
            used: BTreeSet::new(),
            functions: BTreeSet::new(),
            directory: directory_of(&self.files[index].path),
            targets: (index + 1..self.files.len()).collect(),
            depth: 0,
        };
        let module = self.module(&mut context);
        if self.files[index].factory {
            return match self.seed.below(3) {
                0 => format!("{{ tag, more ? [ ] }}:\n{module}"),
                1 => format!("tag: {module}"),
                _ => format!("{{ tag, ... }}@given: {module}"),
            };
        }
        module
    }

    /// A module, functions and all.
    fn module(&mut self, outer: &mut Context) -> String {
        let style = *self.seed.pick(&[
            Style::Dotted,
            Style::Dotted,
            Style::With,
            Style::Inherit,
            Style::Whole,
            Style::Plain,
        ]);
        let mut context = Context {
            style,
            used: BTreeSet::new(),
            functions: BTreeSet::new(),
            directory: outer.directory.clone(),
            targets: outer.targets.clone(),
            depth: outer.depth,
        };
        let body = self.body(&mut context);
        if !context.functions.is_empty() || matches!(style, Style::With) {
            context.used.insert("lib");
        }
        let (head, tail) = match style {
            Style::Plain => return body,
            Style::Whole => ("m: ".to_owned(), ""),
            _ => {
                let mut formals: Vec<String> =
                    context.used.iter().map(|name| (*name).to_owned()).collect();
                formals.push("...".to_owned());
                let formals = formals.join(", ");
                match self.seed.below(4) {
                    0 => (format!("{{ {formals} }}@args:\n"), ""),
                    1 => (format!("args@{{ {formals} }}: "), ""),
                    2 if style == Style::With => (format!("{{ {formals} }}:\nwith lib;\n"), ""),
                    _ => (format!("{{ {formals} }}:\n"), ""),
                }
            }
        };
        let inner = match style {
            Style::With if !head.contains("with lib;") => {
                if self.seed.chance(50) {
                    format!("with lib;\n{body}")
                } else {
                    format!("with {{ }};\nwith lib;\n{body}")
                }
            }
            Style::Inherit if !context.functions.is_empty() => {
                let names: Vec<&str> = context.functions.iter().copied().collect();
                if self.seed.chance(50) {
                    format!("let\n  inherit (lib) {};\nin\n{body}", names.join(" "))
                } else {
                    let bindings: Vec<String> = names
                        .iter()
                        .map(|name| format!("  {name} = lib.{name};"))
                        .collect();
                    format!("let\n{}\nin\n{body}", bindings.join("\n"))
                }
            }
            _ => body,
        };
        format!("{head}{inner}{tail}")
    }

    fn body(&mut self, context: &mut Context) -> String {
        let mut imports = Vec::new();
        for _ in 0..self.seed.below(if context.depth == 0 { 4 } else { 3 }) {
            if context.targets.is_empty() && context.depth > 2 {
                break;
            }
            imports.push(self.import(context));
        }
        let mut parts = Vec::new();
        if !imports.is_empty() {
            let list = if self.seed.chance(20) && context.style != Style::Plain {
                let condition = self.static_condition(context);
                let optional = self.function(context, "optional");
                let (first, rest) = imports.split_at(1);
                format!(
                    "[ {} ] ++ {optional} {condition} {}",
                    rest.join(" "),
                    first[0]
                )
            } else {
                format!("[ {} ]", imports.join(" "))
            };
            parts.push(format!("imports = {list};"));
        }
        if self.seed.chance(10) && !context.targets.is_empty() {
            let target = *self.seed.pick(&context.targets.clone());
            // Strings are looked up below nixpkgs by old releases.
            let mut path = self.path(context, target);
            while path.starts_with('"') {
                path = self.path(context, target);
            }
            parts.push(format!("disabledModules = [ {path} ];"));
        }
        let wrap = context.style != Style::Plain && self.seed.chance(25);
        let overriding = wrap && self.seed.chance(30);
        self.overriding = overriding;
        if self.seed.chance(5) {
            // Keys of the author's choice: the first of equal ones counts.
            parts.push(format!("key = \"k{}\";", self.seed.below(3)));
        }
        let mut root = BTreeMap::new();
        for _ in 0..1 + self.seed.below(3) {
            self.put(context, W, &mut root, 0);
        }
        let root = Node::Set(BTreeMap::from([("w".to_owned(), Node::Set(root))]));
        self.overriding = false;
        let flag = self.seed.chance(10);
        let structured = wrap || self.seed.chance(25);
        if structured {
            let root = if wrap {
                self.wrap_namespace(context, root, overriding)
            } else {
                root
            };
            let text = self.show(&root);
            if flag && !wrap {
                parts.push(format!("config = {{ g.flag = true; }} // {text};"));
            } else {
                parts.push(format!("config = {text};"));
            }
        } else {
            let Node::Set(set) = root else { unreachable!() };
            for line in self.bindings(&set) {
                parts.push(line);
            }
            if flag {
                parts.push("g.flag = true;".to_owned());
            }
        }
        let mut order: Vec<String> = Vec::new();
        while !parts.is_empty() {
            let at = self.seed.below(parts.len());
            order.push(parts.remove(at));
        }
        let set = format!("{{\n  {}\n}}", order.join("\n  "));
        match self.seed.below(12) {
            0 => format!("let\n  unused = 1;\n  self' = {set};\nin\nself'"),
            1 => format!("if true then {set} else {{ }}"),
            _ => set,
        }
    }

    // --- imports ---------------------------------------------------------

    fn import(&mut self, context: &mut Context) -> String {
        if context.targets.is_empty() || (self.seed.chance(20) && context.depth < 3) {
            context.depth += 1;
            let module = self.module(context);
            context.depth -= 1;
            return format!("({module})");
        }
        let target = *self.seed.pick(&context.targets.clone());
        let path = self.path(context, target);
        if self.files[target].factory {
            self.counter += 1;
            return format!("(import {path} {{ tag = \"g{}\"; }})", self.counter);
        }
        if self.seed.chance(6) {
            return format!("(import {path})");
        }
        path
    }

    /// A file spelt in one of the ways that mean the same key, or not quite.
    fn path(&mut self, context: &mut Context, target: usize) -> String {
        let full = self.files[target].path.clone();
        let up = "../".repeat(context.directory.matches('/').count());
        let plain = if context.directory.is_empty() {
            format!("./{full}")
        } else if let Some(rest) = full.strip_prefix(&context.directory) {
            format!("./{rest}")
        } else {
            format!("{up}{full}")
        };
        let spelt = |path: &str| match path.strip_suffix("/default.nix") {
            Some(directory) => directory.to_owned(),
            None => path.to_owned(),
        };
        match self.seed.below(8) {
            0 => {
                // Out of the directory and back in.
                let (head, name) = plain.rsplit_once('/').unwrap_or((".", &plain));
                match head.rsplit_once('/') {
                    Some((_, last)) if last != ".." && last != "." => {
                        format!("{head}/../{last}/{name}")
                    }
                    _ => plain,
                }
            }
            1 => spelt(&plain),
            2 if context.style != Style::Plain => {
                let this = self.argument(context, "self");
                format!("\"${{{this}}}/{full}\"")
            }
            3 => {
                let (head, name) = plain.rsplit_once('/').unwrap_or((".", &plain));
                let head = match head {
                    "." | ".." => format!("{head}/."),
                    head => head.to_owned(),
                };
                format!("({head} + \"/{name}\")")
            }
            4 => match plain.strip_prefix("./") {
                Some(rest) if !context.directory.is_empty() => {
                    format!("{up}{}{rest}", context.directory)
                }
                _ => plain,
            },
            5 => {
                let (head, name) = plain.rsplit_once('/').unwrap_or((".", &plain));
                format!("{head}/${{\"{name}\"}}")
            }
            _ => plain,
        }
    }

    // --- names -----------------------------------------------------------

    fn function(&mut self, context: &mut Context, name: &'static str) -> String {
        match context.style {
            Style::Dotted => {
                context.used.insert("lib");
                format!("lib.{name}")
            }
            Style::Whole => format!("m.lib.{name}"),
            Style::Plain => unreachable!("a plain set has no library"),
            Style::With | Style::Inherit => {
                context.functions.insert(name);
                name.to_owned()
            }
        }
    }

    fn argument(&mut self, context: &mut Context, name: &'static str) -> String {
        if context.style == Style::Whole {
            return format!("m.{name}");
        }
        context.used.insert(name);
        name.to_owned()
    }

    fn token(&mut self) -> String {
        self.counter += 1;
        format!("\"v{}\"", self.counter)
    }

    fn static_condition(&mut self, context: &mut Context) -> String {
        match self.seed.below(5) {
            0 if context.style != Style::Plain => self.argument(context, "on"),
            1 if context.style != Style::Plain => self.argument(context, "off"),
            2 => "(1 == 2)".to_owned(),
            3 => "false".to_owned(),
            _ => "true".to_owned(),
        }
    }

    fn condition(&mut self, context: &mut Context) -> String {
        if self.seed.chance(15) && context.style != Style::Plain {
            let config = self.argument(context, "config");
            return format!("{config}.g.flag");
        }
        self.static_condition(context)
    }

    // --- definitions -----------------------------------------------------

    fn put(
        &mut self,
        context: &mut Context,
        declared: &[(&str, Schema)],
        into: &mut BTreeMap<String, Node>,
        depth: usize,
    ) {
        let (name, schema) = self.seed.pick(declared);
        if into.contains_key(*name) {
            return;
        }
        let node = match schema {
            Schema::Namespace(declared) => self.namespace(context, declared, depth),
            Schema::Option(kind, _) => {
                let node = self.value(context, kind, depth);
                self.wrap_option(context, node, kind)
            }
        };
        into.insert((*name).to_owned(), node);
    }

    fn namespace(
        &mut self,
        context: &mut Context,
        declared: &[(&str, Schema)],
        depth: usize,
    ) -> Node {
        let wrap = context.style != Style::Plain && self.seed.chance(15);
        let above = self.overriding;
        let overriding = wrap && !above && self.seed.chance(30);
        self.overriding |= overriding;
        let mut set = BTreeMap::new();
        for _ in 0..1 + self.seed.below(2) {
            self.put(context, declared, &mut set, depth);
        }
        self.overriding = above;
        let node = Node::Set(set);
        match (wrap, above) {
            (false, _) => node,
            (true, true) => Node::Merged(self.function(context, "mkMerge"), vec![node]),
            (true, false) => self.wrap_namespace(context, node, overriding),
        }
    }

    fn wrap_namespace(&mut self, context: &mut Context, node: Node, overriding: bool) -> Node {
        let mut node = node;
        if overriding {
            node = Node::Wrapped(self.priority(context), Box::new(node));
        }
        if !overriding || self.seed.chance(30) {
            let condition = self.condition(context);
            let function = self.function(context, "mkIf");
            node = Node::Wrapped(format!("{function} {condition}"), Box::new(node));
        }
        if self.seed.chance(30) {
            node = Node::Merged(self.function(context, "mkMerge"), vec![node]);
        }
        node
    }

    fn priority(&mut self, context: &mut Context) -> String {
        match self.seed.below(6) {
            0 | 1 => self.function(context, "mkForce"),
            2 | 3 => self.function(context, "mkDefault"),
            4 => self.function(context, "mkOverride") + " 90",
            _ => self.function(context, "mkOverride") + " 100",
        }
    }

    fn order(&mut self, context: &mut Context) -> String {
        match self.seed.below(4) {
            0 => self.function(context, "mkBefore"),
            1 => self.function(context, "mkAfter"),
            2 => self.function(context, "mkOrder") + " 1000",
            _ => self.function(context, "mkOrder") + " 700",
        }
    }

    /// Properties around an option's value, mostly in the order that works.
    fn wrap_option(&mut self, context: &mut Context, node: Node, kind: &Kind) -> Node {
        if context.style == Style::Plain {
            return node;
        }
        let mut node = node;
        // Release 20.09 fails on an order around a submodule.
        if !matches!(kind, Kind::Submodule(_)) && self.seed.chance(20) {
            let order = self.order(context);
            node = Node::Wrapped(order, Box::new(node));
        }
        let scalar = matches!(kind, Kind::Int | Kind::Str | Kind::NullOrList);
        if self.overriding {
            return node;
        }
        if self.seed.chance(if scalar { 50 } else { 20 }) {
            let priority = self.priority(context);
            node = Node::Wrapped(priority, Box::new(node));
        }
        if self.seed.chance(15) {
            let condition = self.condition(context);
            let function = self.function(context, "mkIf");
            node = Node::Wrapped(format!("{function} {condition}"), Box::new(node));
        }
        if self.seed.chance(15) {
            let mut parts = vec![node];
            if self.seed.chance(60) && !scalar {
                let more = self.value(context, kind, 2);
                let more = self.wrap_option(context, more, kind);
                parts.push(more);
            }
            node = Node::Merged(self.function(context, "mkMerge"), parts);
        }
        node
    }

    fn value(&mut self, context: &mut Context, kind: &Kind, depth: usize) -> Node {
        match kind {
            Kind::Bool => Node::Expr(self.static_condition(context)),
            Kind::Int => Node::Expr(self.seed.below(3).to_string()),
            Kind::Str => Node::Expr(self.text(context)),
            Kind::Lines => Node::Expr(self.lines(context)),
            Kind::ListOfStr => Node::Expr(self.list(context)),
            Kind::NullOrList => {
                if self.seed.chance(20) {
                    Node::Expr("null".to_owned())
                } else {
                    Node::Expr(self.list(context))
                }
            }
            Kind::Attrs => {
                let first = self.token();
                let second = self.token();
                Node::Expr(format!("{{ p = {first}; q = {{ r = [ {second} ]; }}; }}"))
            }
            Kind::AttrsOf(element) | Kind::LazyAttrsOf(element) => {
                let mut set = BTreeMap::new();
                for _ in 0..self.seed.below(3) + usize::from(depth > 0) {
                    let name = *self.seed.pick(&["x", "y", "\"z z\"", "${\"x\"}", "w-1"]);
                    if set.keys().any(|other: &String| {
                        other.contains('x') && name.contains('x') || other == name
                    }) {
                        continue;
                    }
                    let node = self.value(context, element, depth + 1);
                    let node = if self.seed.chance(50) {
                        self.wrap_option(context, node, element)
                    } else {
                        node
                    };
                    set.insert(name.to_owned(), node);
                }
                Node::Set(set)
            }
            Kind::Submodule(declared) => {
                let mut set = BTreeMap::new();
                for _ in 0..self.seed.below(3) {
                    self.put(context, declared, &mut set, depth + 1);
                }
                Node::Set(set)
            }
        }
    }

    fn text(&mut self, context: &mut Context) -> String {
        match self.seed.below(4) {
            0 if context.style != Style::Plain => {
                let extra = self.argument(context, "extra");
                format!("\"s-${{{extra}}}\"")
            }
            1 => "\"same\"".to_owned(),
            _ => format!("\"s{}\"", self.seed.below(3)),
        }
    }

    fn lines(&mut self, context: &mut Context) -> String {
        self.counter += 1;
        let number = self.counter;
        match self.seed.below(5) {
            0 => format!("''\n    l{number}\n      in\n  ''"),
            1 => format!("\"l{number}\\n\""),
            2 if context.style != Style::Plain => {
                let extra = self.argument(context, "extra");
                format!("''\n    l{number} ${{{extra}}} ''${{no}} '''\n    end''")
            }
            3 => format!("\"l{number} \" + \"\\${{x}}\\ty\""),
            _ => format!("\"l{number}\""),
        }
    }

    fn list(&mut self, context: &mut Context) -> String {
        let (a, b) = (self.token(), self.token());
        let library = context.style != Style::Plain;
        match self.seed.below(18) {
            0 => "[ ]".to_owned(),
            1 => format!("[ {a} ] ++ [ {b} ]"),
            2 => format!("map (x: x + \"-m\") [ {a} {b} ]"),
            3 => format!("let v = {a}; in [ v {b} ]"),
            4 => format!("with {{ v = {a}; }}; [ v {b} ]"),
            5 => format!("(rec {{ p = {a}; q = [ p {b} ]; }}).q"),
            6 => format!("let o = {{ l = [ {a} ]; }}; s = {{ inherit (o) l; }}; in s.l ++ [ {b} ]"),
            7 => format!("({{ p, q ? [ {b} ] }}: [ p ] ++ q) {{ p = {a}; }}"),
            8 => format!("(x: y: [ y x ]) {a} {b}"),
            9 if library => {
                let condition = self.static_condition(context);
                let optional = self.function(context, "optional");
                format!("[ {a} ] ++ {optional} {condition} {b}")
            }
            10 if library => {
                let condition = self.condition(context);
                let optionals = self.function(context, "optionals");
                format!("{optionals} {condition} [ {a} {b} ]")
            }
            11 if library => {
                let tags = self.argument(context, "tags");
                format!("{tags} ++ [ {a} ]")
            }
            12 if library => {
                let condition = self.condition(context);
                format!("if {condition} then [ {a} ] else [ {b} ]")
            }
            13 if library => {
                let condition = self.condition(context);
                let function = self.function(context, "mkIf");
                format!("[ ({function} {condition} {a}) {b} ]")
            }
            14 => {
                let condition = self.static_condition(context);
                format!(
                    "[ ({{ a.b = {a}; }}.a.c or {b}) ] ++ (if {condition} then [ {a} ] else [ ])"
                )
            }
            15 => format!("let l = {{ x = [ {a} ]; }} // {{ y = {b}; }}; in with l; x ++ [ y ]"),
            _ => format!("[ {a} {b} ]"),
        }
    }

    // --- text ------------------------------------------------------------

    fn show(&mut self, node: &Node) -> String {
        match node {
            Node::Expr(text) => text.clone(),
            Node::Wrapped(head, inner) => format!("{head} {}", self.operand(inner)),
            Node::Merged(merge, parts) => {
                let parts: Vec<String> = parts.iter().map(|part| self.operand(part)).collect();
                format!("{merge} [ {} ]", parts.join(" "))
            }
            Node::Set(set) => {
                let lines = self.bindings(set);
                if lines.is_empty() {
                    "{ }".to_owned()
                } else {
                    format!("{{ {} }}", lines.join(" "))
                }
            }
        }
    }

    fn operand(&mut self, node: &Node) -> String {
        let text = self.show(node);
        match node {
            Node::Set(_) => text,
            _ => format!("({text})"),
        }
    }

    fn bindings(&mut self, set: &BTreeMap<String, Node>) -> Vec<String> {
        let mut lines = Vec::new();
        for (name, node) in set {
            let mut path = name.clone();
            let mut node = node;
            loop {
                match node {
                    Node::Set(inner) if inner.len() == 1 && self.seed.chance(60) => {
                        for (name, below) in inner {
                            path = format!("{path}.{name}");
                            node = below;
                        }
                    }
                    Node::Set(inner) if inner.len() > 1 && self.seed.chance(30) => {
                        // Dotted and nested spellings of one set side by side;
                        // computed names allow no second mention.
                        if path.contains("${") || inner.keys().any(|name| name.contains("${")) {
                            lines.push(format!("{path} = {};", self.show(node)));
                        } else {
                            for line in self.bindings(inner) {
                                lines.push(format!("{path}.{line}"));
                            }
                        }
                        break;
                    }
                    _ => {
                        lines.push(format!("{path} = {};", self.show(node)));
                        break;
                    }
                }
            }
        }
        lines
    }
}
