//! Exit codes, and the one line that says what failed.

use std::io;
use std::process::ExitCode;

use weir::report::escaped;

/// How a command ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Exit {
    /// Done.
    Done,
    /// It failed.
    Failed,
    /// The command line was wrong.
    Usage,
    /// Done, and a check that the user asked for did not hold.
    CheckFailed,
    /// Interrupted before anything was asked to be kept.
    Interrupted,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(match exit {
            Exit::Done => 0,
            Exit::Failed => 1,
            Exit::Usage => 2,
            Exit::CheckFailed => 3,
            Exit::Interrupted => 130,
        })
    }
}

/// A mistake on the command line that only the command itself could see.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(crate) struct UsageError(pub(crate) String);

/// A question that was interrupted: half an answer would look like a whole one.
#[derive(Debug, thiserror::Error)]
#[error("interrupted")]
pub(crate) struct Interrupted;

/// Prints what failed, if anything did, and gives the exit code. A reader that closed its pipe
/// has had enough: that is no failure.
pub(crate) fn report(result: anyhow::Result<Exit>) -> ExitCode {
    match result {
        Ok(exit) => exit.into(),
        Err(error) if is_closed_pipe(&error) => Exit::Done.into(),
        Err(error) if error.is::<Interrupted>() => Exit::Interrupted.into(),
        Err(error) => {
            complain(&told(&error));
            let is_usage = error.downcast_ref::<UsageError>().is_some();
            if is_usage { Exit::Usage } else { Exit::Failed }.into()
        }
    }
}

/// An error and its causes in one line. Some errors tell their causes themselves: no cause is
/// told twice.
fn told(error: &anyhow::Error) -> String {
    let mut text = error.to_string();
    for cause in error.chain().skip(1).map(ToString::to_string) {
        if !text.contains(&cause) {
            text.push_str(": ");
            text.push_str(&cause);
        }
    }
    text
}

/// Prints a complaint on standard error. File names are chosen by strangers too, so it is escaped
/// line by line.
pub(crate) fn complain(text: &str) {
    for (number, line) in text.lines().enumerate() {
        let lead = if number == 0 { "weir: " } else { "" };
        eprintln!("{lead}{}", escaped(line.as_bytes()));
    }
}

fn is_closed_pipe(error: &anyhow::Error) -> bool {
    error.chain().any(|cause| {
        cause
            .downcast_ref::<io::Error>()
            .is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use anyhow::anyhow;

    #[test]
    fn no_cause_is_told_twice() {
        let full = || io::Error::other("disk full");
        assert_eq!(told(&anyhow!(full()).context("cannot write x")), "cannot write x: disk full");
        let twice = anyhow!(full()).context("cannot write x: disk full");
        assert_eq!(told(&twice), "cannot write x: disk full");
    }
}
