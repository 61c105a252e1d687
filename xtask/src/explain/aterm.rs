//! Derivations as they stand in the store: `Derive([…],[…],[…],"…","…",[…],[…])`.

use std::collections::BTreeMap;

/// A derivation.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Derivation {
    /// Output paths by name.
    pub outputs: BTreeMap<String, String>,
    /// Derivations that it is built from, with their outputs.
    pub inputs: BTreeMap<String, Vec<String>>,
    /// Store paths that it is built from as they are.
    pub sources: Vec<String>,
    /// The platform that builds it.
    pub system: String,
    /// What is run.
    pub builder: String,
    /// With which arguments.
    pub arguments: Vec<String>,
    /// And in which environment.
    pub environment: BTreeMap<String, String>,
}

/// Reads a derivation; `None` if the text is none.
pub fn parse(text: &str) -> Option<Derivation> {
    let mut reader = Reader {
        rest: text.strip_prefix("Derive(")?,
    };
    let outputs = reader.list(|reader| {
        let (name, path) = (reader.after("(")?, reader.after(",")?);
        reader.after(",")?;
        reader.after(",")?;
        reader.eat(")")?;
        Some((name, path))
    })?;
    reader.eat(",")?;
    let inputs = reader.list(|reader| {
        let path = reader.after("(")?;
        reader.eat(",")?;
        let outputs = reader.list(Reader::string)?;
        reader.eat(")")?;
        Some((path, outputs))
    })?;
    reader.eat(",")?;
    let sources = reader.list(Reader::string)?;
    let system = reader.after(",")?;
    let builder = reader.after(",")?;
    reader.eat(",")?;
    let arguments = reader.list(Reader::string)?;
    reader.eat(",")?;
    let environment = reader.list(|reader| {
        let pair = (reader.after("(")?, reader.after(",")?);
        reader.eat(")")?;
        Some(pair)
    })?;
    reader.eat(")")?;
    Some(Derivation {
        outputs: outputs.into_iter().collect(),
        inputs: inputs.into_iter().collect(),
        sources,
        system,
        builder,
        arguments,
        environment: environment.into_iter().collect(),
    })
}

struct Reader<'t> {
    rest: &'t str,
}

impl Reader<'_> {
    fn eat(&mut self, token: &str) -> Option<()> {
        self.rest = self.rest.strip_prefix(token)?;
        Some(())
    }

    /// A string behind a token.
    fn after(&mut self, token: &str) -> Option<String> {
        self.eat(token)?;
        self.string()
    }

    fn string(&mut self) -> Option<String> {
        self.eat("\"")?;
        let mut text = String::new();
        let mut characters = self.rest.char_indices();
        while let Some((at, c)) = characters.next() {
            match c {
                '"' => {
                    self.rest = self.rest.get(at + 1..)?;
                    return Some(text);
                }
                '\\' => text.push(match characters.next()?.1 {
                    'n' => '\n',
                    't' => '\t',
                    'r' => '\r',
                    other => other,
                }),
                c => text.push(c),
            }
        }
        None
    }

    fn list<T>(&mut self, mut item: impl FnMut(&mut Self) -> Option<T>) -> Option<Vec<T>> {
        self.eat("[")?;
        let mut items = Vec::new();
        while self.eat("]").is_none() {
            if !items.is_empty() {
                self.eat(",")?;
            }
            items.push(item(self)?);
        }
        Some(items)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = r#"Derive([("out","/nix/store/o-x","","")],[("/nix/store/a.drv",["bin","out"]),("/nix/store/b.drv",["out"])],["/nix/store/s.sh"],"x86_64-linux","/bin/sh",["-e","/nix/store/s.sh"],[("name","x"),("text","say \"hi\"\n\\t")])"#;

    #[test]
    fn every_part_is_read() {
        let derivation = parse(TEXT).unwrap();
        assert_eq!(derivation.outputs["out"], "/nix/store/o-x");
        assert_eq!(derivation.inputs["/nix/store/a.drv"], ["bin", "out"]);
        assert_eq!(derivation.inputs.len(), 2);
        assert_eq!(derivation.sources, ["/nix/store/s.sh"]);
        assert_eq!(derivation.arguments, ["-e", "/nix/store/s.sh"]);
        assert_eq!(derivation.environment["text"], "say \"hi\"\n\\t");
    }

    #[test]
    fn every_cut_is_no_derivation() {
        for end in 0..TEXT.len() {
            assert_eq!(parse(&TEXT[..end]), None, "{end}");
        }
    }
}
