//! Filter expressions as tcpdump has them, compiled by libpcap and run on frames.

mod machine;
mod ports;

use std::cell::RefCell;

use pcap::{Capture, Linktype};

pub use ports::port_expression;

use crate::packet::{Frame, LinkType};
use machine::Machine;

/// Link types that an expression is tried on before it is refused, the likeliest first.
const TRIED: [LinkType; 6] =
    [LinkType(1), LinkType(113), LinkType(276), LinkType(12), LinkType(0), LinkType(9)];

/// A filter expression that cannot be used; one line, with libpcap's own words.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BpfError {
    /// No link type that Weir reads takes it.
    #[error("cannot use the filter `{expression}`: {reason}; see man pcap-filter")]
    Expression {
        /// The expression as it was given.
        expression: String,
        /// What libpcap said.
        reason: String,
    },
    /// It is a sound expression, but not for these frames.
    #[error(
        "the filter `{expression}` cannot be used on frames of link type {link}: {reason}; these \
         frames were left out"
    )]
    Link {
        /// The expression as it was given.
        expression: String,
        /// The link type, a LINKTYPE value.
        link: u16,
        /// What libpcap said.
        reason: String,
    },
}

/// A filter expression, compiled once for each link type that is met.
///
/// It is a [`crate::pipeline::FrameFilter`] by way of a closure:
///
/// ```
/// # use weir::source::bpf::Program;
/// let program = Program::new("tcp port 80")?;
/// let passes = |frame: &weir::packet::Frame<'_>| program.passes(frame);
/// # let _: weir::pipeline::FrameFilter<'_> = &passes;
/// # Ok::<(), weir::source::bpf::BpfError>(())
/// ```
#[derive(Debug)]
pub struct Program {
    expression: String,
    /// By link type; `None` where it could not be compiled. Few, as captures go: searched.
    compiled: RefCell<Vec<(LinkType, Option<Machine>)>>,
    errors: RefCell<Vec<BpfError>>,
}

impl Program {
    /// Compiles an expression; an empty one passes every frame.
    ///
    /// # Errors
    ///
    /// Where it is an expression for no link type that Weir reads: most likely it is mistyped.
    pub fn new(expression: &str) -> Result<Self, BpfError> {
        let mut first_reason = None;
        for link in TRIED {
            match compile(expression, link) {
                Ok(machine) => {
                    return Ok(Self {
                        expression: expression.to_owned(),
                        compiled: RefCell::new(vec![(link, Some(machine))]),
                        errors: RefCell::default(),
                    });
                }
                Err(reason) => first_reason = first_reason.or(Some(reason)),
            }
        }
        let reason = first_reason.unwrap_or_default();
        Err(BpfError::Expression { expression: expression.to_owned(), reason })
    }

    /// Whether the expression matches the frame; no, where it cannot be used on its link type.
    #[inline]
    #[must_use]
    pub fn passes(&self, frame: &Frame<'_>) -> bool {
        let compiled = self.compiled.borrow();
        if let Some((_, machine)) = compiled.iter().find(|(link, _)| *link == frame.link) {
            return machine.as_ref().is_some_and(|machine| machine.run(frame));
        }
        drop(compiled);
        self.compile_for(frame.link);
        self.passes(frame)
    }

    /// Link types it could not be used on, so far; what passed is not affected.
    #[must_use]
    pub fn errors(&self) -> Vec<BpfError> {
        self.errors.borrow().clone()
    }

    /// How many instructions it takes on frames of this link type; 0 where it cannot be used.
    /// The kernel takes up to 4096.
    #[must_use]
    pub fn instructions(&self, link: LinkType) -> usize {
        compile(&self.expression, link).map_or(0, |machine| machine.length())
    }

    #[cold]
    fn compile_for(&self, link: LinkType) {
        let machine = compile(&self.expression, link)
            .map_err(|reason| {
                let expression = self.expression.clone();
                let error = BpfError::Link { expression, link: link.0, reason };
                self.errors.borrow_mut().push(error);
            })
            .ok();
        self.compiled.borrow_mut().push((link, machine));
    }
}

/// Compiles an expression, or says why it cannot be.
fn compile(expression: &str, link: LinkType) -> Result<Machine, String> {
    let program = Capture::dead(data_link(link))
        .and_then(|handle| handle.compile(expression, true))
        .map_err(|error| reason(&error))?;
    let instructions = program.get_instructions().iter().map(ToString::to_string);
    Machine::read(instructions).ok_or_else(|| "libpcap made a program of unknown form".to_owned())
}

/// How libpcap numbers a link type on a host: what files call 101, and two systems 12 and 14,
/// is 12 here.
pub(super) fn data_link(link: LinkType) -> Linktype {
    match link.0 {
        101 | 12 | 14 => Linktype(12),
        other => Linktype(i32::from(other)),
    }
}

/// What libpcap said, without what the crate puts before it.
pub(super) fn reason(error: &pcap::Error) -> String {
    match error {
        pcap::Error::PcapError(message) => {
            message.strip_prefix("can't parse filter expression: ").unwrap_or(message).to_owned()
        }
        pcap::Error::InvalidInputString => "it holds a zero byte".to_owned(),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::time::Timestamp;

    fn frame(link: u16, bytes: &[u8], wire_len: usize) -> Frame<'_> {
        let wire_len = u32::try_from(wire_len).expect("short");
        Frame { at: Timestamp::default(), bytes, wire_len, link: LinkType(link) }
    }

    /// Ethernet, IPv4, TCP from port 1024 to 80.
    fn tcp_frame() -> Vec<u8> {
        let mut bytes = Vec::new();
        etherparse::PacketBuilder::ethernet2([1; 6], [2; 6])
            .ipv4([10, 0, 0, 1], [10, 0, 0, 2], 64)
            .tcp(1024, 80, 1, 1024)
            .write(&mut bytes, b"GET / HTTP/1.1\r\n\r\n")
            .expect("a vector takes everything");
        bytes
    }

    #[test]
    fn expressions_match_as_tcpdump_has_it() {
        let bytes = tcp_frame();
        let check = |expression: &str, expected: bool| {
            let program = Program::new(expression).expect(expression);
            assert_eq!(program.passes(&frame(1, &bytes, bytes.len())), expected, "{expression}");
            let raw = frame(101, &bytes[14..], bytes.len() - 14);
            assert_eq!(program.passes(&raw), expected, "{expression} on raw IP");
            assert_eq!(program.errors(), []);
        };
        check("", true);
        check("tcp port 80", true);
        check("tcp dst port 1024", false);
        check("host 10.0.0.2 and not port 81", true);
        check("net 10.0.0.0/24 and tcp[tcpflags] & tcp-syn = 0", true);
        check("udp", false);
        check("greater 1000", false);
        check("ip6 protochain 6", false);
        check("tcp[((tcp[12] & 0xf0) >> 2):4] = 0x47455420", true);
    }

    #[test]
    fn lengths_are_those_of_the_wire() {
        let bytes = tcp_frame();
        let program = Program::new("greater 1000").expect("sound");
        assert!(!program.passes(&frame(1, &bytes, bytes.len())));
        assert!(program.passes(&frame(1, &bytes, 1500)));
    }

    #[test]
    fn a_mistake_is_told_in_one_line() {
        let error = Program::new("tcp prt 80").expect_err("mistyped").to_string();
        assert!(error.starts_with("cannot use the filter `tcp prt 80`: "), "{error}");
        assert!(error.contains("syntax error") && !error.contains('\n'), "{error}");
        assert!(Program::new("tcp\0").is_err());
    }

    #[test]
    fn an_expression_that_one_link_type_does_not_take_is_told_and_passes_nothing_of_it() {
        let bytes = tcp_frame();
        let program = Program::new("tcp or vlan").expect("sound on Ethernet");
        assert!(program.passes(&frame(1, &bytes, bytes.len())));
        assert!(!program.passes(&frame(101, &bytes[14..], bytes.len())));
        assert!(!program.passes(&frame(101, &bytes[14..], bytes.len())));
        assert!(!program.passes(&frame(60_000, &bytes, bytes.len())));
        let errors = program.errors();
        assert_eq!(errors.len(), 2);
        assert!(errors[0].to_string().contains("link type 101"), "{}", errors[0]);
    }

    const EXPRESSIONS: [&str; 8] = [
        "tcp port 80 or udp portrange 8000-8100",
        "ip[6:2] & 0x1fff != 0 and not icmp",
        "vlan and (ip6 or tcp[13] & 7 != 0)",
        "ether[0] * ether[1] / (ether[2] % 7 + 1) > ether[3] << 2",
        "ip6 protochain 6 or ip protochain 17",
        "len > 60 and ether[len - 4] < 200",
        "(ether[3] ^ ether[4]) | 1 > ether[5] >> 3",
        "ether[12] / ether[13] = 1 or ether[12] % ether[13] = 2",
    ];

    proptest! {
        /// The interpreter of libpcap is the model; whole frames, for it knows no other.
        #[test]
        fn runs_as_libpcap_runs_it(
            which in 0..EXPRESSIONS.len(),
            mut bytes in prop::collection::vec(any::<u8>(), 0..200),
            kind in prop::sample::select(vec![[8, 0], [0x86, 0xdd], [0x81, 0], [0x88, 0xa8]]),
            small in any::<bool>(),
        ) {
            if let Some(place) = bytes.get_mut(12..14) {
                place.copy_from_slice(&kind);
            }
            if small {
                bytes.iter_mut().for_each(|byte| *byte &= 0x46);
            }
            let expression = EXPRESSIONS[which];
            let handle = Capture::dead(Linktype(1)).expect("a handle");
            let model = handle.compile(expression, true).expect(expression);
            let program = Program::new(expression).expect(expression);
            prop_assert_eq!(
                program.passes(&frame(1, &bytes, bytes.len())),
                model.filter(&bytes),
                "{}", expression
            );
        }
    }
}
