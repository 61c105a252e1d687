//! What Nix says with `--log-format internal-json`.

use serde::Deserialize;

/// A place in a file, as Nix counts.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Position {
    /// The file, as Nix names it.
    pub file: String,
    /// Line, from 1.
    pub line: u32,
    /// Column, from 1.
    pub column: u32,
}

/// One line of the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Line {
    /// Text of `builtins.trace`.
    Trace(String),
    /// An error.
    Error(NixMessage),
    /// A warning, or another remark; with its level.
    Message(u8, String),
    /// A building or copying activity has begun.
    Start(u64, String),
    /// An activity has ended.
    Stop(u64),
    /// A line that a builder printed.
    BuildLog(u64, String),
    /// Nothing of interest here, or no line of the log.
    Other,
}

/// An error of Nix.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct NixMessage {
    /// What is wrong, without place and excerpt.
    pub text: String,
    /// Where.
    pub at: Option<Position>,
    /// What was being done, innermost first.
    pub trace: Vec<(String, Option<Position>)>,
}

#[derive(Deserialize)]
struct Raw {
    action: String,
    #[serde(default)]
    level: u8,
    #[serde(default)]
    id: u64,
    #[serde(default)]
    msg: String,
    raw_msg: Option<String>,
    #[serde(default)]
    text: String,
    #[serde(default, rename = "type")]
    kind: u32,
    #[serde(default)]
    fields: Vec<serde_json::Value>,
    #[serde(flatten)]
    place: RawPlace,
    #[serde(default)]
    trace: Vec<RawTrace>,
}

#[derive(Deserialize)]
struct RawTrace {
    #[serde(default)]
    raw_msg: String,
    #[serde(flatten)]
    place: RawPlace,
}

#[derive(Deserialize)]
struct RawPlace {
    file: Option<String>,
    line: Option<u32>,
    column: Option<u32>,
}

impl From<RawPlace> for Option<Position> {
    fn from(place: RawPlace) -> Self {
        let (file, line) = (place.file?, place.line?);
        // From 2.20 on, the file says line and column once more.
        let again = format!(":{line}:{}", place.column.unwrap_or_default());
        let file = file.strip_suffix(&again).unwrap_or(&file);
        // What was no file: an expression, or standard input.
        let nowhere = file.is_empty() || file == "(string)" || file.starts_with('«');
        (!nowhere).then(|| Position {
            file: file.to_owned(),
            line,
            column: place.column.unwrap_or(1),
        })
    }
}

/// The result type of an activity's result line that carries a builder's output.
const BUILD_LOG_LINE: u32 = 101;

/// Reads a log line by line, with what its threads say at the same time: a long line
/// may be cut in two by a short one.
#[derive(Debug, Default)]
pub struct Log {
    /// The beginning of a line that was cut.
    cut: Option<String>,
}

impl Log {
    /// The next line of the output, and what it says; nothing if more is to come.
    pub fn read(&mut self, line: &str, each: &mut dyn FnMut(&str, Line)) {
        if let Some(cut) = self.cut.take() {
            let whole = format!("{cut}{line}");
            return match read(&whole) {
                Line::Other => {
                    // Cut once more, or never to be whole: what is whole here counts.
                    let own = read(line);
                    if own != Line::Other {
                        self.cut = Some(cut);
                    }
                    each(line, own);
                }
                read => each(&whole, read),
            };
        }
        let said = read(line);
        // Within a string of JSON the quotation mark would be escaped.
        let inner = line.rfind(START).and_then(|at| line.split_at_checked(at));
        if let (Line::Other, Some((cut, inner))) = (&said, inner)
            && cut.contains("@nix ")
        {
            self.cut = Some(cut.to_owned());
            return each(inner, read(inner));
        }
        each(line, said);
    }
}

/// What a line of the log begins with.
const START: &str = "@nix {\"";

/// Reads one line.
pub fn read(line: &str) -> Line {
    // Values on standard output may stand before it, without a newline.
    let Some(at) = line.find("@nix {") else {
        return Line::Other;
    };
    let Some(json) = line.get(at + "@nix ".len()..) else {
        return Line::Other;
    };
    let Ok(raw) = serde_json::from_str::<Raw>(json) else {
        return Line::Other;
    };
    match raw.action.as_str() {
        "msg" => message(raw),
        "start" if !raw.text.is_empty() => Line::Start(raw.id, plain(&raw.text)),
        "stop" => Line::Stop(raw.id),
        "result" if raw.kind == BUILD_LOG_LINE => {
            let text = raw.fields.first().and_then(|field| field.as_str());
            Line::BuildLog(raw.id, plain(text.unwrap_or_default()))
        }
        _ => Line::Other,
    }
}

fn message(raw: Raw) -> Line {
    if let Some(text) = raw.raw_msg {
        let trace = raw.trace.into_iter();
        return Line::Error(NixMessage {
            text: plain(&text),
            at: raw.place.into(),
            trace: trace
                .map(|it| (plain(&it.raw_msg), it.place.into()))
                .collect(),
        });
    }
    let text = plain(&raw.msg);
    if let Some(trace) = text.strip_prefix("trace: ") {
        return Line::Trace(trace.to_owned());
    }
    match text.strip_prefix("error: ") {
        Some(text) => Line::Error(NixMessage {
            text: text.to_owned(),
            ..NixMessage::default()
        }),
        None => Line::Message(raw.level, text),
    }
}

/// Text without what colours it.
fn plain(text: &str) -> String {
    console::strip_ansi_codes(text).trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_has_text_place_and_trace() {
        let line = r#"{"x":}@nix {"action":"msg","column":35,"file":"/t/e.nix","level":0,"line":1,"msg":"…","raw_msg":"attribute '\u001b[35;1mb\u001b[0m' missing","trace":[{"column":3,"file":"/t/f.nix","line":2,"raw_msg":"while evaluating"}]}"#;
        let position = |file: &str, line, column| {
            Some(Position {
                file: file.to_owned(),
                line,
                column,
            })
        };
        assert_eq!(
            read(line),
            Line::Error(NixMessage {
                text: "attribute 'b' missing".to_owned(),
                at: position("/t/e.nix", 1, 35),
                trace: vec![("while evaluating".to_owned(), position("/t/f.nix", 2, 3))],
            })
        );
    }

    #[test]
    fn a_line_that_another_cuts_in_two_is_read() {
        let text = format!("no such thing: {}", "long ".repeat(9_000));
        let long = format!(
            "@nix {}",
            serde_json::json!({ "action": "msg", "raw_msg": text })
        );
        let short = r#"@nix {"action":"msg","level":1,"msg":"warning: retrying"}"#;
        let retrying = Line::Message(1, "warning: retrying".to_owned());
        let all = |output: &str| {
            let (mut log, mut said) = (Log::default(), Vec::new());
            for line in output.lines() {
                log.read(line, &mut |_, line| said.push(line));
            }
            said
        };
        let whole = all(&long);
        assert!(matches!(&whole[..], [Line::Error(_)]), "{whole:?}");
        for at in [6, 30, 4096, long.len() - 1] {
            let (start, end) = long.split_at(at);
            assert_eq!(
                all(&format!("{start}{short}\n{end}\n{short}")),
                [retrying.clone(), whole[0].clone(), retrying.clone()],
                "{at}"
            );
        }
        let (start, rest) = long.split_at(4096);
        let (middle, end) = rest.split_at(4096);
        assert_eq!(
            all(&format!("{start}{short}\n{short}\n{middle}{end}")),
            [retrying.clone(), retrying, whole[0].clone()],
        );
    }

    #[test]
    fn places_are_read_from_old_and_new_versions() {
        let at = |file: &str| {
            let json = serde_json::json!({
                "action": "msg", "level": 0, "raw_msg": "no", "file": file, "line": 2, "column": 10,
            });
            match read(&format!("@nix {json}")) {
                Line::Error(message) => message.at.map(|at| (at.file, at.line, at.column)),
                other => panic!("{other:?}"),
            }
        };
        let place = Some(("/t/web.nix".to_owned(), 2, 10));
        assert_eq!(at("/t/web.nix"), place);
        assert_eq!(at("/t/web.nix:2:10"), place);
        assert_eq!(at("«string»:2:10"), None);
        assert_eq!(at("(string)"), None);
    }

    #[test]
    fn traces_builds_and_rubbish_are_told_apart() {
        for (line, expect) in [
            (
                r#"@nix {"action":"msg","level":0,"msg":"trace: hi {\"a\":1}"}"#,
                Line::Trace("hi {\"a\":1}".to_owned()),
            ),
            (
                r#"@nix {"action":"msg","level":1,"msg":"\u001b[35;1mwarning:\u001b[0m dirty"}"#,
                Line::Message(1, "warning: dirty".to_owned()),
            ),
            (
                r#"@nix {"action":"start","id":7,"level":3,"parent":0,"text":"building x","type":105,"fields":[]}"#,
                Line::Start(7, "building x".to_owned()),
            ),
            (
                r#"@nix {"action":"result","fields":["cc -o x"],"id":7,"type":101}"#,
                Line::BuildLog(7, "cc -o x".to_owned()),
            ),
            (r#"@nix {"action":"stop","id":7}"#, Line::Stop(7)),
            ("@nix {", Line::Other),
            ("null", Line::Other),
        ] {
            assert_eq!(read(line), expect, "{line}");
        }
    }
}
