//! Runs the binary as a user would, and compares what it says with golden files.
//!
//! `WEIR_GOLDEN=write cargo test` writes the golden files anew: read the difference before it is
//! committed.

use std::path::{Path, PathBuf};

use assert_cmd::Command;

/// The project's folder.
pub(crate) fn project() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The command, in the project's folder and 80 columns, whatever the tests' own terminal is.
pub(crate) fn weir() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_weir"));
    command.current_dir(project()).env("COLUMNS", "80").env_remove("NO_COLOR");
    command
}

/// What a run gave.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) code: Option<i32>,
    pub(crate) out: String,
    pub(crate) err: String,
}

/// Runs the command with `words`.
pub(crate) fn run<W: AsRef<std::ffi::OsStr>>(words: &[W]) -> Ran {
    of(&mut weir().args(words).output().expect("the binary runs"))
}

/// What a finished process gave.
pub(crate) fn of(output: &mut std::process::Output) -> Ran {
    let text = |bytes: &mut Vec<u8>| String::from_utf8(std::mem::take(bytes)).expect("UTF-8");
    Ran { code: output.status.code(), out: text(&mut output.stdout), err: text(&mut output.stderr) }
}

/// Runs the command with words separated by blanks; it must succeed. Gives standard output.
pub(crate) fn answer(words: &str) -> String {
    let words: Vec<&str> = words.split_whitespace().collect();
    let ran = run(&words);
    assert_eq!(ran.code, Some(0), "{words:?}: {}", ran.err);
    ran.out
}

/// Compares `found` with the golden file at `path`, or writes it where that is asked for. Gives
/// what differs.
pub(crate) fn differs(path: &Path, found: &str) -> Option<String> {
    if std::env::var_os("WEIR_GOLDEN").is_some_and(|value| value == "write") {
        std::fs::write(path, found).expect("a golden file can be written");
        return None;
    }
    let expected = std::fs::read_to_string(path).unwrap_or_default();
    if expected == found {
        return None;
    }
    let (number, expected, found) = (1..)
        .zip(lines(&expected).zip(lines(found)))
        .find(|(_, (one, other))| one != other)
        .map(|(number, (one, other))| (number, one.to_owned(), other.to_owned()))
        .unwrap_or_default();
    Some(format!("{}:{number}\n  expected {expected}\n  found    {found}", path.display()))
}

/// The lines, and then nothing for ever.
fn lines(text: &str) -> impl Iterator<Item = &str> {
    text.lines().chain(std::iter::repeat("(end)")).take(1 << 20)
}

/// Compares `found` with `tests/golden/NAME`.
pub(crate) fn golden(name: &str, found: &str) {
    let difference = differs(&project().join("tests/golden").join(name), found);
    assert!(difference.is_none(), "{}", difference.unwrap_or_default());
}

/// The captures that this project recorded.
pub(crate) fn captures() -> Vec<PathBuf> {
    let names = |end: &str| {
        let folder = std::fs::read_dir(project().join("captures")).expect("captures/");
        let paths = folder.map(|entry| entry.expect("an entry").path());
        let paths = paths.filter(|path| path.to_string_lossy().ends_with(end));
        paths.collect::<Vec<PathBuf>>()
    };
    let mut paths: Vec<PathBuf> =
        [".pcap", ".pcapng", ".pcap.gz"].into_iter().flat_map(names).collect();
    paths.sort();
    assert!(paths.len() >= 16);
    paths
}
