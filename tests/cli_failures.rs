//! What goes wrong is told in one line, with the right exit code, and nothing is written half.

use std::io::{Read as _, Write as _};
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Command, Stdio};

use crate::cli::{of, project, run, weir};

/// The files of a test, in a folder that goes with the value.
fn files() -> tempfile::TempDir {
    let dir = tempfile::tempdir().expect("a folder");
    let write = |name: &str, bytes: &[u8]| {
        std::fs::write(dir.path().join(name), bytes).expect("a file");
    };
    let odd = std::fs::read(project().join("captures/odd.pcap")).expect("a capture");
    write("odd.pcap", &odd);
    write("header.pcap", &odd[..24]);
    write("cut.pcap", &odd[..10_000]);
    write("zero.pcap", b"");
    write("text.pcap", b"hello");
    write("file", b"");
    std::fs::create_dir(dir.path().join("empty")).expect("a folder");
    let made = in_folder(dir.path(), "capture -r odd.pcap -w segments").output();
    assert!(made.expect("it runs").status.success());
    let segment = std::fs::read_dir(dir.path().join("segments")).expect("segments").next();
    let segment = segment.expect("one").expect("an entry").path();
    std::fs::copy(segment, dir.path().join("odd.weir")).expect("a copy");
    dir
}

/// The command in a folder, with words separated by blanks; `_` stands for a blank in a word.
fn in_folder(dir: &Path, words: &str) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_weir"));
    let words = words.split(' ').filter(|word| !word.is_empty()).map(|word| word.replace('_', " "));
    command.args(words).current_dir(dir).env("COLUMNS", "80").stdin(Stdio::null());
    command
}

#[test]
#[expect(clippy::too_many_lines, reason = "a table")]
fn failures_are_told_in_one_line() {
    let dir = files();
    let check = |words: &str, code: i32, expected: &str| {
        let ran = of(&mut in_folder(dir.path(), words).output().expect("it runs"));
        assert_eq!(ran.err, format!("weir: {expected}\n"), "weir {words}");
        assert_eq!(ran.code, Some(code), "weir {words}");
    };
    let missing = "cannot read nosuch.pcap: No such file or directory (os error 2)";
    for command in ["list", "latency", "info", "verify", "export --format jsonl", "capture -r"] {
        check(&format!("{command} nosuch.pcap"), 1, missing);
    }
    check("show nosuch.pcap 7k3m", 1, missing);
    check("list empty", 1, "empty holds no segment: expected files named *.weir");
    check(
        "list zero.pcap",
        1,
        "cannot read capture zero.pcap: it is empty, not even a file header is there",
    );
    let text = "cannot read text.pcap as a capture: it starts with 68 65 6c 6c, which is neither pcap nor pcapng nor either of them in gzip or zstd";
    check("latency text.pcap", 1, text);
    check("capture -r text.pcap -w new", 1, text);
    let cut = "cannot read capture cut.pcap to its end: it is cut: record 67 at byte 9989 needs 16 bytes, 11 are left; what came before was read";
    check("list cut.pcap", 1, cut);
    check("info --json cut.pcap", 1, cut);
    check("verify cut.pcap", 3, cut);
    check(
        "list odd.pcap ./odd.pcap",
        2,
        "./odd.pcap is given twice: its exchanges would count twice",
    );
    check("list - -", 2, "standard input (-) can be read once");
    check(
        "list --by rout odd.pcap",
        2,
        "--by: `rout` is no key to group by (did you mean `route`?): expected some of server, client, host, method, route, path, status, class, state, connection, request.header.NAME, response.header.NAME, separated by commas",
    );
    check(
        "info --metric waiting odd.pcap",
        2,
        "--metric: `waiting` is no time: expected one of total, wait, blocked, send, receive, connect",
    );
    check(
        "list --since noon odd.pcap",
        2,
        "--since: `noon` is no time: expected RFC 3339 such as `2026-11-21T06:34:25Z`, or a duration before the last exchange such as `-15m`",
    );
    check("show odd.pcap", 2, "an id is missing: weir show PATH... ID; weir list shows the ids");
    check(
        "show odd.pcap zzzz",
        1,
        "no exchange has an id that begins with `zzzz`: weir list shows the ids",
    );
    check(
        "export --format jsonl odd.pcap -o no/x",
        1,
        "cannot write no/x: No such file or directory (os error 2)",
    );
    check(
        "capture -r odd.weir",
        1,
        "odd.weir is a segment: it holds exchanges already, so ask it with weir list or weir latency",
    );
    check("capture -r segments", 1, "segments is a directory: expected a capture file");
    check(
        "capture -r odd.pcap odd.pcap",
        2,
        "odd.pcap is given twice: its exchanges would count twice",
    );
    check("capture -r odd.pcap -w file", 1, "cannot write segments to file: it is not a directory");
    check(
        "capture -r odd.pcap -w file/x",
        1,
        "cannot make directory file/x: Not a directory (os error 20)",
    );
    let syntax = "cannot use the filter `tcp port`: syntax error; see man pcap-filter";
    check("capture -r odd.pcap -w half tcp_port", 2, syntax);
    check(
        "capture -r odd.pcap tuesday",
        2,
        "cannot use the filter `tuesday`: syntax error; see man pcap-filter (and no file is named `tuesday`)",
    );
    for name in ["new", "half"] {
        assert!(!dir.path().join(name).exists(), "nothing is written half");
    }
}

#[test]
fn a_mistake_in_an_expression_is_shown_under_its_word() {
    let ran = run(&["list", "captures/odd.pcap", "--where", "statsu > 1"]);
    assert_eq!((ran.code, ran.out.as_str()), (Some(2), ""));
    assert!(ran.err.contains("1 | statsu > 1\n  | ^^^^^^ did you mean `status`?\n"), "{}", ran.err);
}

#[test]
fn typos_give_suggestions() {
    let check = |words: &str, expected: &str| {
        let words: Vec<&str> = words.split(' ').collect();
        let ran = run(&words);
        assert_eq!((ran.code, ran.out.as_str()), (Some(2), ""));
        assert!(ran.err.contains(expected), "{}", ran.err);
    };
    check("lst x", "a similar subcommand exists: 'list'");
    check("list --wher x", "a similar argument exists: '--where'");
    check("completions bsh", "a similar value exists: 'bash'");
    check("help lst", "unrecognized subcommand 'lst'");
}

#[test]
fn alone_it_says_what_there_is() {
    let ran = run::<&str>(&[]);
    assert_eq!((ran.code, ran.out.as_str()), (Some(2), ""));
    assert!(ran.err.contains("weir latency trace.pcap"));
    assert_eq!(run(&["-V"]).out, format!("weir {}\n", env!("CARGO_PKG_VERSION")));
    assert_eq!(run(&["--help"]).out, ran.err);
}

#[test]
fn an_empty_capture_is_an_answer() {
    let dir = files();
    let check = |words: &str, expected: &str| {
        let ran = of(&mut in_folder(dir.path(), words).output().expect("it runs"));
        assert_eq!((ran.code, ran.out.as_str(), ran.err.as_str()), (Some(0), expected, ""));
    };
    check("list header.pcap", "");
    check("list --json header.pcap", "");
    check("latency header.pcap", "No exchange.\n");
    check("latency --json header.pcap", "");
    check("verify header.pcap", "header.pcap: whole (0 frames read, 0 exchanges)\n");
}

/// Without rights nothing can be read or written; as root the tests try with those of nobody.
#[test]
fn what_may_not_be_read_or_written_is_told() {
    use std::os::unix::fs::PermissionsExt as _;
    let dir = files();
    let mode = |name: &str, mode: u32| {
        let rights = std::fs::Permissions::from_mode(mode);
        std::fs::set_permissions(dir.path().join(name), rights).expect("rights are ours to set");
    };
    mode(".", 0o755);
    mode("segments", 0);
    mode("odd.weir", 0);
    mode("empty", 0o555);
    let check = |words: &str, expected: &str| {
        let mut command = in_folder(dir.path(), words);
        if rustix::process::geteuid().is_root() {
            command.uid(65_534).gid(65_534);
        }
        let Ok(mut output) = command.output() else {
            eprintln!("skipped: nobody may not run the binary in this folder");
            return;
        };
        let ran = of(&mut output);
        assert_eq!((ran.code, ran.out.as_str()), (Some(1), ""));
        assert!(ran.err.starts_with(&format!("weir: {expected}")), "{}", ran.err);
        assert!(ran.err.ends_with("Permission denied (os error 13)\n"), "{}", ran.err);
        assert_eq!(ran.err.lines().count(), 1);
    };
    check("list segments", "cannot open segments: ");
    check("list odd.weir", "cannot read odd.weir: ");
    check("capture -r odd.pcap -w empty", "cannot create empty/");
    check("capture -r odd.pcap -w empty/new", "cannot make directory empty/new: ");
    mode("segments", 0o755);
}

#[test]
fn a_closed_pipe_ends_quietly() {
    for words in [
        "list captures/shop.pcap",
        "list --json captures/shop.pcap",
        "capture -r captures/shop.pcap",
    ] {
        let mut child = in_folder(project(), words)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("it runs");
        let mut first = [0];
        child.stdout.take().expect("a pipe").read_exact(&mut first).expect("a byte");
        let ran = of(&mut child.wait_with_output().expect("it ends"));
        assert_eq!(ran.code, Some(0), "{words}");
        assert!(!ran.err.contains("weir:"), "{words}: {}", ran.err);
    }
}

#[test]
fn every_command_reads_standard_input() {
    let bytes = std::fs::read(project().join("captures/odd.pcap")).expect("a capture");
    for words in ["list -", "list --json -", "latency -", "info -", "export --format jsonl -"] {
        let piped = weir().args(words.split(' ')).write_stdin(bytes.clone()).output();
        let file =
            words.strip_suffix('-').expect("it ends with -").to_owned() + "captures/odd.pcap";
        let read = run(&file.split(' ').collect::<Vec<&str>>());
        assert_eq!(of(&mut piped.expect("it runs")).out, read.out, "{words}");
        assert!(!read.out.is_empty());
    }
    let verified = weir().args(["verify", "-"]).write_stdin(bytes.clone()).output();
    assert_eq!(
        of(&mut verified.expect("it runs")).out,
        "-: whole (270 frames read, 21 exchanges)\n"
    );
    let shown = weir().args(["show", "-", "kpne77gp"]).write_stdin(bytes.clone()).output();
    assert!(of(&mut shown.expect("it runs")).out.contains("GET /escape"));
    let captured = weir().args(["capture", "-r", "-", "--json"]).write_stdin(bytes).output();
    let golden = project().join("captures/odd.pcap.expected.jsonl");
    let golden = std::fs::read_to_string(golden).expect("a golden file");
    assert_eq!(of(&mut captured.expect("it runs")).out, golden);
}

/// A capture through a pipe with a name loses none of its bytes to looking what it is.
#[test]
fn a_named_pipe_is_read_once() {
    let dir = tempfile::tempdir().expect("a folder");
    let pipe = dir.path().join("pipe");
    assert!(Command::new("mkfifo").arg(&pipe).status().expect("mkfifo").success());
    let child = in_folder(dir.path(), "list --json pipe").stdout(Stdio::piped()).spawn();
    let bytes = std::fs::read(project().join("captures/odd.pcap")).expect("a capture");
    let mut writer = std::fs::OpenOptions::new().write(true).open(&pipe).expect("a reader");
    writer.write_all(&bytes).expect("it is read");
    drop(writer);
    let ran = of(&mut child.expect("it runs").wait_with_output().expect("it ends"));
    assert_eq!(ran.out.lines().count(), 21);
}

#[test]
fn segments_and_captures_mix() {
    let dir = files();
    let old = project().join("captures/old.pcap");
    std::fs::copy(old, dir.path().join("old.pcap")).expect("a copy");
    let out = |words: &str| {
        let ran = of(&mut in_folder(dir.path(), words).output().expect("it runs"));
        assert_eq!((ran.code, ran.err.as_str()), (Some(0), ""));
        ran.out
    };
    for command in ["list --json", "latency --json", "latency --by path", "export --format jsonl"] {
        let captures = out(&format!("{command} odd.pcap old.pcap"));
        assert_eq!(out(&format!("{command} odd.weir old.pcap")), captures);
        assert_eq!(out(&format!("{command} old.pcap segments")), captures);
    }
}

#[cfg(not(feature = "otlp"))]
#[test]
fn a_build_without_spans_says_how_to_get_one_that_has_them() {
    for input in ["-r captures/shop.pcap", "-i lo"] {
        let words = format!("capture {input} --otlp http://localhost:4318");
        let ran = run(&words.split(' ').collect::<Vec<&str>>());
        assert_eq!((ran.code, ran.out.as_str()), (Some(2), ""));
        assert_eq!(
            ran.err,
            "weir: this build sends no spans: `cargo install weir --features otlp` gives one that \
             does; --json and --metrics are in every build\n"
        );
    }
}
