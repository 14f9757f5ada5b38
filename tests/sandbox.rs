//! Capturing with as few privileges as possible: processes of this test that give theirs up, or
//! never had any.
//!
//! What is given up is gone for the whole process, so each case runs in one of its own: this
//! program again, for one test that is ignored otherwise.

use std::fs;
use std::net::{Ipv4Addr, TcpListener, TcpStream, UdpSocket};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use crate::namespace::in_namespace;
use weir::sandbox::{Fence, Needs, SandboxError, confine};
use weir::source::live::{Interfaces, Settings};
use weir::source::{Reading, Source};

/// A user that every system has and that owns nothing.
const NOBODY: u32 = 65_534;

/// Where a process of this test finds the folder that it may write to.
const FOLDER: &str = "WEIR_TEST_FOLDER";

/// This program, set up to run one ignored test.
fn child(program: &Path, test: &str, folder: &Path) -> Command {
    let mut command = Command::new(program);
    command.args(["--ignored", "--exact", test, "--nocapture"]).env(FOLDER, folder);
    command
}

fn this_program() -> PathBuf {
    std::env::current_exe().expect("known")
}

fn check_succeeded(output: &Output) {
    let said = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && said.contains("1 passed"), "{said}");
}

/// Sends a datagram over loopback and looks for it.
fn check_captures(source: &mut Interfaces) {
    let sender = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
    sender.send_to(b"seen", sender.local_addr().expect("bound")).expect("sent");
    source.stopper().stop();
    let mut seen = 0;
    while source.read(&mut |_| seen += 1).expect("no error") != Reading::End {}
    assert_eq!((seen, source.missed().kernel), (1, 0));
}

fn open() -> Interfaces {
    let settings = Settings { ring_bytes: 1 << 20, ..Settings::default() };
    Interfaces::open(&["lo"], settings, Box::new(|_| {})).expect("lo opens")
}

#[test]
fn root_becomes_somebody_else_who_captures_and_can_do_nothing_more() {
    in_namespace(|| {
        let folder = tempfile::tempdir().expect("a folder");
        let test = "sandbox::confined_process";
        let output = child(&this_program(), test, folder.path()).output().expect("it runs");
        check_succeeded(&output);
        let written = fs::metadata(folder.path().join("renamed")).expect("written");
        assert_eq!((written.uid(), written.gid()), (NOBODY, NOBODY));
    });
}

#[test]
#[ignore = "run by another test, in a process of its own"]
fn confined_process() {
    let folder = PathBuf::from(std::env::var_os(FOLDER).expect("run by another test"));
    let mut source = open();
    let user = NOBODY.to_string();
    let listen = || TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
    let listeners = [listen(), listen()];
    let [collector, other] = listeners.each_ref().map(|one| one.local_addr().expect("bound"));
    let needs = Needs {
        user: Some(&user),
        writes: std::slice::from_ref(&folder),
        reads: &[],
        interfaces: weir::sandbox::Interfaces::Captured,
        connects: &[collector.port()],
    };
    let confined = confine(&needs).expect("root may");
    assert_eq!(confined.keeps, ["CAP_NET_RAW"]);
    let line = confined.to_string();
    assert!(line.starts_with("running as 65534, with CAP_NET_RAW only, no new pri"), "{line}");

    assert_eq!(rustix::process::geteuid().as_raw(), NOBODY);
    assert!(rustix::process::getgroups().expect("readable").is_empty());
    let file = folder.join("new");
    fs::write(&file, "text").expect("its own folder");
    fs::rename(&file, folder.join("renamed")).expect("its own folder");
    assert!(fs::write("/dev/shm/weir-test", "text").is_err() || confined.fence == Fence::Absent);
    if confined.fence != Fence::Absent {
        // Anybody may do so who is not confined.
        assert!(fs::read("/etc/passwd").is_err());
        assert!(Command::new("/bin/true").status().is_err());
    }
    if confined.fence == Fence::Whole {
        assert!(TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).is_err());
    }
    let status = fs::read_to_string("/proc/self/task/self/status")
        .or_else(|_| fs::read_to_string("/proc/thread-self/status"))
        .or_else(|_| fs::read_to_string("/proc/self/status"))
        .expect("its own state");
    assert!(status.contains("Uid:\t65534\t65534\t65534\t65534"), "{status}");

    check_captures(&mut source);
    // An interface that was lost can be opened again.
    check_captures(&mut open());

    TcpStream::connect(collector).expect("it was asked for");
    assert!(TcpStream::connect(other).is_err() || confined.fence != Fence::Whole);
}

#[test]
fn a_folder_in_use_that_the_user_may_not_write_to_is_an_error_that_says_what_to_type() {
    in_namespace(|| {
        let folder = tempfile::tempdir().expect("a folder");
        fs::write(folder.path().join("old"), "text").expect("written");
        let test = "sandbox::refused_process";
        check_succeeded(&child(&this_program(), test, folder.path()).output().expect("it runs"));
        assert_eq!(fs::metadata(folder.path()).expect("there").uid(), 0);
    });
}

#[test]
#[ignore = "run by another test, in a process of its own"]
fn refused_process() {
    let folder = PathBuf::from(std::env::var_os(FOLDER).expect("run by another test"));
    let missing = Needs { user: Some("weir-no-such-user"), ..Needs::default() };
    let error = confine(&missing).expect_err("there is none");
    assert!(matches!(error, SandboxError::NoUser(_)));
    let user = NOBODY.to_string();
    let writes = [folder.clone()];
    let needs = Needs { user: Some(&user), writes: &writes, ..Needs::default() };
    let line = confine(&needs).expect_err("it is root's").to_string();
    let folder = folder.display();
    assert_eq!(line, format!("user 65534 may not write to {folder}: sudo chown -R 65534 {folder}"));
    // By now it is nobody, who cannot become anybody.
    let error = confine(&Needs { user: Some("root"), ..Needs::default() }).expect_err("too late");
    assert!(matches!(error, SandboxError::NotRoot(_)));
}

/// A copy of this program that others may run.
fn copy(folder: &Path) -> PathBuf {
    fs::set_permissions(folder, fs::Permissions::from_mode(0o755)).expect("its owner");
    let copy = folder.join("weir tests");
    fs::copy(this_program(), &copy).expect("room for a copy");
    fs::set_permissions(&copy, fs::Permissions::from_mode(0o755)).expect("its owner");
    copy
}

/// Does what `setcap cap_net_raw+ep` does: version 2 with the effective bit, then the permitted
/// and the inheritable capabilities, of which there are 64. False where it would have no effect.
fn set_capability(file: &Path) -> bool {
    let words = [0x0200_0001_u32, 1 << 13, 0, 0, 0];
    let value: Vec<u8> = words.into_iter().flat_map(u32::to_le_bytes).collect();
    let flags = rustix::fs::XattrFlags::empty();
    let mount = rustix::fs::statvfs(file).expect("it is there");
    !mount.f_flag.contains(rustix::fs::StatVfsMountFlags::NOSUID)
        && rustix::fs::setxattr(file, "security.capability", &value, flags).is_ok()
}

#[test]
fn a_capability_on_the_file_is_enough_and_its_lack_is_told() {
    in_namespace(|| {
        let folder = tempfile::tempdir().expect("a folder");
        let program = copy(folder.path());
        let run = |test: &str| {
            let mut command = child(&program, test, folder.path());
            command.uid(NOBODY).gid(NOBODY).output().expect("it runs")
        };
        check_succeeded(&run("sandbox::process_without_a_capability"));
        if !set_capability(&program) {
            eprintln!("skipped: files have no capabilities here");
            return;
        }
        check_succeeded(&run("sandbox::process_with_a_capability"));
    });
}

#[test]
#[ignore = "run by another test, in a process of its own"]
fn process_without_a_capability() {
    let settings = Settings::default();
    let error = Interfaces::open(&["lo"], settings, Box::new(|_| {})).err().expect("no capability");
    let program = this_program().display().to_string();
    assert_eq!(
        error.to_string(),
        format!(
            "cannot capture on lo: give weir the capability, once: sudo setcap cap_net_raw+ep \
             '{program}' (or run it with sudo)"
        )
    );
}

#[test]
#[ignore = "run by another test, in a process of its own"]
fn process_with_a_capability() {
    assert_eq!(rustix::process::geteuid().as_raw(), NOBODY);
    let mut source = open();
    let needs = Needs { interfaces: weir::sandbox::Interfaces::Captured, ..Needs::default() };
    let confined = confine(&needs).expect("anybody may");
    assert_eq!((confined.user, &*confined.keeps), (None, &["CAP_NET_RAW"][..]));
    check_captures(&mut source);
    check_captures(&mut open());
}
