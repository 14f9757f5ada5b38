//! To which trace a span belongs: that of the request's `traceparent`, else one of its own
//! (W3C Trace Context, level 2, section 3).

use crate::exchange::ExchangeId;
use crate::http::lines;

/// Longest `tracestate` that is passed on, in bytes: what the recommendation asks of everybody.
const STATE_BYTES_MAX: usize = 512;

/// `SPAN_FLAGS_CONTEXT_HAS_IS_REMOTE_MASK` and `SPAN_FLAGS_CONTEXT_IS_REMOTE_MASK` of OTLP: the
/// parent is known to be another process's.
const REMOTE: u32 = 0x300;

/// Where a span stands.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Context {
    pub(super) trace_id: Vec<u8>,
    /// Empty where it has none.
    pub(super) parent_id: Vec<u8>,
    pub(super) flags: u32,
    pub(super) state: String,
}

impl Context {
    /// That of the request with this head; one derived from `id` where it carries none that is
    /// valid.
    pub(super) fn of(request_head: &[u8], id: ExchangeId) -> Self {
        let mut parents = fields(request_head, b"traceparent");
        let parent = parents.next().filter(|_| parents.next().is_none());
        if let Some((trace_id, parent_id, flags)) = parent.and_then(|value| read(&value)) {
            let state = state(request_head);
            return Self { trace_id, parent_id, flags: u32::from(flags) | REMOTE, state };
        }
        let trace_id = [id.lane(1), id.lane(2)].map(u64::to_be_bytes).concat();
        Self { trace_id, ..Self::default() }
    }
}

/// The identifier of the span of this exchange.
pub(super) fn span_id(id: ExchangeId) -> Vec<u8> {
    id.lane(0).to_be_bytes().to_vec()
}

fn fields<'h>(head: &'h [u8], name: &'static [u8]) -> impl Iterator<Item = Vec<u8>> + 'h {
    lines::fields(head)
        .filter(|field| field.name.eq_ignore_ascii_case(name))
        .map(|field| field.value.into_owned())
}

/// Trace, parent and flags of a `traceparent`: `00-TRACE-PARENT-FLAGS` in lower-case digits. Of a
/// later version, what stands where version 00 has it.
fn read(value: &[u8]) -> Option<(Vec<u8>, Vec<u8>, u8)> {
    let (known, more) = value.split_at_checked(55)?;
    let mut parts = known.split(|&byte| byte == b'-');
    let version = number(parts.next()?, 1)?;
    let (trace_id, parent_id) = (number(parts.next()?, 16)?, number(parts.next()?, 8)?);
    let flags = number(parts.next()?, 1)?;
    let fits = match version.as_slice() {
        [0] => more.is_empty(),
        [0xff] => false,
        _ => matches!(more.first(), None | Some(b'-')),
    };
    let is_zero = |number: &[u8]| number.iter().all(|&byte| byte == 0);
    let is_valid = fits && parts.next().is_none() && !is_zero(&trace_id) && !is_zero(&parent_id);
    is_valid.then_some((trace_id, parent_id, flags.first().copied()?))
}

/// A number of so many bytes in lower-case hexadecimal digits.
fn number(text: &[u8], bytes: usize) -> Option<Vec<u8>> {
    let digit = |digit: u8| match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        _ => None,
    };
    let pair = |pair: &[u8]| match pair {
        [high, low] => Some(digit(*high)? << 4 | digit(*low)?),
        _ => None,
    };
    (text.len() == 2 * bytes).then(|| text.chunks(2).map(pair).collect()).flatten()
}

/// The `tracestate`; empty where there is none, or one that nobody need pass on.
fn state(head: &[u8]) -> String {
    let values: Vec<Vec<u8>> = fields(head, b"tracestate").collect();
    let state = values.join(&b","[..]);
    let is_plain = state.iter().all(|byte| matches!(byte, b' '..=b'~' | b'\t'));
    let is_wanted = is_plain && state.len() <= STATE_BYTES_MAX;
    if is_wanted { String::from_utf8(state).unwrap_or_default() } else { String::new() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exchange::ConnectionKey;

    const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
    const PARENT: &str = "00f067aa0ba902b7";

    fn id() -> ExchangeId {
        ExchangeId::derive(&ConnectionKey::default(), 0)
    }

    fn of(fields: &str) -> Context {
        Context::of(format!("GET / HTTP/1.1\r\n{fields}\r\n\r\n").as_bytes(), id())
    }

    fn hex(bytes: &[u8]) -> String {
        bytes.iter().fold(String::new(), |text, byte| format!("{text}{byte:02x}"))
    }

    #[test]
    fn a_valid_parent_is_taken_over() {
        let check = |value: &str, flags: u32| {
            let context =
                of(&format!("TraceParent: {value}\r\ntracestate: a=1\r\ntracestate: b=2"));
            assert_eq!(hex(&context.trace_id), TRACE, "{value}");
            assert_eq!(hex(&context.parent_id), PARENT, "{value}");
            assert_eq!((context.flags, context.state.as_str()), (flags, "a=1,b=2"), "{value}");
        };
        check(&format!("00-{TRACE}-{PARENT}-01"), 0x301);
        check(&format!("00-{TRACE}-{PARENT}-00"), 0x300);
        check(&format!("cc-{TRACE}-{PARENT}-03-more"), 0x303);
    }

    #[test]
    fn any_other_is_left_alone_and_the_trace_is_the_exchanges_own() {
        let own = of("Host: a");
        assert_eq!((own.trace_id.len(), own.parent_id.len(), own.flags), (16, 0, 0));
        assert_ne!(own.trace_id[..8], span_id(id())[..]);
        for value in [
            format!("00-{TRACE}-{PARENT}"),
            format!("00-{TRACE}-{PARENT}-01-more"),
            format!("00-{TRACE}-{PARENT}-1"),
            format!("ff-{TRACE}-{PARENT}-01"),
            format!("00-{}-{PARENT}-01", TRACE.to_uppercase()),
            format!("00-{}-{PARENT}-01", "0".repeat(32)),
            format!("00-{TRACE}-{}-01", "0".repeat(16)),
            format!("00-{TRACE}{PARENT}--01"),
            format!("cc-{TRACE}-{PARENT}-01more"),
            format!("00-{TRACE}-{PARENT}-01\r\ntraceparent: 00-{TRACE}-{PARENT}-01"),
            "é".repeat(40),
            String::new(),
        ] {
            let context = of(&format!("traceparent: {value}\r\ntracestate: a=1"));
            assert_eq!(context, own, "{value}");
        }
    }

    #[test]
    fn a_state_that_is_long_or_odd_is_not_passed_on() {
        for state in ["a=é".to_owned(), format!("a={}", "b".repeat(511))] {
            let parent = format!("traceparent: 00-{TRACE}-{PARENT}-01\r\ntracestate: {state}");
            let context = of(&parent);
            assert_eq!((context.state.as_str(), context.parent_id.len()), ("", 8));
        }
    }
}
