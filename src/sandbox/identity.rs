//! Who a process runs as, and the change to somebody else: the unsafe file of the sandbox.

use std::ffi::{CStr, CString};
use std::fs;
use std::io;
use std::os::unix::fs::chown;
use std::path::Path;

use super::{SandboxError, path_error};

/// Longest entry of the user database that is read, in bytes.
const ENTRY_BYTES_MAX: usize = 1 << 20;

/// A user and a group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Identity {
    /// As the user gave it.
    pub(super) name: String,
    user: libc::uid_t,
    group: libc::gid_t,
}

impl Identity {
    /// The user of a name or number, with its first group; of `user:group`, with that one.
    pub(super) fn find(name: &str) -> Result<Self, SandboxError> {
        let no_user = || SandboxError::NoUser(name.to_owned());
        let (user, group) = match name.split_once(':') {
            Some((user, group)) => (user, Some(group)),
            None => (name, None),
        };
        let (user, first_group) = match user.parse() {
            // Of a number that nobody has, the group has the same number.
            Ok(number) => (number, group_of(number).unwrap_or(number)),
            Err(_) => find_user(user).ok_or_else(no_user)?,
        };
        let group = match group.map(|group| group.parse().ok().or_else(|| find_group(group))) {
            Some(group) => group.ok_or_else(no_user)?,
            None => first_group,
        };
        // All ones stand for `no change` in the calls that follow.
        if user == libc::uid_t::MAX || group == libc::gid_t::MAX {
            return Err(no_user());
        }
        Ok(Self { name: name.to_owned(), user, group })
    }

    /// Gives an empty folder to the user; one that is in use stays as it is.
    pub(super) fn take_over(&self, folder: &Path) -> Result<(), SandboxError> {
        let mut entries = fs::read_dir(folder).map_err(|error| path_error(folder, error))?;
        if entries.next().is_some() {
            return Ok(());
        }
        chown(folder, Some(self.user), Some(self.group)).map_err(|error| path_error(folder, error))
    }

    /// Whether this process, by now of that user, may write to a folder.
    pub(super) fn check(&self, folder: &Path) -> Result<(), SandboxError> {
        use rustix::fs::{Access, access};
        access(folder, Access::WRITE_OK | Access::EXEC_OK).map_err(|_| SandboxError::NotWritable {
            user: self.name.clone(),
            folder: folder.display().to_string(),
        })
    }

    /// Becomes the user for good, in all threads, with its group and no further ones.
    #[expect(unsafe_code, reason = "only the C library changes the user of all threads")]
    pub(super) fn assume(&self) -> Result<(), SandboxError> {
        let (user, group) = (self.user, self.group);
        // SAFETY: the calls take numbers, and a list of no groups, of which nothing is read.
        let results = unsafe {
            [
                ("leave groups", libc::setgroups(0, std::ptr::null())),
                ("change the group", libc::setresgid(group, group, group)),
                ("change the user", libc::setresuid(user, user, user)),
            ]
        };
        for (step, result) in results {
            if result != 0 {
                return Err(SandboxError::Refused { step, source: io::Error::last_os_error() });
            }
        }
        // What could be taken back would not be given up.
        // SAFETY: the call takes a number.
        if user != 0 && unsafe { libc::setuid(0) } == 0 {
            let source = io::Error::other("root could be taken back");
            return Err(SandboxError::Refused { step: "change the user", source });
        }
        Ok(())
    }
}

fn find_user(name: &str) -> Option<(libc::uid_t, libc::gid_t)> {
    let name = CString::new(name).ok()?;
    user_entry(|entry, buffer, found| get_user_by_name(&name, entry, buffer, found))
}

fn group_of(number: libc::uid_t) -> Option<libc::gid_t> {
    let found = user_entry(|entry, buffer, found| get_user_by_number(number, entry, buffer, found));
    found.map(|(_, group)| group)
}

type UserResult<'r> = &'r mut *mut libc::passwd;

/// Asks the user database, with more room for the answer until it fits.
#[expect(unsafe_code, reason = "the user database is the C library's")]
fn user_entry(
    ask: impl Fn(&mut libc::passwd, &mut [libc::c_char], UserResult<'_>) -> libc::c_int,
) -> Option<(libc::uid_t, libc::gid_t)> {
    let mut room = 1024;
    while room <= ENTRY_BYTES_MAX {
        let mut buffer = vec![0; room];
        let mut found = std::ptr::null_mut();
        // SAFETY: a structure of numbers and pointers, of which zeros are valid values.
        let mut entry: libc::passwd = unsafe { std::mem::zeroed() };
        if ask(&mut entry, &mut buffer, &mut found) != libc::ERANGE {
            return (!found.is_null()).then_some((entry.pw_uid, entry.pw_gid));
        }
        room *= 4;
    }
    None
}

#[expect(unsafe_code, reason = "the user database is the C library's")]
fn get_user_by_name(
    name: &CStr,
    entry: &mut libc::passwd,
    buffer: &mut [libc::c_char],
    found: UserResult<'_>,
) -> libc::c_int {
    // SAFETY: the name ends in zero, the buffer has the length that is told, and the pointers are
    // of borrows that outlive the call; the pointers in the entry are not followed.
    unsafe { libc::getpwnam_r(name.as_ptr(), entry, buffer.as_mut_ptr(), buffer.len(), found) }
}

#[expect(unsafe_code, reason = "the user database is the C library's")]
fn get_user_by_number(
    number: libc::uid_t,
    entry: &mut libc::passwd,
    buffer: &mut [libc::c_char],
    found: UserResult<'_>,
) -> libc::c_int {
    // SAFETY: as above.
    unsafe { libc::getpwuid_r(number, entry, buffer.as_mut_ptr(), buffer.len(), found) }
}

#[expect(unsafe_code, reason = "the group database is the C library's")]
fn find_group(name: &str) -> Option<libc::gid_t> {
    let name = CString::new(name).ok()?;
    let mut room = 1024;
    while room <= ENTRY_BYTES_MAX {
        let mut buffer: Vec<libc::c_char> = vec![0; room];
        let mut found = std::ptr::null_mut();
        // SAFETY: a structure of numbers and pointers, of which zeros are valid values.
        let mut entry: libc::group = unsafe { std::mem::zeroed() };
        // SAFETY: the name ends in zero, the buffer has the length that is told, and the pointers
        // are of borrows that outlive the call; the pointers in the entry are not followed.
        let result = unsafe {
            let (name, place) = (name.as_ptr(), buffer.as_mut_ptr());
            libc::getgrnam_r(name, &raw mut entry, place, buffer.len(), &raw mut found)
        };
        if result != libc::ERANGE {
            return (!found.is_null()).then_some(entry.gr_gid);
        }
        room *= 4;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn users_are_found_by_name_and_number() {
        let check = |name: &str, user: u32, group: u32| {
            let found = Identity::find(name).expect(name);
            assert_eq!((found.user, found.group), (user, group), "{name}");
        };
        check("root", 0, 0);
        check("0", 0, 0);
        check("54321:7", 54_321, 7);
        check("root:7", 0, 7);
        check("root:root", 0, 0);
        for name in ["", "no such user", "root:no such group", "ro\0ot", "4294967295", "-1"] {
            let error = Identity::find(name).expect_err(name).to_string();
            assert!(error.contains("no such user"), "{error}");
        }
    }
}
