//! IPv4 (RFC 791) and IPv6 (RFC 8200) with their extension headers, and TCP's header (RFC 9293).

use etherparse::{
    IpAuthHeaderSlice, Ipv4HeaderSlice, Ipv6FragmentHeaderSlice, Ipv6HeaderSlice,
    Ipv6RawExtHeaderSlice,
};

use super::fragment::{Key, Piece};
use super::tunnel::{gre, udp};
use super::view::View;
use super::walk::{Layer, Step, Tcp, inner};
use crate::ledger::Skip;
use crate::limits::ENCAPSULATIONS_MAX;
use crate::packet::{Endpoint, Flags};

const HOP_BY_HOP: u8 = 0;
const TCP: u8 = 6;
const ROUTING: u8 = 43;
const FRAGMENT: u8 = 44;

/// The addresses of an IP header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Addresses {
    V4 { source: [u8; 4], target: [u8; 4] },
    V6 { source: [u8; 16], target: [u8; 16] },
}

impl Addresses {
    #[inline]
    fn endpoints(&self, source_port: u16, target_port: u16) -> (Endpoint, Endpoint) {
        match *self {
            Self::V4 { source, target } => {
                (Endpoint::v4(source, source_port), Endpoint::v4(target, target_port))
            }
            Self::V6 { source, target } => {
                (Endpoint::v6(source, source_port), Endpoint::v6(target, target_port))
            }
        }
    }
}

/// What an IPv4 packet carries. A total length of 0 is that of a segmentation offload, whose
/// length did not fit: the packet reaches to the end of what encloses it.
#[inline]
pub(super) fn ipv4(view: View<'_>) -> Result<Step<'_>, Skip> {
    let Ok(header) = Ipv4HeaderSlice::from_slice(view.bytes) else {
        return Err(broken_ipv4(view));
    };
    let header_len = header.slice().len();
    let datagram = match usize::from(header.total_len()) {
        0 => view,
        total if total < header_len => return Err(Skip::Malformed),
        total => view.limit(total),
    };
    let payload = datagram.after(header_len)?;
    let addresses = Addresses::V4 { source: header.source(), target: header.destination() };
    let protocol = header.protocol().0;
    if header.is_fragmenting_payload() {
        let id = u32::from(header.identification());
        return Ok(Step::Fragment(Piece {
            key: Key { addresses, id, protocol: Some(protocol) },
            protocol,
            offset: usize::from(header.fragments_offset().value()) * 8,
            is_last: !header.more_fragments(),
            view: payload,
        }));
    }
    if protocol != TCP {
        return ip_payload(protocol, addresses, payload);
    }
    let tcp = tcp(addresses, payload)?;
    Ok(Step::Tcp(Tcp { id: header.identification(), ..tcp }))
}

/// Why there is no IPv4 header here.
#[cold]
fn broken_ipv4(view: View<'_>) -> Skip {
    match view.bytes {
        [first, ..] if first >> 4 != 4 || first & 0x0f < 5 => Skip::Malformed,
        [first, ..] if view.bytes.len() >= 20 => view.lacks(usize::from(first & 0x0f) * 4),
        _ => view.lacks(20),
    }
}

/// What an IPv6 packet carries. A payload length of 0 means that a jumbo payload option has it
/// (RFC 2675), or that it did not fit: the packet then reaches to the end of what encloses it.
#[inline]
pub(super) fn ipv6(view: View<'_>) -> Result<Step<'_>, Skip> {
    let Ok(header) = Ipv6HeaderSlice::from_slice(view.bytes) else {
        return Err(broken_ipv6(view));
    };
    let rest = view.after(40)?;
    let next = header.next_header().0;
    let payload = match usize::from(header.payload_length()) {
        0 if next == HOP_BY_HOP => jumbo(rest)?,
        0 => rest,
        len => rest.limit(len),
    };
    let addresses = Addresses::V6 { source: header.source(), target: header.destination() };
    ip_payload(next, addresses, payload)
}

/// Why there is no IPv6 header here.
#[cold]
fn broken_ipv6(view: View<'_>) -> Skip {
    match view.bytes {
        [first, ..] if first >> 4 != 6 => Skip::Malformed,
        _ => view.lacks(40),
    }
}

/// The payload by the length in a jumbo payload option, where the hop-by-hop header has one.
fn jumbo(view: View<'_>) -> Result<View<'_>, Skip> {
    let Ok(header) = Ipv6RawExtHeaderSlice::from_slice(view.bytes) else { return Ok(view) };
    let mut options = header.payload();
    while let Some((&kind, rest)) = options.split_first() {
        if kind == 0 {
            options = rest;
            continue;
        }
        let Some((&len, value)) = rest.split_first() else { break };
        if let (0xc2, &[a, b, c, d, ..]) = (kind, value) {
            let jumbo = u32::from_be_bytes([a, b, c, d]) as usize;
            // Unlike the shorter lengths, this one could claim bytes without bound.
            return if jumbo > view.wire { Err(Skip::Malformed) } else { Ok(view.limit(jumbo)) };
        }
        options = value.get(usize::from(len)..).unwrap_or_default();
    }
    Ok(view)
}

/// What follows an IP header or the fragments put together again: extension headers one after
/// the other, then TCP or something that may carry it.
pub(super) fn ip_payload(
    mut protocol: u8,
    mut addresses: Addresses,
    mut view: View<'_>,
) -> Result<Step<'_>, Skip> {
    let is_v6 = matches!(addresses, Addresses::V6 { .. });
    for _ in 0..ENCAPSULATIONS_MAX {
        match protocol {
            TCP => return tcp(addresses, view).map(Step::Tcp),
            17 => return udp(view),
            4 => return inner(Layer::Ipv4, view),
            41 => return inner(Layer::Ipv6, view),
            47 => return gre(view),
            // Ethernet in IP (RFC 3378), MPLS in IP (RFC 4023), Ethernet in SRv6 (RFC 8986).
            97 => return inner(Layer::Ethernet, view.after(2)?),
            137 => return inner(Layer::Mpls, view),
            143 => return inner(Layer::Ethernet, view),
            51 => (protocol, view) = authentication(view)?,
            FRAGMENT if is_v6 => {
                let piece = fragment(addresses, view)?;
                if piece.offset > 0 || !piece.is_last {
                    return Ok(Step::Fragment(piece));
                }
                // Of a datagram in one piece nothing is awaited (RFC 6946).
                (protocol, view) = (piece.protocol, piece.view);
            }
            HOP_BY_HOP | ROUTING | 60 | 135 | 139 | 140 if is_v6 => {
                let header = extension(view)?;
                if protocol == ROUTING
                    && let Some(last) = final_target(&header)
                    && let Addresses::V6 { target, .. } = &mut addresses
                {
                    *target = last;
                }
                (protocol, view) = (header.next_header().0, view.after(header.slice().len())?);
            }
            _ => return Err(Skip::NotTcp),
        }
    }
    Err(Skip::TooDeep)
}

/// An extension header of the common form: next header, length in units of 8 bytes less one.
fn extension(view: View<'_>) -> Result<Ipv6RawExtHeaderSlice<'_>, Skip> {
    let &[_, len] = view.header()?;
    Ipv6RawExtHeaderSlice::from_slice(view.bytes)
        .map_err(|_| view.lacks((usize::from(len) + 1) * 8))
}

/// Where the packet is bound for at last, which is what TCP counts as its address (RFC 8200
/// section 8.1), where a routing header still has stops to visit: the first entry of a segment
/// list (RFC 8754) or a home address (RFC 6275), the last one of the old source route.
fn final_target(header: &Ipv6RawExtHeaderSlice<'_>) -> Option<[u8; 16]> {
    let (&[kind, stops_left, _, _, _, _], list) = header.payload().split_first_chunk()?;
    match kind {
        _ if stops_left == 0 => None,
        2 | 4 => list.first_chunk().copied(),
        0 => list.as_chunks().0.last().copied(),
        _ => None,
    }
}

/// An authentication header (RFC 4302): what it protects is in clear.
fn authentication(view: View<'_>) -> Result<(u8, View<'_>), Skip> {
    let &[_, len] = view.header()?;
    if len == 0 {
        return Err(Skip::Malformed);
    }
    let header = IpAuthHeaderSlice::from_slice(view.bytes)
        .map_err(|_| view.lacks((usize::from(len) + 2) * 4))?;
    Ok((header.next_header().0, view.after(header.slice().len())?))
}

/// The fragment header of IPv6 (RFC 8200 section 4.5). The next header is not part of the key:
/// it is that of the first fragment.
fn fragment(addresses: Addresses, view: View<'_>) -> Result<Piece<'_>, Skip> {
    let header = Ipv6FragmentHeaderSlice::from_slice(view.bytes).map_err(|_| view.lacks(8))?;
    Ok(Piece {
        key: Key { addresses, id: header.identification(), protocol: None },
        protocol: header.next_header().0,
        offset: usize::from(header.fragment_offset().value()) * 8,
        is_last: !header.more_fragments(),
        view: view.after(8)?,
    })
}

/// The TCP packet here. Its options may be cut off, its checksum may be wrong: where offloading
/// is on, the sender's own capture has it so.
#[inline]
fn tcp(addresses: Addresses, view: View<'_>) -> Result<Tcp<'_>, Skip> {
    let &[s0, s1, t0, t1, q0, q1, q2, q3, a0, a1, a2, a3, offset, flags, w0, w1, ..] =
        view.header::<20>()?;
    let header_len = usize::from(offset >> 4) * 4;
    if header_len < 20 {
        return Err(Skip::Malformed);
    }
    let payload = view.after(header_len)?;
    let (source, target) =
        addresses.endpoints(u16::from_be_bytes([s0, s1]), u16::from_be_bytes([t0, t1]));
    Ok(Tcp {
        source,
        target,
        seq: u32::from_be_bytes([q0, q1, q2, q3]),
        ack: u32::from_be_bytes([a0, a1, a2, a3]),
        flags: Flags(flags),
        window: u16::from_be_bytes([w0, w1]),
        id: 0,
        payload,
    })
}
