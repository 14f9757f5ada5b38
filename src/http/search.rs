//! Where in bytes of an unknown place a head may stand.

use std::sync::LazyLock;

use memchr::{memchr, memmem, memrchr};

use crate::http::event::Side;
use crate::http::head::{self, Found, Trust};
use crate::limits::SEARCHED_LINE_BYTES_MAX;

/// What every head of HTTP/1 has in its start line.
const MARK: &[u8] = b"HTTP/1.";

static MARK_FINDER: LazyLock<memmem::Finder<'static>> = LazyLock::new(|| memmem::Finder::new(MARK));

/// The first position in `bytes`, which begin where a packet does, at which a plausible head
/// begins, and how far that is to be trusted.
///
/// Bytes that are not HTTP pass at the speed of memmem. Each candidate is read once and reading
/// stops at the next one, so that the work stays linear whatever the bytes are.
pub(super) fn find(side: Side, bytes: &[u8]) -> Option<(usize, Trust)> {
    if is_head(side, bytes, Trust::PacketStart) {
        return Some((0, Trust::PacketStart));
    }
    let mut line_start = 0;
    let mut looked_at = 0;
    for at in MARK_FINDER.find_iter(bytes) {
        let before = bytes.get(looked_at..at)?;
        if let Some(feed) = memrchr(b'\n', before) {
            line_start = looked_at + feed + 1;
        }
        looked_at = at;
        let may_stand = match side {
            Side::Response => line_start == at,
            Side::Request => {
                (1..=SEARCHED_LINE_BYTES_MAX).contains(&(at - line_start)) && ends_line(bytes, at)
            }
        };
        let inside = bytes.get(line_start..)?;
        if may_stand && line_start > 0 && is_head(side, inside, Trust::Inside) {
            return Some((line_start, Trust::Inside));
        }
    }
    last_line(side, bytes).map(|at| (at, Trust::Inside))
}

fn is_head(side: Side, bytes: &[u8], trust: Trust) -> bool {
    !matches!(head::read(side, bytes, trust), Found::Other)
}

/// Whether the mark at `at` is the end of its line: one digit and a line end follow it, as far as
/// the bytes go.
fn ends_line(bytes: &[u8], at: usize) -> bool {
    let after = bytes.get(at + MARK.len()..).unwrap_or_default();
    match after.split_first() {
        None => true,
        Some((b'0' | b'1', end)) => {
            head::begins_alike(end, b"\n") || head::begins_alike(end, b"\r\n")
        }
        Some(_) => false,
    }
}

/// Where the last line begins, if it is the start of a head and says enough to tell.
fn last_line(side: Side, bytes: &[u8]) -> Option<usize> {
    let tail = bytes.len().saturating_sub(SEARCHED_LINE_BYTES_MAX);
    let at = tail + memrchr(b'\n', bytes.get(tail..)?)? + 1;
    let line = bytes.get(at..)?;
    let says_enough = match side {
        Side::Response => line.len() >= b"HTTP/".len(),
        Side::Request => {
            memchr(b' ', line).is_some_and(|blank| matches!(line.get(blank + 1), Some(b'/' | b'*')))
        }
    };
    (says_enough && head::may_begin(side, line, Trust::Inside)).then_some(at)
}
