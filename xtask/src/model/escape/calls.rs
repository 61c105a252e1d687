//! Calls: what functions do with the flake that they are given.

use super::Walk;
use super::functions::{Effect, arity, effect_of, name_of};
use super::leads::Leads;
use super::names::CONFIG;
use super::scope::Scope;
use crate::model::term::{Key, Term, TermKind as K};

fn key(term: &Term) -> Key {
    match term.kind() {
        K::Str(name) => Key::Name(name.clone()),
        _ => Key::Term(term.clone()),
    }
}

impl Walk<'_, '_> {
    /// What a call leads to.
    pub(super) fn call(&mut self, term: &Term, scope: &Scope) -> Leads {
        let mut arguments = Vec::new();
        let mut head = term.clone();
        while let K::Apply(function, argument) = head.kind() {
            arguments.push(argument.clone());
            head = function.clone();
        }
        arguments.reverse();
        let mut scope_of_head = scope.clone();
        let mut rest = arguments.as_slice();
        let mut recursive = false;
        if let K::Mu(body) = head.clone().kind()
            && matches!(body.kind(), K::Lambda(..))
        {
            scope_of_head = scope.with_function();
            (head, recursive) = (body.clone(), true);
        }
        while let K::Lambda(param, body) = head.clone().kind()
            && let Some((first, more)) = rest.split_first()
        {
            let mut given = self.leads(first, scope);
            if recursive {
                given = self.flat(&given);
            }
            scope_of_head = self.bind(param, given, &scope_of_head);
            (head, rest) = (body.clone(), more);
        }
        let of_head = self.leads(&head, &scope_of_head);
        if rest.is_empty() {
            return of_head;
        }
        // `lib.path.append ./.`: nothing else of the tree's own can be called.
        if of_head.tree {
            self.appended(rest, scope);
            return Leads::default();
        }
        // What a function returns when it is called once more.
        self.named_call(&head, &scope_of_head, rest, scope)
            .or(&of_head)
    }

    fn named_call(
        &mut self,
        head: &Term,
        scope_of_head: &Scope,
        arguments: &[Term],
        scope: &Scope,
    ) -> Leads {
        if let K::Set(fixed, _) = head.kind()
            && let Some((_, functor)) = fixed.iter().find(|(name, _)| &**name == "__functor")
        {
            let mut given = self.leads(head, scope_of_head);
            for argument in arguments {
                given.join(&self.leads(argument, scope));
            }
            return self.callback(functor, 2, &given, scope_of_head);
        }
        let name = name_of(head).unwrap_or_default();
        if name == "pipe"
            && let [value, functions] = arguments
            && let K::List(functions) = functions.kind()
        {
            let call = |value: Term, function: &Term| Term::new(K::Apply(function.clone(), value));
            let piped = functions.iter().fold(value.clone(), call);
            return self.leads(&piped, scope);
        }
        if name == "append"
            && let Some((first, rest)) = arguments.split_first()
            && self.leads(first, scope).names_tree()
        {
            if rest.is_empty() {
                return Leads::tree();
            }
            self.appended(rest, scope);
            return Leads::default();
        }
        if name == "map"
            && let [function, list] = arguments
            && let K::List(items) = list.kind()
            && !matches!(function.kind(), K::Lambda(..))
            && self.leads(function, scope).tree
        {
            for item in items {
                self.appended(std::slice::from_ref(item), scope);
            }
            return Leads::default();
        }
        let effect = match head.kind() {
            // Called with all that it is given at any depth already.
            K::Bound(depth, _) if scope_of_head.is_function(*depth) => Effect::Folds,
            _ => effect_of(head),
        };
        let mut data = Leads::default();
        let mut plain = Vec::new();
        for argument in arguments {
            let mut leads = match argument.kind() {
                K::Lambda(..) => continue,
                // Nobody else knows what of it leads here.
                K::Arg(name) | K::Bound(_, name)
                    if effect == Effect::Unknown && CONFIG.contains(&&**name) =>
                {
                    continue;
                }
                _ => self.leads(argument, scope),
            };
            if effect == Effect::Unknown {
                leads.members.retain(|name, _| !CONFIG.contains(&&**name));
            }
            data.join(&leads);
            plain.push(leads);
        }
        let elements = self.elements(&data);
        let given = match effect {
            Effect::Maps | Effect::Filters | Effect::Joins | Effect::Asks => elements.clone(),
            Effect::Builds | Effect::Imports => Leads::default(),
            _ => self.flat(&data),
        };
        // Functions among the arguments: they are called with what is given.
        let mut returned = Leads::default();
        for argument in arguments {
            if matches!(argument.kind(), K::Lambda(..)) {
                let arity = arity(name);
                returned.join(&self.callback(argument, arity, &given, scope));
                // What it returns it may be given, as by `fix`.
                if effect == Effect::Library && !returned.is_none() {
                    let again = given.clone().or(&returned);
                    returned.join(&self.callback(argument, arity, &again, scope));
                    if name.starts_with("makeScope") {
                        self.handed.join(&returned);
                    }
                }
            }
        }
        if matches!(effect, Effect::Maps | Effect::Filters | Effect::Joins)
            && let Some(first) = arguments.first()
            && !matches!(first.kind(), K::Lambda(..) | K::Str(_))
            && !given.is_none()
            && arguments.len() > 1
        {
            returned.join(&self.passed_on(first, &given));
        }
        if data.is_none() && returned.is_none() {
            return Leads::default();
        }
        let iterates = matches!(effect, Effect::Maps | Effect::Filters | Effect::Picks);
        if data.tree && iterates {
            self.read_all();
        }
        if effect == Effect::Maps {
            return match name {
                "mapNullable" => returned,
                "concatMap" | "forEach" | "imap0" | "imap1" | "map" | "mapAttrsToList" => {
                    Leads::list(returned)
                }
                "concatMapAttrs" => returned,
                "mapAttrs'" => Leads::set_of(self.member(&returned, "value")),
                _ => Leads::set_of(returned),
            };
        }
        self.result(effect, name, arguments, data, &plain, returned)
    }

    fn result(
        &mut self,
        effect: Effect,
        name: &str,
        arguments: &[Term],
        data: Leads,
        plain: &[Leads],
        returned: Leads,
    ) -> Leads {
        match effect {
            Effect::Asks => Leads::default(),
            Effect::Keeps => data.or(&returned),
            Effect::Wraps => Leads::list(data.or(&returned)),
            Effect::Pairs => {
                let mut pair = Leads::default();
                pair.put(&[Key::Name("value".into())], data);
                pair
            }
            Effect::Picks => {
                let elements = self.elements(&data);
                let values = self.member(&elements, "value");
                Leads::list(elements.clone())
                    .or(&Leads::set_of(values))
                    .or(&elements)
            }
            Effect::Maps | Effect::Filters => data,
            Effect::Digs => {
                if data.tree {
                    self.read_all();
                }
                match arguments.first().map(Term::kind) {
                    Some(K::List(names)) => {
                        let keys: Vec<Key> = names.iter().map(key).collect();
                        self.select(data, &keys, false)
                    }
                    Some(K::Str(name)) => self.member(&data, name),
                    _ => self.flat(&data),
                }
            }
            // Texts of a list may be put together (`makeSearchPath`, `replaceStrings`).
            Effect::Library
                if data.tree
                    || returned.tree
                    || data.items.as_ref().is_some_and(|items| items.tree) =>
            {
                self.read_all();
                Leads::default()
            }
            Effect::Folds | Effect::Library => self.flat(&data).or(&returned),
            Effect::Makes => {
                if data.tree {
                    self.read_all();
                }
                let mut given = Leads::default();
                for (name, leads) in &data.members {
                    given.put(&[Key::Name(name.clone())], leads.clone());
                }
                data.arguments(&mut given);
                self.handed.join(&given);
                self.defined(&data.member("modules").elements());
                Leads {
                    anywhere: !data.is_none(),
                    ..Leads::default()
                }
            }
            Effect::Joins => {
                let apart = |text: &str| !text.is_empty() && !text.contains('/');
                let separated = arguments.len() > 1
                    && matches!(arguments.first().map(Term::kind), Some(K::Str(text)) if apart(text));
                let all = self.elements(&data).or(&returned).or(&data);
                let holds = all.names_tree();
                if holds && !separated {
                    self.read_all();
                }
                // Of one text that is the text itself.
                Leads {
                    tree: holds,
                    ..Leads::default()
                }
            }
            Effect::Builds => {
                let is_derivation = name == "mkDerivation"
                    || name.starts_with("build")
                    || name.starts_with("runCommand");
                // What a derivation is given it has; a file gives back anything.
                let mut has = self.results.clone().or(&returned);
                for leads in plain {
                    let mut named = leads.clone();
                    (named.tree, named.items) = (false, None);
                    self.handed.join(&named);
                    if is_derivation {
                        has.join(&named);
                    }
                }
                has
            }
            Effect::Imports => {
                let (file, given) = match plain.split_first() {
                    Some((file, given)) => (file.names_tree(), given),
                    None => (false, plain),
                };
                if file {
                    self.read_all();
                }
                let mut result = self.results.clone();
                for leads in given {
                    let mut named = Leads::default();
                    leads.arguments(&mut named);
                    self.handed.join(&named);
                    self.handed.join(leads);
                    self.defined(&leads.member("modules").elements());
                    self.defined(&leads.member("configuration"));
                    result.join(&leads.member("overlays").elements());
                }
                result
            }
            Effect::Unknown => {
                self.read_all();
                Leads::default()
            }
        }
    }

    /// A function that is called with this for each of its parameters.
    fn callback(&mut self, function: &Term, arity: u32, given: &Leads, scope: &Scope) -> Leads {
        let mut scope = scope.clone();
        let mut function = function.clone();
        let mut parameters = 0;
        while let K::Lambda(param, body) = function.clone().kind() {
            scope = self.bind(param, given.clone(), &scope);
            function = body.clone();
            parameters += 1;
        }
        if parameters < arity && !given.is_none() {
            return self.passed_on(&function, given);
        }
        let leads = self.leads(&function, &scope);
        // It is called with what is not told apart here.
        if parameters < arity && leads.tree {
            self.read_all();
        }
        leads
    }

    /// A function that is named where another calls it with this.
    fn passed_on(&mut self, function: &Term, given: &Leads) -> Leads {
        match effect_of(function) {
            Effect::Asks => Leads::default(),
            Effect::Keeps => given.clone(),
            Effect::Builds if given.tree => Leads::default(),
            _ => {
                self.read_all();
                Leads::default()
            }
        }
    }
}
