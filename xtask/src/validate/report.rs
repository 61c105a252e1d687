//! Results of validation for machines: JUnit XML and annotations of GitHub.

use std::fmt::Write as _;

/// What came of one task of one host.
#[derive(Debug, Clone, PartialEq)]
pub struct Row {
    /// The host.
    pub host: String,
    /// `eval`, `build`, `vm`.
    pub task: &'static str,
    /// What is wrong; `None` if it passed.
    pub failure: Option<Failure>,
    /// Why it was not done, and so has not passed either.
    pub skipped: Option<String>,
    /// How long it took, in seconds.
    pub seconds: f64,
    /// It was known from an earlier run.
    pub cached: bool,
}

/// Why a task failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// In words.
    pub text: String,
    /// File of the tree, line and column.
    pub at: Option<(String, u32, u32)>,
}

/// All rows as a JUnit report, one test suite a task.
pub fn junit(rows: &[Row]) -> String {
    let mut tasks: Vec<&str> = rows.iter().map(|row| row.task).collect();
    tasks.sort_unstable();
    tasks.dedup();
    let mut text = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites>\n");
    for task in tasks {
        let rows = || rows.iter().filter(|row| row.task == task);
        let failures = rows().filter(|row| row.failure.is_some()).count();
        let seconds: f64 = rows().map(|row| row.seconds).sum();
        let _ = writeln!(
            text,
            "  <testsuite name=\"{task}\" tests=\"{}\" failures=\"{failures}\" time=\"{seconds:.3}\">",
            rows().count()
        );
        for row in rows() {
            let _ = write!(
                text,
                "    <testcase classname=\"{task}\" name=\"{}\" time=\"{:.3}\"",
                xml(&row.host),
                row.seconds
            );
            match (&row.failure, &row.skipped) {
                (None, None) => text.push_str("/>\n"),
                (None, Some(reason)) => {
                    let reason = xml(reason);
                    let _ = writeln!(
                        text,
                        ">\n      <skipped message=\"{reason}\"/>\n    </testcase>"
                    );
                }
                (Some(failure), _) => {
                    let place = failure
                        .at
                        .as_ref()
                        .map_or(String::new(), |(file, line, _)| {
                            format!("{}:{line}: ", xml(file))
                        });
                    let first = failure.text.lines().next().unwrap_or_default();
                    let _ = writeln!(
                        text,
                        ">\n      <failure message=\"{place}{}\">{place}{}</failure>\n    </testcase>",
                        xml(first),
                        xml(&failure.text)
                    );
                }
            }
        }
        text.push_str("  </testsuite>\n");
    }
    text.push_str("</testsuites>\n");
    text
}

/// The failed rows as workflow commands, which GitHub shows at the lines.
pub fn annotations(rows: &[Row]) -> String {
    let mut text = String::new();
    for row in rows {
        let Some(failure) = &row.failure else {
            continue;
        };
        let place = failure
            .at
            .as_ref()
            .map_or(String::new(), |(file, line, column)| {
                format!("file={},line={line},col={column},", property(file))
            });
        let title = property(&format!("{}: {}", row.host, row.task));
        let _ = writeln!(
            text,
            "::error {place}title={title}::{}",
            data(&failure.text)
        );
    }
    text
}

/// Text of a workflow command.
fn data(text: &str) -> String {
    text.replace('%', "%25")
        .replace('\r', "%0D")
        .replace('\n', "%0A")
}

/// A property of a workflow command.
fn property(text: &str) -> String {
    data(text).replace(':', "%3A").replace(',', "%2C")
}

/// Text inside XML; characters that XML cannot hold are left out.
fn xml(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            '\n' | '\t' => safe.push(c),
            c if c < ' ' || matches!(c, '\u{fffe}' | '\u{ffff}') => {}
            c => safe.push(c),
        }
    }
    safe
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows() -> Vec<Row> {
        let row = |host: &str, failure| Row {
            host: host.to_owned(),
            task: "eval",
            failure,
            skipped: None,
            seconds: 1.25,
            cached: false,
        };
        let failure = Failure {
            text: "undefined <x> & \"y\"\nmore\u{1b}".to_owned(),
            at: Some(("a,b.nix".to_owned(), 3, 7)),
        };
        vec![row("good", None), row("bad:1", Some(failure))]
    }

    #[test]
    fn junit_counts_and_escapes() {
        let expect = r#"<?xml version="1.0" encoding="UTF-8"?>
<testsuites>
  <testsuite name="eval" tests="2" failures="1" time="2.500">
    <testcase classname="eval" name="good" time="1.250"/>
    <testcase classname="eval" name="bad:1" time="1.250">
      <failure message="a,b.nix:3: undefined &lt;x&gt; &amp; &quot;y&quot;">a,b.nix:3: undefined &lt;x&gt; &amp; &quot;y&quot;
more</failure>
    </testcase>
  </testsuite>
</testsuites>
"#;
        assert_eq!(junit(&rows()), expect);
    }

    #[test]
    fn annotations_stand_at_their_lines() {
        assert_eq!(
            annotations(&rows()),
            "::error file=a%2Cb.nix,line=3,col=7,title=bad%3A1%3A eval::undefined <x> & \"y\"%0Amore\u{1b}\n"
        );
    }
}
