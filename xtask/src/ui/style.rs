//! Colours, and text that cannot play tricks on a terminal.

use anstyle::{AnsiColor, Style};

/// `--color`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum)]
pub enum ColorChoice {
    /// On a terminal, unless `NO_COLOR` is set.
    #[default]
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

/// The styles of one stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Palette {
    enabled: bool,
    columns: Option<usize>,
}

/// Makes text of one meaning.
macro_rules! meanings {
    ($($(#[$doc:meta])* $name:ident => $style:expr;)*) => {
        impl Palette {
            $($(#[$doc])* pub fn $name(&self, text: &str) -> String {
                self.paint($style, text)
            })*
        }
    };
}

meanings! {
    /// Errors, and what goes.
    bad => Style::new().fg_color(Some(AnsiColor::Red.into())).bold();
    /// Warnings.
    doubtful => Style::new().fg_color(Some(AnsiColor::Yellow.into())).bold();
    /// Success.
    good => Style::new().fg_color(Some(AnsiColor::Green.into()));
    /// What goes in a diff.
    removed => Style::new().fg_color(Some(AnsiColor::Red.into()));
    /// Places and hunks.
    place => Style::new().fg_color(Some(AnsiColor::Cyan.into()));
    /// Headings.
    strong => Style::new().bold();
    /// What matters less.
    faint => Style::new().dimmed();
}

impl Palette {
    /// Decides whether a stream gets colours.
    pub fn new(choice: ColorChoice, is_terminal: bool) -> Self {
        let set = |name| std::env::var_os(name).is_some_and(|value| !value.is_empty());
        let dumb = std::env::var_os("TERM").is_none_or(|term| term == "dumb");
        let enabled = match choice {
            ColorChoice::Always => true,
            ColorChoice::Never => false,
            ColorChoice::Auto => is_terminal && !set("NO_COLOR") && !dumb,
        };
        Self {
            enabled,
            columns: None,
        }
    }

    /// No colours at all.
    pub fn plain() -> Self {
        Self {
            enabled: false,
            columns: None,
        }
    }

    /// The same for a terminal of so many columns; `None` anywhere else.
    #[must_use]
    pub fn for_columns(self, columns: Option<usize>) -> Self {
        Self { columns, ..self }
    }

    /// How wide a line may be: nothing is said of it where no person looks.
    pub fn columns(&self) -> Option<usize> {
        self.columns
    }

    fn paint(self, style: Style, text: &str) -> String {
        if self.enabled {
            format!("{style}{text}{style:#}")
        } else {
            text.to_owned()
        }
    }
}

/// The text with control characters spelt out, newlines kept.
pub(super) fn clean(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '\n' => out.push('\n'),
            '\t' => out.push_str("    "),
            c if c.is_control() => out.extend(c.escape_debug()),
            c => out.push(c),
        }
    }
    out
}
