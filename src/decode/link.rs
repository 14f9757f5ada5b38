//! Link layers and what may stand between them and IP: tags, labels, PPP, LLC.

use etherparse::{Ethernet2HeaderSlice, SingleVlanHeaderSlice};

use super::ip::{ipv4, ipv6};
use super::view::View;
use super::walk::{Layer, Step, inner};
use crate::ledger::Skip;
use crate::packet::LinkType;

const ETHER_IPV4: u16 = 0x0800;
const ETHER_IPV6: u16 = 0x86dd;
const ETHER_MPLS: u16 = 0x8847;
const ETHER_MPLS_MULTICAST: u16 = 0x8848;
const ETHER_PPPOE_SESSION: u16 = 0x8864;
const ETHER_BRIDGED: u16 = 0x6558;

/// Smaller values of the type field are lengths: what follows is LLC (IEEE 802.3).
const ETHER_TYPE_MIN: u16 = 0x0600;

/// How a frame of this link type starts; `None` where Weir does not read it.
#[inline]
pub(super) const fn first_layer(link: LinkType) -> Option<Layer> {
    match link.0 {
        1 => Some(Layer::Ethernet),
        // RAW has this number in files, and one of two others where an operating system's own
        // numbering went into a file.
        101 | 12 | 14 => Some(Layer::Ip),
        228 => Some(Layer::Ipv4),
        229 => Some(Layer::Ipv6),
        0 | 108 => Some(Layer::Null),
        113 => Some(Layer::Cooked),
        276 => Some(Layer::Cooked2),
        9 | 50 => Some(Layer::Ppp),
        51 => Some(Layer::Pppoe),
        _ => None,
    }
}

/// What an Ethernet frame carries.
#[inline]
pub(super) fn ethernet(view: View<'_>) -> Result<Step<'_>, Skip> {
    let Ok(header) = Ethernet2HeaderSlice::from_slice(view.bytes) else {
        return Err(view.lacks(14));
    };
    ether_type(header.ether_type().0, view.after(14)?)
}

/// What follows an `EtherType` (IEEE 802 numbers; RFC 9542).
#[inline]
pub(super) fn ether_type(kind: u16, view: View<'_>) -> Result<Step<'_>, Skip> {
    match kind {
        ETHER_IPV4 => ipv4(view),
        ETHER_IPV6 => ipv6(view),
        // 802.1Q, 802.1ad, and two numbers of old stacked tags.
        0x8100 | 0x88a8 | 0x9100 | 0x9200 => {
            let Ok(tag) = SingleVlanHeaderSlice::from_slice(view.bytes) else {
                return Err(view.lacks(4));
            };
            inner(Layer::EtherType(tag.ether_type().0), view.after(4)?)
        }
        ETHER_MPLS | ETHER_MPLS_MULTICAST => inner(Layer::Mpls, view),
        ETHER_PPPOE_SESSION => inner(Layer::Pppoe, view),
        ETHER_BRIDGED => inner(Layer::Ethernet, view),
        // Provider backbone bridging (802.1ah): a service tag, then a customer's frame.
        0x88e7 => inner(Layer::Ethernet, view.after(4)?),
        // The tags of port extenders: VN-Tag and 802.1BR.
        0x8926 => tagged(view, 4),
        0x893f => tagged(view, 6),
        len if len < ETHER_TYPE_MIN => llc(view.limit(usize::from(len).min(view.wire))),
        _ => Err(Skip::NotIp),
    }
}

/// A tag of `len` bytes, then another `EtherType`.
fn tagged(view: View<'_>, len: usize) -> Result<Step<'_>, Skip> {
    let after_tag = view.after(len)?;
    let kind = u16::from_be_bytes(*after_tag.header()?);
    inner(Layer::EtherType(kind), after_tag.after(2)?)
}

/// IEEE 802.2: SNAP with an `EtherType` (RFC 1042), or IP named by the service access point.
pub(super) fn llc(view: View<'_>) -> Result<Step<'_>, Skip> {
    match *view.header::<3>()? {
        [0xaa, 0xaa, 0x03] => {
            let &[_, _, _, o0, o1, o2, e0, e1] = view.header()?;
            match [o0, o1, o2] {
                // The second is that of bridges (RFC 1042, 802.1H).
                [0, 0, 0 | 0xf8] => {
                    inner(Layer::EtherType(u16::from_be_bytes([e0, e1])), view.after(8)?)
                }
                _ => Err(Skip::NotIp),
            }
        }
        [0x06, 0x06, 0x03] => inner(Layer::Ipv4, view.after(3)?),
        _ => Err(Skip::NotIp),
    }
}

/// BSD loopback: an address family in the byte order of the host that captured, or big-endian.
pub(super) fn null(view: View<'_>) -> Result<Step<'_>, Skip> {
    let ([family, 0, 0, 0] | [0, 0, 0, family]) = *view.header::<4>()? else {
        return Err(Skip::NotIp);
    };
    let packet = view.after(4)?;
    match family {
        2 => ipv4(packet),
        // The systems disagree on the number of AF_INET6.
        10 | 24 | 28 | 30 => ipv6(packet),
        _ => Err(Skip::NotIp),
    }
}

/// The frames of Linux's `any` interface, first form: the protocol is at their end.
pub(super) fn cooked(view: View<'_>) -> Result<Step<'_>, Skip> {
    let &[_, _, h0, h1, .., p0, p1] = view.header::<16>()?;
    cooked_payload([h0, h1], [p0, p1], view.after(16)?)
}

/// The second form, which names the interface: the protocol comes first.
pub(super) fn cooked2(view: View<'_>) -> Result<Step<'_>, Skip> {
    let &[p0, p1, _, _, _, _, _, _, h0, h1, ..] = view.header::<20>()?;
    cooked_payload([h0, h1], [p0, p1], view.after(20)?)
}

fn cooked_payload(hardware: [u8; 2], protocol: [u8; 2], view: View<'_>) -> Result<Step<'_>, Skip> {
    /// The hardware type of netlink monitors, whose protocols are not those of Ethernet.
    const NETLINK: u16 = 824;
    match u16::from_be_bytes(protocol) {
        _ if u16::from_be_bytes(hardware) == NETLINK => Err(Skip::NotIp),
        4 => llc(view),
        kind if kind < ETHER_TYPE_MIN => Err(Skip::NotIp),
        kind => ether_type(kind, view),
    }
}

/// PPP, with or without its HDLC address, its protocol in one byte or two (RFC 1661, RFC 1662).
pub(super) fn ppp(view: View<'_>) -> Result<Step<'_>, Skip> {
    let view = if view.bytes.starts_with(&[0xff, 0x03]) { view.after(2)? } else { view };
    let (protocol, packet) = match *view.header::<1>()? {
        [short] if short & 1 == 1 => (u16::from(short), view.after(1)?),
        _ => (u16::from_be_bytes(*view.header()?), view.after(2)?),
    };
    match protocol {
        0x0021 => inner(Layer::Ipv4, packet),
        0x0057 => inner(Layer::Ipv6, packet),
        0x0281 | 0x0283 => inner(Layer::Mpls, packet),
        _ => Err(Skip::NotIp),
    }
}

/// PPP over Ethernet (RFC 2516 section 4): only a session carries packets.
pub(super) fn pppoe(view: View<'_>) -> Result<Step<'_>, Skip> {
    let &[version_type, code, _, _, l0, l1] = view.header()?;
    if version_type != 0x11 {
        return Err(Skip::Malformed);
    }
    if code != 0 {
        return Err(Skip::NotIp);
    }
    let len = usize::from(u16::from_be_bytes([l0, l1]));
    inner(Layer::Ppp, view.after(6)?.limit(len))
}

/// One label (RFC 3032); what follows the last one names itself by its first nibble only, and
/// is IP, or an Ethernet pseudowire with or without a control word (RFC 4385, RFC 4448).
pub(super) fn mpls(view: View<'_>) -> Result<Step<'_>, Skip> {
    let &[_, _, bottom, _] = view.header()?;
    let rest = view.after(4)?;
    if bottom & 1 == 0 {
        return inner(Layer::Mpls, rest);
    }
    let &[first] = rest.header()?;
    match first >> 4 {
        4 if is_plausible_ipv4(rest) => inner(Layer::Ipv4, rest),
        6 if is_plausible_ipv6(rest) => inner(Layer::Ipv6, rest),
        0 if carries_known_type(rest.after(4)?) => inner(Layer::Ethernet, rest.after(4)?),
        // The channel that manages a pseudowire, not its traffic.
        1 if !carries_known_type(rest) => Err(Skip::NotIp),
        _ if carries_known_type(rest) => inner(Layer::Ethernet, rest),
        4 | 6 => Err(Skip::Malformed),
        _ => Err(Skip::NotIp),
    }
}

/// Whether an IPv4 header may stand here, rather than a hardware address that begins with 4.
fn is_plausible_ipv4(view: View<'_>) -> bool {
    match *view.bytes {
        [first, _, l0, l1, ..] => {
            let total = usize::from(u16::from_be_bytes([l0, l1]));
            first & 0x0f >= 5 && (total == 0 || (20..=view.wire).contains(&total))
        }
        _ => true,
    }
}

/// Whether an IPv6 header may stand here, rather than a hardware address that begins with 6.
fn is_plausible_ipv6(view: View<'_>) -> bool {
    match *view.bytes {
        [_, _, _, _, l0, l1, ..] => usize::from(u16::from_be_bytes([l0, l1])) + 40 <= view.wire,
        _ => true,
    }
}

/// Whether an Ethernet header with a type that Weir opens may stand here.
fn carries_known_type(view: View<'_>) -> bool {
    view.bytes.get(12..14).is_some_and(|kind| {
        matches!(
            kind,
            [0x08, 0x00 | 0x06] | [0x86, 0xdd] | [0x81 | 0x91, 0x00] | [0x88, 0xa8 | 0x47 | 0x64]
        )
    })
}
