//! Privileges given up for good: another user, no capability but that of capturing, no new
//! privileges, and only the folders that are needed.

mod fence;
mod identity;

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use rustix::thread::{
    CapabilitySet, CapabilitySets, capabilities, clear_ambient_capability_set, set_capabilities,
    set_keep_capabilities, set_no_new_privs,
};

pub use fence::Fence;

use identity::Identity;

/// What a process will need from now on.
#[derive(Clone, Debug, Default)]
pub struct Needs<'a> {
    /// The user to become: a name, a number, or `user:group`. Needs root; `None`: as before.
    pub user: Option<&'a str>,
    /// Folders to create, write and remove files in. One that is empty is given to `user`.
    pub writes: &'a [PathBuf],
    /// Files and folders to read.
    pub reads: &'a [PathBuf],
    /// What happens to interfaces.
    pub interfaces: Interfaces,
    /// TCP ports to connect to, on any host. None else can be, where the kernel can forbid it.
    pub connects: &'a [u16],
}

/// What a process will do with interfaces from now on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Interfaces {
    /// Nothing: it reads files.
    #[default]
    Unused,
    /// It captures them, and opens them again when they were lost: it keeps `CAP_NET_RAW`.
    Captured,
}

/// What was given up; one line for the user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Confined {
    /// The user it runs as from now on, where that was asked for.
    pub user: Option<String>,
    /// The capabilities that it keeps.
    pub keeps: Vec<&'static str>,
    /// How well it is confined to its folders.
    pub fence: Fence,
}

/// Why privileges could not be given up. The process should end: it may be between two users.
#[derive(Debug, thiserror::Error)]
pub enum SandboxError {
    /// There is none of that name.
    #[error(
        "cannot become user {0}: there is no such user; name another one, or create it: sudo useradd --system {0}"
    )]
    NoUser(String),
    /// Only root can.
    #[error(
        "cannot become user {0}: only root can change users; leave out --user, or run it with sudo"
    )]
    NotRoot(String),
    /// The new user may not write there.
    #[error("user {user} may not write to {folder}: sudo chown -R {user} {folder}")]
    NotWritable {
        /// The user.
        user: String,
        /// The folder.
        folder: String,
    },
    /// A folder that is needed cannot be opened.
    #[error("cannot open {path}: {source}")]
    Path {
        /// The file or folder.
        path: String,
        /// What the operating system said.
        source: io::Error,
    },
    /// The operating system refused a step.
    #[error("cannot give up privileges: {step}: {source}")]
    Refused {
        /// The step.
        step: &'static str,
        /// What the operating system said.
        source: io::Error,
    },
}

impl fmt::Display for Confined {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(user) = &self.user {
            write!(f, "running as {user}, ")?;
        }
        match &*self.keeps {
            [] => f.write_str("without capabilities")?,
            keeps => write!(f, "with {} only", keeps.join(" and "))?,
        }
        write!(f, ", no new privileges, {}", self.fence)
    }
}

/// Gives up, for good, what `needs` does not name.
///
/// **When:** after everything was opened that takes privileges (interfaces, ports below 1024),
/// after every socket that listens was bound (where the kernel can forbid it, no TCP port can be
/// bound any more, and none but [`Needs::connects`] connected to), after the folders to write were
/// created, and *before* any thread is started: three of the steps hold for the calling thread and
/// what it starts only.
///
/// **What**, in this order: the user and its group, and no further groups; every capability but
/// `CAP_NET_RAW` where interfaces are captured (and, for root that stays root, the right to
/// write where root may); no core dumps, which would hold what was captured; no new privileges;
/// and Landlock, where the kernel has it, for the named paths and what describes interfaces and
/// this process.
///
/// # Errors
///
/// Where the user does not exist or cannot be changed to, a folder is missing or not writable
/// for it, or the kernel refuses a step that every kernel has. That Landlock is not there is no
/// error: [`Confined::fence`] tells.
pub fn confine(needs: &Needs<'_>) -> Result<Confined, SandboxError> {
    let identity = needs.user.map(Identity::find).transpose()?;
    let is_root = rustix::process::geteuid().is_root();
    if let Some(identity) = &identity {
        if !is_root {
            return Err(SandboxError::NotRoot(identity.name.clone()));
        }
        needs.writes.iter().try_for_each(|folder| identity.take_over(folder))?;
        // Without this the change of user would clear every capability.
        refused("keep capabilities", set_keep_capabilities(true))?;
        identity.assume()?;
    }
    let keeps = keep(needs.interfaces, is_root && identity.is_none())?;
    refused("forbid core dumps", forbid_core_dumps())?;
    refused("forbid new privileges", set_no_new_privs(true))?;
    if let Some(identity) = &identity {
        needs.writes.iter().try_for_each(|folder| identity.check(folder))?;
    }
    let fence = fence::raise(needs)?;
    Ok(Confined { user: identity.map(|identity| identity.name), keeps, fence })
}

/// Keeps of the capabilities what is needed; gives their names.
fn keep(interfaces: Interfaces, is_root: bool) -> Result<Vec<&'static str>, SandboxError> {
    let before = refused("read capabilities", capabilities(None))?;
    let wanted = [
        (CapabilitySet::NET_RAW, "CAP_NET_RAW", interfaces == Interfaces::Captured),
        // Root's own folders may be anybody's by their owner and mode.
        (CapabilitySet::DAC_OVERRIDE, "CAP_DAC_OVERRIDE", is_root),
    ];
    let mut kept = CapabilitySet::empty();
    let mut names = Vec::new();
    for (capability, name, is_wanted) in wanted {
        if is_wanted && before.permitted.contains(capability) {
            kept |= capability;
            names.push(name);
        }
    }
    // A kernel without ambient capabilities has none to clear.
    let _ = clear_ambient_capability_set();
    let sets =
        CapabilitySets { effective: kept, permitted: kept, inheritable: CapabilitySet::empty() };
    let dropped = set_capabilities(None, sets);
    // A service manager that gave no more than that may forbid the call altogether.
    if before.permitted != kept || before.effective != kept {
        refused("drop capabilities", dropped)?;
    }
    Ok(names)
}

fn forbid_core_dumps() -> rustix::io::Result<()> {
    use rustix::process::{DumpableBehavior, set_dumpable_behavior};
    set_dumpable_behavior(DumpableBehavior::NotDumpable)
}

fn refused<T>(step: &'static str, result: rustix::io::Result<T>) -> Result<T, SandboxError> {
    result.map_err(|errno| SandboxError::Refused { step, source: errno.into() })
}

fn path_error(path: &Path, source: impl Into<io::Error>) -> SandboxError {
    SandboxError::Path { path: path.display().to_string(), source: source.into() }
}
