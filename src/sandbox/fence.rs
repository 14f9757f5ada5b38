//! The kernel's fence around the folders of a process (Landlock).

use std::fmt;
use std::path::Path;

use landlock::{
    ABI, Access, AccessFs, AccessNet, BitFlags, CompatLevel, Compatible, NetPort, PathBeneath,
    PathFd, PathFdError, Ruleset, RulesetAttr, RulesetCreated, RulesetCreatedAttr, RulesetError,
    RulesetStatus, Scope,
};

use super::{Needs, SandboxError, path_error};

/// The kernel's interface that is asked for; an older kernel forbids what it can.
const VERSION: ABI = ABI::V6;

/// What describes interfaces and their counters, and this process: read while capturing.
const ALWAYS_READ: [&str; 4] = ["/sys/class/net", "/sys/devices", "/proc/self", "/proc/net"];

/// How well a process is confined to its folders.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fence {
    /// As well as this version knows.
    Whole,
    /// As well as an older kernel can.
    Partial,
    /// Not: the kernel has no Landlock, or it is switched off.
    Absent,
}

impl fmt::Display for Fence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Whole => "confined to its folders by Landlock",
            Self::Partial => "confined to its folders by Landlock as far as this kernel can",
            Self::Absent => "not confined to its folders (this kernel has no Landlock)",
        })
    }
}

/// Raises the fence around the calling thread and what it starts.
pub(super) fn raise(needs: &Needs<'_>) -> Result<Fence, SandboxError> {
    let mut rules = begin().map_err(refused)?;
    let all = AccessFs::from_all(VERSION);
    // Nothing is executed, and no file but plain ones is made.
    let never = AccessFs::Execute
        | AccessFs::MakeChar
        | AccessFs::MakeBlock
        | AccessFs::MakeSock
        | AccessFs::MakeFifo
        | AccessFs::MakeSym
        | AccessFs::IoctlDev;
    let read = AccessFs::from_read(VERSION) & !AccessFs::Execute;
    for folder in needs.writes {
        rules = add(rules, folder, all & !never)?;
    }
    for path in needs.reads {
        rules = add(rules, path, read)?;
    }
    for path in ALWAYS_READ.map(Path::new) {
        if path.exists() {
            rules = add(rules, path, read)?;
        }
    }
    for &port in needs.connects {
        rules = rules.add_rule(NetPort::new(port, AccessNet::ConnectTcp)).map_err(refused)?;
    }
    let status = rules.restrict_self().map_err(refused)?;
    Ok(match status.ruleset {
        RulesetStatus::FullyEnforced => Fence::Whole,
        RulesetStatus::PartiallyEnforced => Fence::Partial,
        RulesetStatus::NotEnforced => Fence::Absent,
    })
}

fn begin() -> Result<RulesetCreated, RulesetError> {
    Ruleset::default()
        .set_compatibility(CompatLevel::BestEffort)
        .handle_access(AccessFs::from_all(VERSION))?
        .handle_access(AccessNet::from_all(VERSION))?
        .scope(Scope::from_all(VERSION))?
        .create()
}

fn add(
    rules: RulesetCreated,
    path: &Path,
    access: BitFlags<AccessFs>,
) -> Result<RulesetCreated, SandboxError> {
    let place = PathFd::new(path).map_err(|error| match error {
        PathFdError::OpenCall { source, .. } => path_error(path, source),
        other => path_error(path, std::io::Error::other(other)),
    })?;
    // Of a file that is no folder, only what files have can be granted.
    let access = if path.is_dir() { access } else { access & AccessFs::from_file(VERSION) };
    rules.add_rule(PathBeneath::new(place, access)).map_err(refused)
}

fn refused(error: RulesetError) -> SandboxError {
    SandboxError::Refused {
        step: "confine it to its folders",
        source: std::io::Error::other(error),
    }
}
