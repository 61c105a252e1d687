//! A finding with its place in the source.

use unicode_width::UnicodeWidthChar;

use super::style::{Palette, clean};
use crate::problem::{Problem, Severity, line_col};
use crate::tree::TreePath;

/// Columns of a source line that are shown around a place.
const WIDTH: usize = 100;

/// `path:line:col: CODE: message`, the line with the place marked, and `help: …`.
pub fn render(
    problem: &Problem,
    source: &dyn Fn(&TreePath) -> Option<String>,
    palette: &Palette,
) -> String {
    let text = problem.span.as_ref().and_then(|span| source(&span.path));
    let mut out = String::new();
    if let Some(span) = &problem.span {
        let path = clean(&span.path.to_string()).replace('\n', "\\n");
        let place = match &text {
            Some(text) => {
                let (line, column) = line_col(text, span.start as usize);
                format!("{path}:{line}:{column}")
            }
            None => path,
        };
        out.push_str(&palette.place(&place));
        out.push_str(": ");
    }
    out.push_str(&match problem.severity {
        Severity::Error => palette.bad(problem.code),
        Severity::Warning => palette.doubtful(problem.code),
        Severity::Note => palette.faint(problem.code),
    });
    out.push_str(": ");
    out.push_str(&clean(&problem.message));
    out.push('\n');
    if let (Some(span), Some(text)) = (&problem.span, &text) {
        out.push_str(&excerpt(
            text,
            span.start as usize,
            span.end as usize,
            palette,
        ));
    }
    if let Some(help) = &problem.help {
        out.push_str(&palette.strong("help"));
        out.push_str(": ");
        out.push_str(&clean(help));
        out.push('\n');
    }
    out
}

fn width(text: &str) -> usize {
    text.chars().map(|c| c.width().unwrap_or(0)).sum()
}

/// The first line of a range with its part of the range underlined.
fn excerpt(text: &str, start: usize, end: usize, palette: &Palette) -> String {
    let (number, column) = line_col(text, start);
    let Some(line) = text.split('\n').nth(number - 1) else {
        return String::new();
    };
    let line = line.trim_end_matches('\r');
    let skip = column.saturating_sub(WIDTH / 2);
    let before: String = line.chars().take(column - 1).skip(skip).collect();
    let shown: String = line.chars().skip(skip).take(WIDTH).collect();
    let rest: String = line.chars().skip(column - 1).collect();
    let mut marked = String::new();
    for character in rest.chars() {
        if marked.len() + character.len_utf8() > end.saturating_sub(start) {
            break;
        }
        marked.push(character);
    }
    let (before, marked) = (clean(&before), clean(&marked));
    let room = WIDTH.saturating_sub(width(&before)).max(1);
    let carets = "^".repeat(width(&marked).clamp(1, room));
    let gutter = " ".repeat(number.to_string().len());
    format!(
        "{gutter} {bar}\n{number} {bar} {}\n{gutter} {bar} {}{}\n",
        clean(&shown),
        " ".repeat(width(&before)),
        palette.bad(&carets),
        bar = palette.place("|"),
        number = palette.place(&number.to_string()),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::problem::Span;

    fn check(text: &str, marked: &str, expect: &str) {
        let start = text.find(marked).unwrap();
        let span = Span {
            path: TreePath::new("hosts/web.nix").unwrap(),
            start: start as u32,
            end: (start + marked.len()) as u32,
        };
        let problem = Problem::error("bad-thing", "it is wrong")
            .at(span)
            .help("do it right");
        let source = |_: &TreePath| Some(text.to_owned());
        assert_eq!(render(&problem, &source, &Palette::plain()), expect);
    }

    #[test]
    fn a_place_is_underlined() {
        check(
            "{\n  services.nginx.enable = true;\n}\n",
            "nginx",
            "hosts/web.nix:2:12: bad-thing: it is wrong\n  |\n2 |   services.nginx.enable = true;\n  |            ^^^^^\nhelp: do it right\n",
        );
    }

    #[test]
    fn tabs_wide_characters_and_several_lines() {
        check(
            "\ta = \"日本\"; b = [\n1 ];",
            "b = [\n1 ]",
            "hosts/web.nix:1:12: bad-thing: it is wrong\n  |\n1 |     a = \"日本\"; b = [\n  |                 ^^^^^\nhelp: do it right\n",
        );
    }

    #[test]
    fn a_very_long_line_is_cut_around_the_place() {
        let text = format!("{}HERE{}", "x".repeat(5_000), "y".repeat(5_000));
        let problem = Problem::error("c", "m").at(Span {
            path: TreePath::new("a").unwrap(),
            start: 5_000,
            end: 5_004,
        });
        let out = render(&problem, &|_| Some(text.clone()), &Palette::plain());
        assert!(out.lines().all(|line| line.len() < 120), "{out}");
        let lines: Vec<&str> = out.lines().collect();
        assert_eq!(lines[2].find("HERE"), lines[3].find("^^^^"), "{out}");
    }

    #[test]
    fn nothing_reaches_the_terminal_raw() {
        let problem = Problem::error("c", "a\u{1b}[31mb\u{7}");
        let out = render(&problem, &|_| None, &Palette::plain());
        assert_eq!(out, "c: a\\u{1b}[31mb\\u{7}\n");
    }
}
