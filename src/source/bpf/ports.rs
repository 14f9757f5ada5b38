//! The filter that lets the kernel pass what may hold TCP of some ports, and little else.

use crate::packet::LinkType;

/// Ranges beyond which the kernel's filter does not look at ports: compiling a longer list takes
/// seconds, and the kernel takes no more than 4096 instructions.
const RANGES_MAX: usize = 50;

/// A filter expression for frames of link type `link` that may hold TCP packets from or to a
/// port in `ranges`, both ends included.
///
/// It only goes before the check of the decoded packet and passes too much rather than too
/// little: fragments, extension headers and tunnels are passed whatever they hold, so are frames
/// whose inside a filter cannot look into. With more than fifty ranges it passes all of TCP. For
/// a link type that Weir does not read it is empty and passes everything.
///
/// Frames of interfaces have their outer VLAN tag beside them, those of files before their IP
/// header; the keyword `vlan` is right for both, and for Ethernet only. It moves the offsets of
/// everything behind it, also behind an `or`, which is how two tags are passed.
#[must_use]
pub fn port_expression(ranges: &[(u16, u16)], link: LinkType) -> String {
    let inside = inside(ranges);
    match link.0 {
        1 => {
            let inside = format!("({inside} or {WRAPPED})");
            // Logical link control leads to IP on some old networks. The last keyword passes
            // whatever has a third tag. To look at `ether[12:2]` instead would spoil the offsets
            // of what follows on interfaces.
            format!("{inside} or llc or (vlan and {inside}) or (vlan and {inside}) or vlan")
        }
        // The tag that is left on a frame of `any` is that of a second network inside the first.
        113 | 276 => format!("{inside} or {WRAPPED} or ether proto 0x8100 or ether proto 0x88a8"),
        9 | 12 | 14 | 50 | 51 | 101 | 228 | 229 | 0 | 108 => inside,
        _ => String::new(),
    }
}

/// Types of Ethernet frames that hold a packet behind something that a filter does not read:
/// MPLS, PPP, bridged frames, provider backbones, port extenders.
const WRAPPED: &str = "ether proto 0x8847 or ether proto 0x8848 or ether proto 0x8864 or \
     ether proto 0x6558 or ether proto 0x88e7 or ether proto 0x8926 or ether proto 0x893f";

/// IP that holds TCP of these ports or something unknown.
///
/// Of IPv4, fragments but the first, and of both versions every protocol but TCP, UDP, ICMP and
/// ESP: tunnels and extension headers, and among these those of IPv6 packets above 64 KiB.
fn inside(ranges: &[(u16, u16)]) -> String {
    const TUNNELS: &str = "udp dst port 4789 or udp dst port 8472 or udp dst port 6081 or \
         udp dst port 2152";
    const V4: &str = "(ip and (ip[6:2] & 0x1fff != 0 or (ip[9] != 6 and ip[9] != 17 and \
         ip[9] != 1 and ip[9] != 50)))";
    const V6: &str = "(ip6 and ip6[6] != 6 and ip6[6] != 17 and ip6[6] != 58 and ip6[6] != 50)";
    format!("({} or {TUNNELS} or {V4} or {V6})", tcp(ranges))
}

fn tcp(ranges: &[(u16, u16)]) -> String {
    let is_long = ranges.len() > RANGES_MAX;
    if is_long || ranges.is_empty() {
        return "tcp".to_owned();
    }
    let terms = ranges.iter().map(|&(low, high)| {
        if low == high { format!("tcp port {low}") } else { format!("tcp portrange {low}-{high}") }
    });
    terms.collect::<Vec<_>>().join(" or ")
}
