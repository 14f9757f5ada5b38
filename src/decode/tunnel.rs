//! Tunnels in IP: GRE with ERSPAN, and over UDP VXLAN, GENEVE and GTP.

use etherparse::UdpHeaderSlice;

use super::view::View;
use super::walk::{Layer, Step, inner};
use crate::ledger::Skip;

/// What a UDP datagram carries where its target port is that of a tunnel; a tunnel's own header
/// must agree, for the port may be anybody's.
pub(super) fn udp(view: View<'_>) -> Result<Step<'_>, Skip> {
    let Ok(header) = UdpHeaderSlice::from_slice(view.bytes) else { return Err(view.lacks(8)) };
    let datagram = match usize::from(header.length()) {
        // Longer than the field can say (RFC 2675), or left to the offloading interface.
        0 => view,
        len => view.limit(len),
    };
    let port = header.destination_port();
    match port {
        // The second port is Linux's, from before the first was assigned.
        4789 | 8472 => vxlan(datagram.after(8)?),
        6081 => geneve(datagram.after(8)?),
        2152 => gtp(datagram.after(8)?),
        _ => Err(Skip::NotTcp),
    }
}

/// RFC 7348 section 5: the flag of a valid network identifier must be set.
fn vxlan(view: View<'_>) -> Result<Step<'_>, Skip> {
    let &[flags, ..] = view.header::<8>()?;
    if flags & 0x08 == 0 {
        return Err(Skip::NotTcp);
    }
    inner(Layer::Ethernet, view.after(8)?)
}

/// RFC 8926 section 3.4: version 0, options of 4-byte units, an `EtherType`.
fn geneve(view: View<'_>) -> Result<Step<'_>, Skip> {
    let &[version_options, _, p0, p1, ..] = view.header::<8>()?;
    if version_options >> 6 != 0 {
        return Err(Skip::NotTcp);
    }
    let options = usize::from(version_options & 0x3f) * 4;
    inner(Layer::EtherType(u16::from_be_bytes([p0, p1])), view.after(8 + options)?)
}

/// GTP-U (3GPP TS 29.281 section 5.1): version 1, message type 255 carries a user's packet.
fn gtp(view: View<'_>) -> Result<Step<'_>, Skip> {
    let &[flags, message, l0, l1, ..] = view.header::<8>()?;
    if flags >> 4 != 0x3 || message != 0xff {
        return Err(Skip::NotTcp);
    }
    let mut rest = view.after(8)?.limit(usize::from(u16::from_be_bytes([l0, l1])));
    if flags & 0x07 != 0 {
        let &[.., mut extension] = rest.header::<4>()?;
        rest = rest.after(4)?;
        // Each extension has at least four bytes, so that the packet's length bounds the loop.
        while extension != 0 && flags & 0x04 != 0 {
            let len = usize::from(rest.header::<1>()?[0]) * 4;
            if len == 0 {
                return Err(Skip::Malformed);
            }
            let next = rest.bytes.get(len - 1).ok_or_else(|| rest.lacks(len))?;
            extension = *next;
            rest = rest.after(len)?;
        }
    }
    inner(Layer::Ip, rest)
}

/// GRE (RFC 2784, RFC 2890), its source routes refused, and that of PPTP (RFC 2637).
pub(super) fn gre(view: View<'_>) -> Result<Step<'_>, Skip> {
    const CHECKSUM: u16 = 0x8000;
    const ROUTES: u16 = 0x4000;
    const KEY: u16 = 0x2000;
    const SEQUENCE: u16 = 0x1000;
    const ACKNOWLEDGMENT: u16 = 0x0080;
    let &[f0, f1, p0, p1] = view.header()?;
    let (flags, protocol) = (u16::from_be_bytes([f0, f1]), u16::from_be_bytes([p0, p1]));
    let version = flags & 0x7;
    if version > 1 || flags & ROUTES != 0 {
        return Err(Skip::NotTcp);
    }
    let optional = if version == 0 { CHECKSUM } else { ACKNOWLEDGMENT };
    let words = [optional, KEY, SEQUENCE].iter().filter(|&&flag| flags & flag != 0).count();
    let rest = view.after(4 + words * 4)?;
    match (version, protocol) {
        (1, 0x880b) if rest.wire > 0 => inner(Layer::Ppp, rest),
        (1, _) => Err(Skip::NotTcp),
        // ERSPAN type II is told from type I by its sequence number.
        (_, 0x88be) if flags & SEQUENCE == 0 => inner(Layer::Ethernet, rest),
        (_, 0x88be) => inner(Layer::Ethernet, rest.after(8)?),
        (_, 0x22eb) => erspan3(rest),
        _ => inner(Layer::EtherType(protocol), rest),
    }
}

/// ERSPAN type III: 12 bytes, whose last bit announces 8 more; the frame type stands before.
fn erspan3(view: View<'_>) -> Result<Step<'_>, Skip> {
    let &[.., kind, last] = view.header::<12>()?;
    let rest = view.after(if last & 1 == 0 { 12 } else { 20 })?;
    match (kind >> 2) & 0x1f {
        0 => inner(Layer::Ethernet, rest),
        2 => inner(Layer::Ip, rest),
        _ => Err(Skip::NotIp),
    }
}
