//! The route of a request: its path with the variable parts named by their shape.

use std::ops::Range;

use crate::limits::ROUTE_BYTES_MAX;

/// Writes the route pattern of `target` to `route`: the path without query and fragment, each
/// segment that has a variable shape replaced by `{int}`, `{uuid}`, `{hex}`, `{date}` or
/// `{token}`. A function of the target alone. `*` and the authority of CONNECT stay as they are.
pub fn write_route(target: &[u8], route: &mut String) {
    route.clear();
    // What ends the path is looked for on the way.
    let whole = if target.first() == Some(&b'/') { target } else { path(target) };
    if write_segments(whole, route).is_none() {
        // Bytes that are not UTF-8 stand as their Latin-1 characters, so that routes are text.
        route.clear();
        let text: String = path(target).iter().map(|&byte| char::from(byte)).collect();
        write_segments(text.as_bytes(), route);
    }
    if route.len() > ROUTE_BYTES_MAX {
        let cut = (0..=ROUTE_BYTES_MAX).rev().find(|&at| route.is_char_boundary(at));
        route.truncate(cut.unwrap_or(0));
        route.push_str("{...}");
    }
}

/// Digits among [`KINDS`].
const DIGIT: u8 = 1;

/// Bytes that end a segment among [`KINDS`].
const END: u8 = 2;

/// What each byte is. None of these is a part of another character, so that bytes may be looked at.
#[expect(clippy::indexing_slicing, reason = "every byte has its place")]
static KINDS: [u8; 256] = {
    let mut kinds = [0; 256];
    let mut digit = b'0';
    while digit <= b'9' {
        kinds[digit as usize] = DIGIT;
        digit += 1;
    }
    kinds[b'/' as usize] = END;
    kinds[b'?' as usize] = END;
    kinds[b'#' as usize] = END;
    kinds
};

/// Segments that are shorter are values only where they are digits throughout.
const VALUE_MIN: usize = 8;

/// Appends the segments of a path up to its query or fragment; `None` where it is not UTF-8.
fn write_segments(path: &[u8], route: &mut String) -> Option<()> {
    let (mut copied, mut begun, mut digits) = (0, 0, 0);
    let mut end = path.len();
    for (at, byte) in path.iter().enumerate() {
        let kind = KINDS.get(usize::from(*byte)).copied().unwrap_or_default();
        digits += usize::from(kind & DIGIT);
        if kind == END {
            if *byte != b'/' {
                end = at;
                break;
            }
            if digits > 0 && (digits == at - begun || at - begun >= VALUE_MIN) {
                copied = name_value(path, (copied, begun..at), digits, route)?;
            }
            (begun, digits) = (at + 1, 0);
        }
    }
    if digits > 0 {
        copied = name_value(path, (copied, begun..end), digits, route)?;
    }
    if copied < end { push(path.get(copied..end)?, route) } else { Some(()) }
}

/// Appends what is not copied yet up to the segment, and the placeholder of the segment if its
/// shape says that it is a value; how much is copied then. `None` where that is not UTF-8.
fn name_value(
    path: &[u8],
    (copied, segment): (usize, Range<usize>),
    digits: usize,
    route: &mut String,
) -> Option<usize> {
    let Some(placeholder) = shape(path.get(segment.clone())?, digits) else { return Some(copied) };
    push(path.get(copied..segment.start)?, route)?;
    route.push_str(placeholder);
    Some(segment.end)
}

fn push(bytes: &[u8], route: &mut String) -> Option<()> {
    route.push_str(std::str::from_utf8(bytes).ok()?);
    Some(())
}

/// The path of a request target: without query and fragment, and of an absolute-form target
/// without scheme and authority (RFC 9112 section 3.2).
#[must_use]
pub fn path(target: &[u8]) -> &[u8] {
    let end = memchr::memchr2(b'?', b'#', target).unwrap_or(target.len());
    let path = target.get(..end).unwrap_or_default();
    if path.first() == Some(&b'/') {
        return path;
    }
    let Some(scheme_end) = memchr::memmem::find(path, b"://") else { return path };
    let after = path.get(scheme_end + 3..).unwrap_or_default();
    match memchr::memchr(b'/', after) {
        Some(at) => after.get(at..).unwrap_or_default(),
        None => b"/",
    }
}

/// The placeholder of a segment with so many digits, at least one, whose shape says that it is a
/// value and not a name.
fn shape(segment: &[u8], digits: usize) -> Option<&'static str> {
    let len = segment.len();
    if digits == len {
        return Some("{int}");
    }
    if len < VALUE_MIN {
        return None;
    }
    if len == 36 && is_uuid(segment) {
        return Some("{uuid}");
    }
    if len == 10 && digits == 8 && is_date(segment) {
        return Some("{date}");
    }
    if segment.iter().all(u8::is_ascii_hexdigit) {
        return Some("{hex}");
    }
    // A long word of mixed letters and digits is a value; `v2` and `oauth2` are names.
    let is_word =
        segment.iter().all(|byte| byte.is_ascii_alphanumeric() || b"-_=.~".contains(byte));
    (is_word && len >= 16 && digits >= 3 && !segment.contains(&b'.')).then_some("{token}")
}

fn is_uuid(segment: &[u8]) -> bool {
    segment.iter().enumerate().all(|(at, byte)| match at {
        8 | 13 | 18 | 23 => *byte == b'-',
        _ => byte.is_ascii_hexdigit(),
    })
}

fn is_date(segment: &[u8]) -> bool {
    segment.iter().enumerate().all(|(at, byte)| match at {
        4 | 7 => *byte == b'-',
        _ => byte.is_ascii_digit(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn check(target: &str, expected: &str) {
        let mut route = String::new();
        write_route(target.as_bytes(), &mut route);
        assert_eq!(route, expected, "{target}");
    }

    #[test]
    fn variable_parts_are_named_by_shape() {
        check("/", "/");
        check(
            "/users/42/orders/123e4567-e89b-12d3-a456-426614174000?x=1",
            "/users/{int}/orders/{uuid}",
        );
        check("/api/v2/oauth2", "/api/v2/oauth2");
        check("/blob/deadbeef01", "/blob/{hex}");
        check("/decade", "/decade");
        check("/log/2026-11-21", "/log/{date}");
        check("/s/aZ3kd92jfKQ02mxPqq1", "/s/{token}");
        check("/static/jquery-3.6.0.min.js", "/static/jquery-3.6.0.min.js");
        check("http://shop.test/cart/7#top", "/cart/{int}");
        check("http://shop.test", "/");
        check("*", "*");
        check("example.test:443", "example.test:443");
        check("/a//b/", "/a//b/");
    }

    #[test]
    fn a_long_route_is_cut_and_says_so() {
        let mut route = String::new();
        write_route(format!("/{}", "é".repeat(400)).as_bytes(), &mut route);
        assert!(route.ends_with("{...}") && route.len() <= ROUTE_BYTES_MAX + 5);
    }

    /// The route by the rules alone, a segment after the other.
    fn plainly(target: &[u8]) -> String {
        let path = path(target);
        let text = std::str::from_utf8(path).map_or_else(
            |_| path.iter().map(|&byte| char::from(byte)).collect(),
            ToOwned::to_owned,
        );
        let name = |segment: &str| {
            let digits = segment.bytes().filter(u8::is_ascii_digit).count();
            let shape = (digits > 0).then(|| shape(segment.as_bytes(), digits)).flatten();
            shape.unwrap_or(segment).to_owned()
        };
        let mut route = text.split('/').map(name).collect::<Vec<_>>().join("/");
        if route.len() > ROUTE_BYTES_MAX {
            let cut = (0..=ROUTE_BYTES_MAX).rev().find(|&at| route.is_char_boundary(at));
            route.truncate(cut.unwrap());
            route.push_str("{...}");
        }
        route
    }

    proptest! {
        #[test]
        fn a_route_is_that_of_its_segments(
            target in "(http:/)?(/?(v1|[0-9]{1,4}|[0-9a-f]{8,12}|2026-11-21|caf\u{e9}|.{0,3}|x{90})){0,7}([?#/:].{0,9})?",
            odd in proptest::option::of((any::<prop::sample::Index>(), any::<u8>())),
        ) {
            let mut target = target.into_bytes();
            if let Some((at, byte)) = odd {
                target.insert(at.index(target.len() + 1), byte);
            }
            let mut route = "before".to_owned();
            write_route(&target, &mut route);
            prop_assert_eq!(route, plainly(&target));
        }

        #[test]
        fn any_target_has_a_bounded_route(target in proptest::collection::vec(any::<u8>(), 0..600)) {
            let mut route = String::new();
            write_route(&target, &mut route);
            prop_assert!(route.len() <= ROUTE_BYTES_MAX + 5);
        }
    }
}
