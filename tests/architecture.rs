//! The layout of the code: what a module may import, and by which door an outside crate comes in.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// The doors: an outside crate, and the beginnings of the paths below src/ that may name it.
/// Crates that are not listed may be used anywhere.
const DOORS: [(&str, &[&str]); 21] = [
    // The first two are this project's own `pcap` module, beside the crate's name.
    ("pcap", &["source/file.rs", "source/mod.rs", "source/live/", "source/bpf/"]),
    ("etherparse", &["decode/"]),
    ("httparse", &["http/"]),
    ("zstd", &["segment/", "source/", "export/content.rs"]),
    ("flate2", &["source/", "export/content.rs"]),
    ("brotli_decompressor", &["export/content.rs"]),
    ("memmap2", &["segment/map.rs", "source/map.rs"]),
    ("crossbeam_channel", &["pipeline/", "bin/"]),
    ("annotate_snippets", &["query/filter/error.rs"]),
    ("winnow", &["query/filter/"]),
    ("regex", &["query/filter/"]),
    ("comfy_table", &["report/"]),
    ("hdrhistogram", &["segment/latencies.rs", "export/hdr.rs"]),
    ("clap", &["bin/"]),
    ("anyhow", &["bin/"]),
    ("indicatif", &["bin/"]),
    ("mimalloc", &["bin/"]),
    ("signal_hook", &["bin/"]),
    ("opentelemetry_proto", &["export/otlp/"]),
    ("prost", &["export/otlp/"]),
    ("ureq", &["bin/weir/otlp/"]),
];

/// A file of src/.
struct File {
    /// Below src/, with `/`.
    path: String,
    text: String,
}

impl File {
    /// The module of lib.rs that it belongs to.
    fn module(&self) -> &str {
        let first = self.path.split('/').next().unwrap_or_default();
        first.strip_suffix(".rs").unwrap_or(first)
    }

    /// Whether it is test code as a whole.
    fn is_tests(&self) -> bool {
        self.path.ends_with("/tests.rs") || self.path.contains("/tests/")
    }

    /// The lines that are neither comments nor the tests at the end, with their numbers.
    fn code(&self) -> impl Iterator<Item = (usize, &str)> {
        let lines = self.text.lines().enumerate();
        let lines = lines.take_while(|(_, line)| *line != "#[cfg(test)]");
        lines
            .map(|(number, line)| (number + 1, line.split("//").next().unwrap_or_default()))
            .filter(|(_, line)| !line.trim().is_empty())
    }
}

fn source() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src")
}

fn files() -> Vec<File> {
    let root = source();
    let mut files = Vec::new();
    let mut folders = vec![root.clone()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).expect("a folder") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let text = std::fs::read_to_string(&path).expect("text");
                let below = path.strip_prefix(&root).expect("below src").to_string_lossy();
                files.push(File { path: below.replace('\\', "/"), text });
            }
        }
    }
    assert!(files.len() > 50);
    files
}

/// The modules of lib.rs, in the order of their declarations.
fn order() -> Vec<String> {
    let text = std::fs::read_to_string(source().join("lib.rs")).expect("lib.rs");
    let modules = text.lines().filter_map(|line| {
        let name = line.strip_prefix("pub mod ").or_else(|| line.strip_prefix("mod "))?;
        Some(name.trim_end_matches(';').to_owned())
    });
    let modules: Vec<String> = modules.collect();
    assert!(modules.len() > 10);
    modules
}

/// The modules that `text` names after `crate::`, also in braces: `crate::{limits, time::T}`.
fn imports(text: &str) -> BTreeSet<String> {
    let mut named = BTreeSet::new();
    for (at, _) in text.match_indices("crate::") {
        let is_other = text[..at].chars().next_back().is_some_and(is_name);
        if is_other {
            continue;
        }
        let rest = &text[at + "crate::".len()..];
        let Some(inside) = rest.strip_prefix('{') else {
            named.insert(rest.chars().take_while(|&c| is_name(c)).collect());
            continue;
        };
        let mut depth = 0_usize;
        let mut word = String::new();
        for c in inside.chars() {
            match c {
                '{' => depth += 1,
                '}' if depth == 0 => break,
                '}' => depth -= 1,
                ',' if depth == 0 => {
                    named.insert(first_name(&std::mem::take(&mut word)));
                    continue;
                }
                _ => {}
            }
            word.push(c);
        }
        named.insert(first_name(&word));
    }
    named.remove("");
    named
}

fn is_name(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '_'
}

fn first_name(path: &str) -> String {
    path.trim_start().chars().take_while(|&c| is_name(c)).collect()
}

#[test]
fn imports_are_read_in_every_form() {
    let check = |text: &str, expected: &[&str]| {
        assert_eq!(imports(text), expected.iter().map(|&name| name.to_owned()).collect(), "{text}");
    };
    check("use crate::time::Timestamp;", &["time"]);
    check("use crate::{limits, tcp::{Data, Seq},\n    time::T};", &["limits", "tcp", "time"]);
    check("fn f(x: crate::http::Head) {}", &["http"]);
    check("use mycrate::time;", &[]);
}

#[test]
fn modules_import_only_what_is_declared_above_them() {
    let order = order();
    let rank = |name: &str| order.iter().position(|module| module == name);
    let mut upward = Vec::new();
    for file in files().iter().filter(|file| !file.is_tests()) {
        let Some(own) = rank(file.module()) else { continue };
        let code: Vec<&str> = file.code().map(|(_, line)| line).collect();
        for name in imports(&code.join("\n")) {
            match rank(&name) {
                Some(other) if other > own => {
                    upward.push(format!("src/{} imports {name}, declared below it", file.path));
                }
                Some(_) => {}
                None => upward.push(format!("src/{}: no module {name} in lib.rs", file.path)),
            }
        }
    }
    assert!(upward.is_empty(), "{}", upward.join("\n"));
}

#[test]
fn outside_crates_come_in_by_their_doors() {
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR")).join("Cargo.toml");
    let manifest = std::fs::read_to_string(manifest).expect("Cargo.toml");
    let mut strays = Vec::new();
    for (name, doors) in DOORS {
        let dependency = format!("\n{} = ", name.replace('_', "-"));
        assert!(manifest.contains(&dependency), "{name} is no dependency any more");
        let path = format!("{name}::");
        for file in files().iter().filter(|file| !file.is_tests()) {
            if doors.iter().any(|door| file.path.starts_with(door)) {
                continue;
            }
            for (number, line) in file.code() {
                let names = line
                    .match_indices(&path)
                    .any(|(at, _)| !line[..at].ends_with(|c: char| is_name(c) || c == ':'));
                if names {
                    strays.push(format!("src/{}:{number} names {name}", file.path));
                }
            }
        }
    }
    assert!(strays.is_empty(), "{}", strays.join("\n"));
}

#[test]
fn every_file_says_what_it_is_and_leaves_nothing_undone() {
    let mut failures = Vec::new();
    for file in files() {
        if !file.text.starts_with("//! ") {
            failures.push(format!("src/{} does not say what it is", file.path));
        }
        let name = file.path.rsplit('/').next().unwrap_or_default();
        if ["utils.rs", "common.rs", "types.rs", "core.rs", "helpers.rs"].contains(&name) {
            failures.push(format!("src/{} has a name that says nothing", file.path));
        }
        for (number, line) in file.text.lines().enumerate() {
            if ["TODO", "FIXME", "XXX", "HACK"].iter().any(|word| line.contains(word)) {
                failures.push(format!("src/{}:{} is not done: {line}", file.path, number + 1));
            }
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

#[test]
fn unsafe_code_stands_in_a_handful_of_small_files() {
    let doors = [
        "prefetch.rs",
        "source/map.rs",
        "source/socket.rs",
        "sandbox/identity.rs",
        "http/class.rs",
        "segment/map.rs",
    ];
    for file in files().iter().filter(|file| !file.is_tests()) {
        let has_unsafe = file
            .code()
            .any(|(_, line)| line.split(|c: char| !is_name(c)).any(|word| word == "unsafe"));
        assert!(!has_unsafe || doors.contains(&file.path.as_str()), "src/{}", file.path);
        if has_unsafe {
            assert!(file.text.contains("SAFETY"), "src/{} gives no reason", file.path);
        }
    }
}

/// Only the live source reads a clock, and only the binary tells progress by one.
#[test]
fn only_the_live_source_reads_a_clock() {
    let doors = ["source/live/", "bin/"];
    let mut strays = Vec::new();
    for file in files().iter().filter(|file| !file.is_tests()) {
        let is_door = doors.iter().any(|door| file.path.starts_with(door));
        for (number, line) in file.code() {
            if !is_door && (line.contains("Instant::now") || line.contains("SystemTime::now")) {
                strays.push(format!("src/{}:{number} reads a clock", file.path));
            }
        }
    }
    assert!(strays.is_empty(), "{}", strays.join("\n"));
}
