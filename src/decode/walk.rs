//! From a frame's first byte inwards, layer by layer, to the TCP packet or a fragment.

use super::fragment::Piece;
use super::ip::{Addresses, ip_payload, ipv4, ipv6};
use super::link;
use super::view::View;
use crate::ledger::Skip;
use crate::limits::ENCAPSULATIONS_MAX;
use crate::packet::{Endpoint, Flags};

/// What the next bytes are.
#[derive(Clone, Copy, Debug)]
pub(super) enum Layer {
    Ethernet,
    EtherType(u16),
    Null,
    Cooked,
    Cooked2,
    Ppp,
    Pppoe,
    Mpls,
    /// IP of the version that its first nibble tells.
    Ip,
    Ipv4,
    Ipv6,
    /// What an IP packet of these addresses carries under this protocol number.
    Payload(u8, Addresses),
}

/// The fields of a TCP header, and its payload.
#[derive(Clone, Copy, Debug)]
pub(super) struct Tcp<'a> {
    pub(super) source: Endpoint,
    pub(super) target: Endpoint,
    pub(super) seq: u32,
    pub(super) ack: u32,
    pub(super) flags: Flags,
    pub(super) window: u16,
    /// IPv4's identification; 0 where there is none.
    pub(super) id: u16,
    pub(super) payload: View<'a>,
}

/// What a layer turned out to hold.
pub(super) enum Step<'a> {
    /// Another wrapping.
    Inner(Layer, View<'a>),
    Tcp(Tcp<'a>),
    Fragment(Piece<'a>),
}

/// What a walk ends at.
pub(super) enum Found<'a> {
    Tcp(Tcp<'a>),
    /// A fragment, and how many wrappings it lay in.
    Fragment(Piece<'a>, usize),
}

/// The step into another wrapping.
#[inline]
#[expect(clippy::unnecessary_wraps, reason = "every layer ends in a result")]
pub(super) const fn inner(layer: Layer, view: View<'_>) -> Result<Step<'_>, Skip> {
    Ok(Step::Inner(layer, view))
}

/// Opens wrapping after wrapping, `depth` of which were opened before.
#[inline]
pub(super) fn walk(mut layer: Layer, mut view: View<'_>, depth: usize) -> Result<Found<'_>, Skip> {
    for depth in depth..=ENCAPSULATIONS_MAX {
        let step = match layer {
            Layer::Ethernet => link::ethernet(view),
            Layer::EtherType(kind) => link::ether_type(kind, view),
            other => odd_layer(other, view),
        };
        match step? {
            Step::Tcp(tcp) => return Ok(Found::Tcp(tcp)),
            Step::Inner(next, rest) => (layer, view) = (next, rest),
            Step::Fragment(piece) => return Ok(Found::Fragment(piece, depth)),
        }
    }
    Err(Skip::TooDeep)
}

/// The layers that most frames do not have, apart from the two that most have.
fn odd_layer(layer: Layer, view: View<'_>) -> Result<Step<'_>, Skip> {
    match layer {
        Layer::Ethernet => link::ethernet(view),
        Layer::EtherType(kind) => link::ether_type(kind, view),
        Layer::Null => link::null(view),
        Layer::Cooked => link::cooked(view),
        Layer::Cooked2 => link::cooked2(view),
        Layer::Ppp => link::ppp(view),
        Layer::Pppoe => link::pppoe(view),
        Layer::Mpls => link::mpls(view),
        Layer::Ip => match view.header::<1>()?[0] >> 4 {
            4 => ipv4(view),
            6 => ipv6(view),
            _ => Err(Skip::Malformed),
        },
        Layer::Ipv4 => ipv4(view),
        Layer::Ipv6 => ipv6(view),
        Layer::Payload(protocol, addresses) => ip_payload(protocol, addresses, view),
    }
}
