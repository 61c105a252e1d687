//! What `strace` saw a process read below some places.

use std::path::{Component, Path, PathBuf};

use super::reads::{Aspect, Reads};
use crate::tree::TreePath;

/// Arguments of strace under which [`read`] understands what it writes. The
/// traced program is the direct child, and ends with us.
pub const ARGUMENTS: &[&str] = &[
    "-f",
    "-D",
    "-q",
    "--seccomp-bpf",
    "-y",
    "-e",
    "trace=%file,getdents64",
    "-e",
    "signal=none",
];

/// Whether a trace is whole: the first process that it names has ended in it.
pub fn is_whole(text: &str) -> bool {
    let Some((first, _)) = text.split_once(' ') else {
        return false;
    };
    // Threads end before the process that they belong to.
    text.lines().rev().any(|line| {
        line.strip_prefix(first)
            .is_some_and(|rest| rest.trim_start().starts_with("+++ "))
    })
}

/// What was read below `place`, in the lines of a trace.
pub fn read<'a>(lines: impl Iterator<Item = &'a str>, place: &Path) -> Reads {
    let mut reads = Reads::default();
    let Some(text) = place.to_str() else {
        return reads;
    };
    // Names that are not spelled as they are need a closer look.
    let plain =
        text.bytes().all(|it| it.is_ascii_graphic()) && !text.contains(['"', '\\', '<', '>']);
    for line in lines.filter(|line| !plain || line.contains(text)) {
        for (path, aspect) in paths(line) {
            if let Ok(below) = path.strip_prefix(place)
                && let Some(path) = below.to_str().and_then(TreePath::new)
            {
                reads.add(path, aspect);
            }
        }
    }
    reads
}

/// The paths that a call names, whether it came to anything or not.
fn paths(line: &str) -> Vec<(PathBuf, Aspect)> {
    // `PID name(arguments) = result`, or `PID <... name resumed>…`, whose
    // arguments stood in an earlier line.
    let call = line
        .split_once(' ')
        .map_or(line, |(_, rest)| rest.trim_start());
    let Some((name, arguments)) = call.split_once('(') else {
        return Vec::new();
    };
    let aspect = match name {
        "open" | "openat" | "openat2" | "readlink" | "readlinkat" | "getdents64" => {
            Aspect::Contents
        }
        // It became another program; what that reads is traced too.
        "execve" | "execveat" => Aspect::Contents,
        _ => Aspect::Kind,
    };
    if name == "getdents64" {
        return described(arguments)
            .map(|path| (path, aspect))
            .into_iter()
            .collect();
    }
    let mut found = Vec::new();
    let mut rest = arguments;
    let mut directory = None;
    while let Some(at) = rest.find(['"', '<']) {
        let (before, quoted) = rest.split_at(at);
        // What the call gave back is no argument.
        if before.contains(") = ") {
            break;
        }
        if quoted.starts_with('<') {
            directory = described(rest);
            let Some(end) = quoted.find('>') else { break };
            rest = quoted.get(end + 1..).unwrap_or_default();
            continue;
        }
        let Some((path, after)) = string(quoted) else {
            break;
        };
        rest = after;
        let path = Path::new(&path);
        let whole = match &directory {
            Some(directory) if path.is_relative() => directory.join(path),
            _ => path.to_owned(),
        };
        found.push((lexical(&whole), aspect));
    }
    found
}

/// The path in `3</path>`.
fn described(text: &str) -> Option<PathBuf> {
    let (_, rest) = text.split_once('<')?;
    let (path, _) = rest.split_once('>')?;
    let path = unescaped(path)?;
    path.starts_with('/').then(|| PathBuf::from(path))
}

/// A quoted string with C escapes, and what follows it.
fn string(quoted: &str) -> Option<(String, &str)> {
    let inside = quoted.strip_prefix('"')?;
    let mut escaped = false;
    let end = inside.find(|c| {
        let ends = c == '"' && !escaped;
        escaped = c == '\\' && !escaped;
        ends
    })?;
    let (text, rest) = inside.split_at(end);
    Some((unescaped(text)?, rest.strip_prefix('"')?))
}

/// Text without its C escapes.
fn unescaped(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes().peekable();
    while let Some(byte) = rest.next() {
        if byte != b'\\' {
            bytes.push(byte);
            continue;
        }
        match rest.next()? {
            b'n' => bytes.push(b'\n'),
            b't' => bytes.push(b'\t'),
            b'r' => bytes.push(b'\r'),
            b'v' => bytes.push(0x0b),
            b'f' => bytes.push(0x0c),
            digit @ b'0'..=b'7' => {
                let mut value = u32::from(digit - b'0');
                for _ in 0..2 {
                    let Some(digit) = rest.next_if(|byte| (b'0'..=b'7').contains(byte)) else {
                        break;
                    };
                    value = value * 8 + u32::from(digit - b'0');
                }
                bytes.push(u8::try_from(value & 0xff).unwrap_or(b'?'));
            }
            other => bytes.push(other),
        }
    }
    String::from_utf8(bytes).ok()
}

/// The path without `.` and `..`, links not looked at.
fn lexical(path: &Path) -> PathBuf {
    let mut clean = PathBuf::new();
    for component in path.components() {
        match component {
            Component::CurDir => {}
            Component::ParentDir => {
                clean.pop();
            }
            other => clean.push(other),
        }
    }
    clean
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(trace: &str, expect: &[(&str, Aspect)]) {
        let reads = read(trace.lines(), Path::new("/v/1"));
        let found: Vec<_> = reads.iter().map(|(path, it)| (path.as_str(), it)).collect();
        assert_eq!(found, expect, "{trace}");
    }

    #[test]
    fn calls_are_told_apart() {
        use Aspect::{Contents, Kind};
        check(
            r#"7 openat(AT_FDCWD</home>, "/v/1/a.nix", O_RDONLY|O_CLOEXEC) = 5</v/1/a.nix>
7 newfstatat(AT_FDCWD</home>, "/v/1/b", {st_mode=S_IFREG|0644, ...}, AT_SYMLINK_NOFOLLOW) = 0
7 lstat("/v/1/c", 0x7ffc) = -1 ENOENT (No such file or directory)
7 getdents64(6</v/1/d>, 0x55 /* 3 entries */, 32768) = 80
7 openat(6</v/1/d>, "e", O_RDONLY <unfinished ...>
7 <... openat resumed>) = 7</v/1/d/e>
7 readlink("/v/1/f\"\303\274 \\", 0x7ff, 4095) = -1 EINVAL (Invalid argument)
7 stat("/v/2/other", 0x7ff) = 0
7 openat(AT_FDCWD</v/1>, "/nix/store/x", O_RDONLY) = 3</nix/store/x>
7 openat(AT_FDCWD</v/1/d>, "../g", O_RDONLY) = 3"#,
            &[
                ("a.nix", Contents),
                ("b", Kind),
                ("c", Kind),
                ("d", Contents),
                ("d/e", Contents),
                ("f\"ü \\", Contents),
                ("g", Contents),
            ],
        );
    }

    #[test]
    fn places_with_odd_names_are_found() {
        let line = r#"7 openat(6</it's\40\"a\"\74b\76>, "x", O_RDONLY) = 3
7 lstat("/it's \"a\"<b>/y", 0x7ff) = 0"#;
        let reads = read(line.lines(), Path::new("/it's \"a\"<b>"));
        let found: Vec<_> = reads.iter().map(|(path, _)| path.as_str()).collect();
        assert_eq!(found, ["x", "y"]);
    }

    #[test]
    fn a_trace_without_its_end_is_not_whole() {
        let whole =
            "7 open(\"a\")\n8 open(\"b\")\n8 +++ exited with 0 +++\n7 +++ exited with 0 +++\n";
        assert!(is_whole(whole));
        for end in [0, 20, 40, whole.len() - 26] {
            assert!(!is_whole(&whole[..end]), "{end}");
        }
    }

    #[test]
    fn rubbish_is_no_read() {
        for line in [
            "",
            "7",
            "7 open(",
            "7 open(\"",
            "7 open(\"/v/1/a\\",
            "\"/v/1/a\"",
        ] {
            check(line, &[]);
        }
    }
}
