//! Frames built by hand and by the crate that reads them, each with what must be found in it.

use etherparse::PacketBuilder;
use proptest::prelude::*;

use super::*;
use crate::packet::{Flags, LinkType};

const ETHERNET: u16 = 1;
const REQUEST: &[u8] = b"GET / HTTP/1.1\r\nHost: shop.test\r\n\r\n";

/// What must come of a frame: payload and bytes cut off, or a skip.
type Expected<'a> = Result<(&'a [u8], u32), Skip>;

fn frame(link: u16, bytes: &[u8]) -> Frame<'_> {
    let wire_len = u32::try_from(bytes.len()).expect("short");
    Frame { at: Timestamp::from_nanos(0), bytes, wire_len, link: LinkType(link) }
}

fn outcome<'a>(decoded: &'a Result<Packet<'_>, Skip>) -> Expected<'a> {
    match decoded {
        Ok(packet) => Ok((packet.payload, packet.cut)),
        Err(skip) => Err(*skip),
    }
}

fn check_frame(frame: &Frame<'_>, expected: Expected<'_>) {
    let mut decoder = Decoder::new();
    let found = decoder.decode(frame);
    assert_eq!(outcome(&found), expected);
    if let Ok(packet) = found {
        assert_eq!((packet.source.port(), packet.target.port()), (51_324, 80));
        assert_eq!((packet.seq, packet.ack, packet.window), (1000, 2000, 500));
    }
}

/// Every link type and wrapping must give the request whole.
fn check(link: u16, bytes: &[u8]) {
    check_frame(&frame(link, bytes), Ok((REQUEST, 0)));
}

fn check_skip(link: u16, bytes: &[u8], skip: Skip) {
    check_frame(&frame(link, bytes), Err(skip));
}

fn join(parts: &[&[u8]]) -> Vec<u8> {
    parts.concat()
}

fn tcp_with(options: &[u8], payload: &[u8]) -> Vec<u8> {
    let offset = u8::try_from((20 + options.len()) / 4 * 16).expect("options fit");
    let head = [
        [200, 124, 0, 80].as_slice(),
        &1000_u32.to_be_bytes(),
        &2000_u32.to_be_bytes(),
        &[offset, 0x18],
        &500_u16.to_be_bytes(),
        // A checksum that is wrong (trap 29) and an urgent pointer without its flag (trap 49).
        &[0xde, 0xad, 0, 7],
    ];
    join(&[&head.concat(), options, payload])
}

fn tcp() -> Vec<u8> {
    tcp_with(&[], REQUEST)
}

fn be16(len: usize) -> [u8; 2] {
    u16::try_from(len).expect("fits 16 bits").to_be_bytes()
}

/// An IPv4 header whose flags and offset, total length and options are given.
fn ip4_raw(protocol: u8, (total, fragment): (usize, u16), options: &[u8], body: &[u8]) -> Vec<u8> {
    let first = 0x45 + u8::try_from(options.len() / 4).expect("options fit");
    let (total, fragment) = (be16(total), fragment.to_be_bytes());
    let ends = [10, 0, 0, 1, 10, 0, 0, 2];
    let life = [64, protocol, 0, 0];
    join(&[&[first, 0], &total, &[0x12, 0x34], &fragment, &life, &ends, options, body])
}

fn ip4(protocol: u8, body: &[u8]) -> Vec<u8> {
    ip4_raw(protocol, (20 + body.len(), 0), &[], body)
}

fn ip6_raw(next: u8, len: usize, body: &[u8]) -> Vec<u8> {
    let mut target = [0; 16];
    target[15] = 2;
    let source = [0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1];
    join(&[&[0x60, 0, 0, 0], &be16(len), &[next, 64], &source, &target, body])
}

fn ip6(next: u8, body: &[u8]) -> Vec<u8> {
    ip6_raw(next, body.len(), body)
}

fn eth(kind: u16, body: &[u8]) -> Vec<u8> {
    join(&[&[2; 6], &[4; 6], &kind.to_be_bytes(), body])
}

fn tag(inner_kind: u16, body: &[u8]) -> Vec<u8> {
    join(&[&[0, 5], &inner_kind.to_be_bytes(), body])
}

fn udp(port: u16, body: &[u8]) -> Vec<u8> {
    join(&[&[0xc0, 1], &port.to_be_bytes(), &be16(8 + body.len()), &[0, 0], body])
}

fn gre(flags: u16, protocol: u16, body: &[u8]) -> Vec<u8> {
    join(&[&flags.to_be_bytes(), &protocol.to_be_bytes(), body])
}

#[test]
fn agrees_with_the_builder_of_the_header_crate() {
    let mut bytes = Vec::new();
    PacketBuilder::ethernet2([1; 6], [2; 6])
        .ipv4([192, 168, 1, 1], [192, 168, 1, 2], 64)
        .tcp(40_000, 8080, 77, 1024)
        .syn()
        .write(&mut bytes, REQUEST)
        .expect("a vector takes everything");
    let mut decoder = Decoder::new();
    let Ok(packet) = decoder.decode(&frame(ETHERNET, &bytes)) else { panic!("no packet") };
    assert_eq!(packet.source.to_string(), "192.168.1.1:40000");
    assert_eq!(packet.target.to_string(), "192.168.1.2:8080");
    assert_eq!((packet.seq, packet.flags, packet.window), (77, Flags::SYN, 1024));
    // Data in the SYN (Fast Open) is payload like any other.
    assert_eq!(packet.payload, REQUEST);

    bytes.clear();
    PacketBuilder::ethernet2([1; 6], [2; 6])
        .single_vlan(etherparse::VlanId::try_new(7).expect("12 bits"))
        .ipv6([1; 16], [2; 16], 64)
        .tcp(1, 2, 3, 4)
        .ack(9)
        .fin()
        .write(&mut bytes, b"")
        .expect("a vector takes everything");
    let Ok(packet) = decoder.decode(&frame(ETHERNET, &bytes)) else { panic!("no packet") };
    assert_eq!((packet.ack, packet.flags), (9, Flags::ACK.with(Flags::FIN)));
    assert_eq!(packet.source.octets(), [1; 16]);
}

#[test]
fn trap_15_every_link_type() {
    let (v4, v6) = (ip4(6, &tcp()), ip6(6, &tcp()));
    check(ETHERNET, &eth(0x0800, &v4));
    check(ETHERNET, &eth(0x86dd, &v6));
    for raw in [12, 14, 101] {
        check(raw, &v4);
        check(raw, &v6);
    }
    check(228, &v4);
    check(229, &v6);
    for (family, ip) in [(2, &v4), (10, &v6), (24, &v6), (28, &v6), (30, &v6)] {
        check(0, &join(&[&[family, 0, 0, 0], ip]));
        check(0, &join(&[&[0, 0, 0, family], ip]));
        check(108, &join(&[&[0, 0, 0, family], ip]));
    }
    let cooked = [0, 0, 0, 1, 0, 6, 1, 2, 3, 4, 5, 6, 0, 0];
    check(113, &join(&[&cooked, &[0x08, 0], &v4]));
    check(113, &join(&[&cooked, &[0x81, 0], &tag(0x86dd, &v6)]));
    check(276, &join(&[&[0x86, 0xdd], &[0; 18], &v6]));
    check(9, &join(&[&[0xff, 3, 0, 0x21], &v4]));
    check(9, &join(&[&[0x21], &v4]));
    check(9, &join(&[&[0, 0x57], &v6]));
    check(50, &join(&[&[0xff, 3, 0, 0x57], &v6]));
    let session = join(&[&[0x11, 0, 0, 1], &be16(v4.len() + 2), &[0, 0x21], &v4, &[0; 4]]);
    check(51, &session);
    check_skip(105, &v4, Skip::LinkType);
    check_skip(12, &[0x55; 40], Skip::Malformed);
    check_skip(113, &join(&[&[0, 0, 3, 0x38], &[0; 10], &[8, 0], &v4]), Skip::NotIp);
}

#[test]
fn trap_14_tags_labels_and_pppoe() {
    let v4 = ip4(6, &tcp());
    check(ETHERNET, &eth(0x8100, &tag(0x0800, &v4)));
    for outer in [0x8100, 0x88a8, 0x9100, 0x9200] {
        check(ETHERNET, &eth(outer, &tag(0x8100, &tag(0x0800, &v4))));
    }
    check(ETHERNET, &eth(0x88e7, &join(&[&[0, 0, 0, 9], &eth(0x0800, &v4)])));
    check(ETHERNET, &eth(0x8926, &join(&[&[0; 4], &[8, 0], &v4])));
    check(ETHERNET, &eth(0x893f, &join(&[&[0; 6], &[8, 0], &v4])));
    let session = join(&[&[0x11, 0, 0, 1], &be16(v4.len() + 2), &[0, 0x21], &v4]);
    check(ETHERNET, &eth(0x8864, &session));
    check_skip(ETHERNET, &eth(0x8863, &session), Skip::NotIp);

    let (label, last) = ([0, 1, 0, 64], [0, 1, 1, 64]);
    check(ETHERNET, &eth(0x8847, &join(&[&last, &v4])));
    check(ETHERNET, &eth(0x8847, &join(&[&label, &label, &last, &ip6(6, &tcp())])));
    check(ETHERNET, &eth(0x8848, &join(&[&label, &last, &[0; 4], &eth(0x0800, &v4)])));
    // A pseudowire without a control word, its hardware address beginning with 0, 4, 6, 2.
    for first in [0, 0x4c, 0x6c, 2] {
        let mut inner = eth(0x0800, &v4);
        inner[0] = first;
        check(ETHERNET, &eth(0x8847, &join(&[&last, &inner])));
    }

    let snap = join(&[&[0xaa, 0xaa, 3, 0, 0, 0, 8, 0], &v4]);
    check(ETHERNET, &eth(u16::try_from(snap.len()).expect("short"), &join(&[&snap, &[9; 5]])));
    check_skip(ETHERNET, &eth(38, &[0x42; 38]), Skip::NotIp);
    check_skip(ETHERNET, &eth(0x0806, &[0; 28]), Skip::NotIp);
}

#[test]
fn trap_14_tunnels() {
    let (v4, v6) = (ip4(6, &tcp()), ip6(6, &tcp()));
    let inner = eth(0x0800, &v4);
    let outer = |protocol, body: &[u8]| eth(0x0800, &ip4(protocol, body));
    check(ETHERNET, &outer(4, &v4));
    check(ETHERNET, &outer(41, &v6));
    check(ETHERNET, &eth(0x86dd, &ip6(41, &v6)));
    check(ETHERNET, &eth(0x86dd, &ip6(4, &v4)));
    check(ETHERNET, &outer(97, &join(&[&[0x30, 0], &inner])));
    check(ETHERNET, &outer(137, &join(&[&[0, 1, 1, 64], &v4])));

    let vxlan =
        |port, flags| outer(17, &udp(port, &join(&[&[flags, 0, 0, 0, 0, 0, 5, 0], &inner])));
    check(ETHERNET, &vxlan(4789, 8));
    check(ETHERNET, &vxlan(8472, 0x88));
    check_skip(ETHERNET, &vxlan(4789, 0), Skip::NotTcp);
    check_skip(ETHERNET, &vxlan(53, 8), Skip::NotTcp);
    let geneve = join(&[&[2, 0, 0x65, 0x58, 0, 0, 5, 0], &[7; 8], &inner]);
    check(ETHERNET, &outer(17, &udp(6081, &geneve)));
    check(ETHERNET, &outer(17, &udp(6081, &join(&[&[0, 0, 8, 0, 0, 0, 5, 0], &v4]))));
    let gtp = |flags: u8, extra: &[u8]| {
        let body = join(&[extra, &v4]);
        outer(17, &udp(2152, &join(&[&[flags, 0xff], &be16(body.len()), &[0; 4], &body])))
    };
    check(ETHERNET, &gtp(0x30, &[]));
    check(ETHERNET, &gtp(0x32, &[0, 1, 0, 0]));
    check(ETHERNET, &gtp(0x34, &[0, 0, 0, 0x85, 1, 9, 9, 0]));
    check_skip(ETHERNET, &gtp(0x34, &[0, 0, 0, 0x85, 0, 9, 9, 0]), Skip::Malformed);

    check(ETHERNET, &outer(47, &gre(0, 0x0800, &v4)));
    check(ETHERNET, &outer(47, &gre(0xb000, 0x86dd, &join(&[&[1; 12], &v6]))));
    check(ETHERNET, &outer(47, &gre(0x2000, 0x6558, &join(&[&[1; 4], &inner]))));
    check(ETHERNET, &outer(47, &gre(0, 0x88be, &inner)));
    check(ETHERNET, &outer(47, &gre(0x1000, 0x88be, &join(&[&[1; 12], &inner]))));
    let erspan3 = |kind, last| join(&[&[1; 4], &[0; 10], &[kind, last]]);
    check(ETHERNET, &outer(47, &gre(0x1000, 0x22eb, &join(&[&erspan3(0, 0), &inner]))));
    check(ETHERNET, &outer(47, &gre(0x1000, 0x22eb, &join(&[&erspan3(0, 1), &[1; 8], &inner]))));
    check(ETHERNET, &outer(47, &gre(0x1000, 0x22eb, &join(&[&erspan3(8, 0), &v4]))));
    let pptp = join(&[&[0, 9, 0, 1], &[0; 4], &[0; 4], &[0xff, 3, 0, 0x21], &v4]);
    check(ETHERNET, &outer(47, &gre(0x3081, 0x880b, &pptp)));
    check_skip(ETHERNET, &outer(47, &gre(0x4000, 0x0800, &v4)), Skip::NotTcp);
    // VXLAN on a tagged link, a tag inside as well.
    let deep = udp(4789, &join(&[&[8, 0, 0, 0, 0, 0, 5, 0], &eth(0x8100, &tag(0x0800, &v4))]));
    check(ETHERNET, &eth(0x8100, &tag(0x0800, &ip4(17, &deep))));
}

#[test]
fn wrappings_are_opened_up_to_the_bound() {
    let tags = |count| {
        let tagged = (1..count).fold(tag(0x0800, &ip4(6, &tcp())), |b, _| tag(0x8100, &b));
        eth(0x8100, &tagged)
    };
    check(ETHERNET, &tags(ENCAPSULATIONS_MAX));
    check_skip(ETHERNET, &tags(ENCAPSULATIONS_MAX + 1), Skip::TooDeep);
    let tunnels = (0..100).fold(ip4(6, &tcp()), |body, _| ip4(4, &body));
    check_skip(101, &tunnels, Skip::TooDeep);
    let options = (0..100).fold(tcp(), |body, _| join(&[&[60, 0, 1, 4, 0, 0, 0, 0], &body]));
    check_skip(101, &ip6(60, &options), Skip::TooDeep);
}

#[test]
fn trap_27_the_snap_length_cuts_payload_and_headers() {
    let whole = eth(0x0800, &ip4(6, &tcp()));
    let cut = |len: usize| Frame {
        wire_len: u32::try_from(whole.len()).expect("short"),
        ..frame(ETHERNET, &whole[..len])
    };
    let all = u32::try_from(REQUEST.len()).expect("short");
    check_frame(&cut(whole.len()), Ok((REQUEST, 0)));
    check_frame(&cut(whole.len() - 5), Ok((&REQUEST[..REQUEST.len() - 5], 5)));
    check_frame(&cut(54), Ok((&[], all)));
    for len in 0..54 {
        check_frame(&cut(len), Err(Skip::Cut));
    }
    // A mirror that shortens frames and says nothing of it: IP knows better.
    check_frame(
        &frame(ETHERNET, &whole[..whole.len() - 5]),
        Ok((&REQUEST[..REQUEST.len() - 5], 5)),
    );
    // Options cut off: everything that matters stands before them.
    let optional = eth(0x0800, &ip4(6, &tcp_with(&[1; 12], REQUEST)));
    let wire_len = u32::try_from(optional.len()).expect("short");
    check_frame(&Frame { wire_len, ..frame(ETHERNET, &optional[..60]) }, Ok((&[], all)));
}

#[test]
fn trap_28_padding_is_not_payload() {
    check_frame(
        &frame(ETHERNET, &join(&[&eth(0x0800, &ip4(6, &tcp_with(&[], b"")))[..], &[0; 6]])),
        Ok((b"", 0)),
    );
    let padded = |ip: &[u8], kind| join(&[&eth(kind, ip), &[0xee; 9]]);
    check(ETHERNET, &padded(&ip4(6, &tcp()), 0x0800));
    check(ETHERNET, &padded(&ip6(6, &tcp()), 0x86dd));
    check(ETHERNET, &padded(&ip4(4, &join(&[&ip4(6, &tcp()), &[7; 3]])), 0x0800));
}

#[test]
fn trap_1_and_37_frames_larger_than_the_mtu_and_lengths_of_zero() {
    let body = vec![b'x'; 70_000];
    let super_frame = tcp_with(&[], &body);
    let bare = frame(ETHERNET, &[]);
    let check_big = |bytes: &[u8]| {
        let wire_len = u32::try_from(bytes.len()).expect("short");
        check_frame(&Frame { bytes, wire_len, ..bare }, Ok((&body, 0)));
        let cut = &bytes[..bytes.len() - 9];
        check_frame(&Frame { bytes: cut, wire_len, ..bare }, Ok((&body[9..], 9)));
    };
    check_big(&eth(0x0800, &ip4_raw(6, (0, 0), &[], &super_frame)));
    check_big(&eth(0x86dd, &ip6_raw(6, 0, &super_frame)));
    let len = u32::try_from(super_frame.len() + 8).expect("short").to_be_bytes();
    let jumbo = join(&[&[6, 0, 0xc2, 4], &len, &super_frame]);
    check_big(&eth(0x86dd, &ip6_raw(0, 0, &jumbo)));
    // The option's own length leaves padding out; a length beyond the wire cannot be.
    check_frame(
        &frame(ETHERNET, &join(&[&eth(0x86dd, &ip6_raw(0, 0, &jumbo)), &[0; 4]])),
        Ok((&body, 0)),
    );
    let lie = join(&[&[6, 0, 0xc2, 4, 0xff, 0xff, 0xff, 0xff], &super_frame]);
    check_skip(ETHERNET, &eth(0x86dd, &ip6_raw(0, 0, &lie)), Skip::Malformed);
    check(ETHERNET, &eth(0x0800, &ip4_raw(6, (0, 0), &[], &tcp())));

    // A wire length without bound is believed up to a bound only.
    let ip = ip4_raw(6, (0, 0), &[], &tcp());
    let mut decoder = Decoder::new();
    let Ok(packet) = decoder.decode(&Frame { wire_len: u32::MAX, ..frame(101, &ip) }) else {
        panic!("no packet")
    };
    assert_eq!(packet.cut as usize, WIRE_BYTES_MAX - ip.len());
}

#[test]
fn trap_31_extension_headers() {
    let t = tcp();
    let options = |next: u8, body: &[u8]| join(&[&[next, 0, 1, 4, 0, 0, 0, 0], body]);
    for kind in [0, 60, 135, 139, 140] {
        check(101, &ip6(kind, &options(6, &t)));
    }
    check(101, &ip6(0, &options(60, &options(6, &t))));
    let auth = join(&[&[6, 4, 0, 0], &[1; 20], &t]);
    check(101, &ip6(51, &auth));
    check(101, &ip4(51, &auth));
    let atomic = join(&[&[6, 0, 0, 0, 0, 0, 0, 1], &t]);
    check(101, &ip6(44, &atomic));
    check(101, &ip4_raw(6, (24 + t.len(), 0), &[1; 4], &t));
    check(101, &ip4_raw(6, (60 + t.len(), 0x4000), &[1; 40], &t));
    check_skip(101, &ip4_raw(6, (10, 0), &[], &t), Skip::Malformed);
    check_skip(101, &ip6(59, &t), Skip::NotTcp);
    check_skip(101, &ip6(50, &t), Skip::NotTcp);
    // These numbers are no extension headers in IPv4.
    check_skip(101, &ip4(60, &options(6, &t)), Skip::NotTcp);

    // A routing header with a stop to go: TCP counts the last one as its address.
    let route = join(&[&[6, 2, 4, 1, 0, 0, 0, 0], &[0xab; 16], &t]);
    let bytes = ip6(43, &route);
    let mut decoder = Decoder::new();
    let Ok(packet) = decoder.decode(&frame(101, &bytes)) else { panic!("no packet") };
    assert_eq!((packet.target.octets(), packet.payload), ([0xab; 16], REQUEST));
}

#[test]
fn trap_42_a_quote_is_not_traffic() {
    let quote = join(&[&[3, 3, 0, 0, 0, 0, 0, 0], &ip4(6, &tcp())]);
    check_skip(101, &ip4(1, &quote), Skip::NotTcp);
    check_skip(101, &ip6(58, &join(&[&[1, 3, 0, 0, 0, 0, 0, 0], &ip6(6, &tcp())])), Skip::NotTcp);
}

#[test]
fn trap_49_the_urgent_pointer_moves_nothing() {
    let mut bytes = tcp();
    bytes[13] |= Flags::URG.0;
    check(101, &ip4(6, &bytes));
}

#[test]
fn contradictory_headers_are_malformed() {
    let mut short_offset = tcp();
    short_offset[12] = 0x40;
    check_skip(101, &ip4(6, &short_offset), Skip::Malformed);
    let mut long_offset = tcp_with(&[], b"");
    long_offset[12] = 0xf0;
    check_skip(101, &ip4(6, &long_offset), Skip::Malformed);
    check_skip(101, &ip4(6, &tcp()[..12]), Skip::Malformed);
    let mut short_header = ip4(6, &tcp());
    short_header[0] = 0x44;
    check_skip(101, &short_header, Skip::Malformed);
    check_skip(ETHERNET, &eth(0x0800, &ip6(6, &tcp())), Skip::Malformed);
    check_skip(ETHERNET, &[], Skip::Malformed);
}

/// The fragments of one datagram that carries `body`, cut at multiples of 8.
fn fragments4(body: &[u8], cuts: &[usize]) -> Vec<Vec<u8>> {
    let ends = cuts.iter().copied().chain([body.len()]);
    let starts = [0].into_iter().chain(cuts.iter().copied());
    let pieces = starts.zip(ends).map(|(from, to)| {
        let more = if to < body.len() { 0x2000 } else { 0 };
        let fragment = u16::try_from(from / 8).expect("13 bits") | more;
        ip4_raw(6, (20 + to - from, fragment), &[], &body[from..to])
    });
    pieces.collect()
}

fn fragments6(body: &[u8], cuts: &[usize]) -> Vec<Vec<u8>> {
    let ends = cuts.iter().copied().chain([body.len()]);
    let starts = [0].into_iter().chain(cuts.iter().copied());
    let pieces = starts.zip(ends).map(|(from, to)| {
        let offset = u16::try_from(from).expect("16 bits") | u16::from(to < body.len());
        let head = join(&[&[6, 0], &offset.to_be_bytes(), &[0, 0, 0, 9]]);
        ip6(44, &join(&[&head, &body[from..to]]))
    });
    pieces.collect()
}

/// Decodes frames in turn; every one but the last must wait, the last must give the body.
fn check_assembly(frames: &[Vec<u8>], body: &[u8]) {
    let mut decoder = Decoder::new();
    let (last, before) = frames.split_last().expect("frames");
    for bytes in before {
        assert_eq!(outcome(&decoder.decode(&frame(101, bytes))), Err(Skip::Fragment));
    }
    assert_eq!(outcome(&decoder.decode(&frame(101, last))), Ok((body, 0)));
    assert_eq!(decoder.finish(), 0);
}

#[test]
fn trap_31_fragments_in_a_tunnel_in_fragments() {
    let inner = fragments4(&tcp(), &[24]);
    let outer: Vec<_> = inner
        .iter()
        .enumerate()
        .flat_map(|(id, bytes)| {
            let mut pieces = fragments4(bytes, &[16]);
            for piece in &mut pieces {
                (piece[5], piece[9]) = (u8::try_from(id).expect("few"), 4);
            }
            pieces
        })
        .collect();
    check_assembly(&outer, REQUEST);
}

#[test]
fn fragments_that_overlap_give_the_first_copy() {
    let body = tcp_with(&[], &[b'a'; 60]);
    let mut other = body.clone();
    other[20..].fill(b'b');
    let (first, second) = (fragments4(&body, &[40]), fragments4(&other, &[24]));
    check_assembly(&[first[0].clone(), second[1].clone()], &join(&[&[b'a'; 20], &[b'b'; 40]]));
    check_assembly(&[second[1].clone(), first[0].clone()], &join(&[&[b'a'; 4], &[b'b'; 56]]));
}

#[test]
fn a_fragment_cut_by_the_snap_length_leaves_the_rest_cut() {
    let body = tcp_with(&[], &[b'a'; 60]);
    let pieces = fragments4(&body, &[40]);
    let mut decoder = Decoder::new();
    let short = &pieces[0][..50];
    let first = Frame { wire_len: 60, ..frame(101, short) };
    assert_eq!(outcome(&decoder.decode(&first)), Err(Skip::Fragment));
    assert_eq!(outcome(&decoder.decode(&frame(101, &pieces[1]))), Ok((&[b'a'; 10][..], 50)));
}

fn at(seconds: i64, bytes: &[u8]) -> Frame<'_> {
    Frame { at: Timestamp::from_nanos(seconds * 1_000_000_000), ..frame(101, bytes) }
}

#[test]
fn fragments_are_given_up_in_time_and_room_and_counted() {
    let pieces = fragments4(&tcp(), &[16, 32]);
    let mut decoder = Decoder::new();
    for piece in &pieces[..2] {
        assert_eq!(outcome(&decoder.decode(&at(0, piece))), Err(Skip::Fragment));
    }
    // Too late: the first two are gone, the last waits alone.
    assert_eq!(outcome(&decoder.decode(&at(31, &pieces[2]))), Err(Skip::Fragment));
    assert_eq!(decoder.finish(), 3);
    assert_eq!(decoder.finish(), 0);

    // Copies of a completed datagram's fragments are copies; later the identifier is free.
    for piece in &pieces[..2] {
        assert_eq!(outcome(&decoder.decode(&at(40, piece))), Err(Skip::Fragment));
    }
    assert_eq!(outcome(&decoder.decode(&at(40, &pieces[2]))), Ok((REQUEST, 0)));
    assert_eq!(outcome(&decoder.decode(&at(40, &pieces[0]))), Err(Skip::Copy));
    assert_eq!(outcome(&decoder.decode(&at(42, &pieces[0]))), Err(Skip::Fragment));
    assert_eq!(decoder.finish(), 1);

    // More datagrams than are awaited: the oldest give way.
    let many = crate::limits::FRAGMENTED_DATAGRAMS_MAX + 10;
    for id in 0..many {
        let mut piece = pieces[0].clone();
        piece[4..6].copy_from_slice(&be16(id));
        assert_eq!(outcome(&decoder.decode(&at(50, &piece))), Err(Skip::Fragment));
    }
    assert_eq!(decoder.fragments.held().0, many - 10);
    // Large ones: bytes are the bound.
    let large = fragments4(&vec![0; 65_000], &[64_000]);
    for id in 0..200 {
        let mut piece = large[0].clone();
        piece[4..6].copy_from_slice(&be16(id));
        assert!(decoder.decode(&at(50, &piece)).is_err());
        assert!(decoder.fragments.held().1 <= crate::limits::FRAGMENT_BYTES_MAX);
    }
    assert_eq!(decoder.finish(), many as u64 + 200);
    assert_eq!(decoder.fragments.held().1, 0);
}

#[test]
fn fragments_that_cannot_be_are_malformed() {
    let odd = ip4_raw(6, (20 + 9, 0x2000), &[], &[0; 9]);
    check_skip(101, &odd, Skip::Malformed);
    let beyond = ip4_raw(6, (20 + 64, 0x1fff), &[], &[0; 64]);
    check_skip(101, &beyond, Skip::Malformed);
    check_skip(101, &ip4_raw(6, (20, 0x2000), &[], &[]), Skip::Malformed);
}

/// Frames of every kind, from which prefixes and mutations are made.
fn samples() -> Vec<(u16, Vec<u8>)> {
    let (v4, v6) = (ip4(6, &tcp_with(&[1; 8], REQUEST)), ip6(6, &tcp()));
    let inner = eth(0x0800, &v4);
    let vxlan = udp(4789, &join(&[&[8, 0, 0, 0, 0, 0, 5, 0], &inner]));
    let session = join(&[&[0x11, 0, 0, 1], &be16(v4.len() + 2), &[0, 0x21], &v4]);
    let pieces = fragments6(&tcp(), &[24]);
    vec![
        (1, eth(0x0800, &v4)),
        (1, eth(0x88a8, &tag(0x8100, &tag(0x86dd, &v6)))),
        (1, eth(0x8847, &join(&[&[0, 1, 0, 64, 0, 1, 1, 64], &[0; 4], &inner]))),
        (1, eth(0x8864, &session)),
        (1, eth(0x0800, &ip4(17, &vxlan))),
        (1, eth(0x0800, &ip4(47, &gre(0x1000, 0x22eb, &join(&[&[0; 16], &inner]))))),
        (1, eth(0x0800, &ip4(17, &udp(2152, &join(&[&[0x34, 0xff, 0, 99], &[0; 8], &v4]))))),
        (1, eth(0x0800, &ip4(17, &udp(6081, &join(&[&[1, 0, 8, 0], &[0; 8], &v4]))))),
        (
            101,
            ip6(
                0,
                &join(&[&[43, 0, 1, 4, 0, 0, 0, 0], &[44, 0, 4, 0, 0, 0, 0, 0], &pieces[0][40..]]),
            ),
        ),
        (101, pieces[1].clone()),
        (0, join(&[&[2, 0, 0, 0], &v4])),
        (113, join(&[&[0; 14], &[8, 0], &v4])),
        (276, join(&[&[8, 0], &[0; 18], &v4])),
        (9, join(&[&[0xff, 3, 0, 0x21], &v4])),
    ]
}

#[test]
fn every_prefix_of_a_frame_is_cut_or_gives_a_prefix_of_its_payload() {
    for (link, bytes) in samples() {
        let wire_len = u32::try_from(bytes.len()).expect("short");
        for len in 0..bytes.len() {
            let mut decoder = Decoder::new();
            let cut = Frame { wire_len, ..frame(link, &bytes[..len]) };
            match decoder.decode(&cut) {
                Ok(packet) => {
                    assert!(REQUEST.starts_with(packet.payload));
                    assert_eq!(packet.wire_payload(), REQUEST.len() as u64);
                }
                Err(skip) => assert!(
                    matches!(skip, Skip::Cut | Skip::Fragment | Skip::NotIp),
                    "{skip:?} at {len} of {bytes:x?}"
                ),
            }
            // Where the frame claims to be whole it contradicts itself, and still cannot fail.
            let _ = decoder.decode(&frame(link, &bytes[..len]));
        }
    }
}

proptest! {
    #[test]
    fn fragments_in_any_order_give_what_one_packet_gives(
        payload in prop::collection::vec(any::<u8>(), 0..600),
        cuts in prop::collection::btree_set(1_usize..60, 1..8),
        seed in any::<u64>(),
        copies in 0_usize..4,
    ) {
        let body = tcp_with(&[], &payload);
        let cuts: Vec<_> = cuts.iter().map(|c| c * 8).filter(|&c| c < body.len()).collect();
        prop_assume!(!cuts.is_empty());
        for mut frames in [fragments4(&body, &cuts), fragments6(&body, &cuts)] {
            let mut random = seed;
            let mut next = || {
                random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                usize::try_from(random >> 33).expect("31 bits")
            };
            for i in (1..frames.len()).rev() {
                frames.swap(i, next() % (i + 1));
            }
            // Copies come anywhere before the last missing fragment.
            for _ in 0..copies {
                let copy = frames[next() % (frames.len() - 1)].clone();
                frames.insert(next() % frames.len(), copy);
            }
            let last = frames.pop().expect("frames");
            frames.retain(|bytes| *bytes != last);
            frames.push(last);
            check_assembly(&frames, &payload);
        }
    }

    #[test]
    fn random_bytes_never_panic(
        bytes in prop::collection::vec(any::<u8>(), 0..200),
        link in prop::sample::select(vec![0_u16, 1, 9, 12, 51, 101, 108, 113, 228, 229, 276]),
        extra in 0_u32..100_000,
    ) {
        let mut decoder = Decoder::new();
        let mut random = frame(link, &bytes);
        random.wire_len = random.wire_len.saturating_add(extra);
        if let Ok(packet) = decoder.decode(&random) {
            prop_assert!(packet.payload.len() <= bytes.len());
        }
    }

    #[test]
    fn mutated_frames_never_panic(
        which in 0_usize..14,
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
        len in any::<prop::sample::Index>(),
    ) {
        let (link, mut bytes) = samples().swap_remove(which);
        for (place, value) in changes {
            let place = place.index(bytes.len());
            bytes[place] = value;
        }
        let mut decoder = Decoder::new();
        let _ = decoder.decode(&frame(link, &bytes));
        let cut = &bytes[..len.index(bytes.len())];
        let _ = decoder.decode(&frame(link, cut));
        prop_assert!(decoder.finish() <= 2);
    }

    #[test]
    fn assembly_agrees_with_a_byte_map(
        pieces in prop::collection::vec((0_usize..12, 1_usize..6, any::<u8>()), 1..12),
        end in 8_usize..120,
    ) {
        // The model: a map from place to the first byte that was written there.
        let mut model = vec![None; 1024];
        let mut decoder = Decoder::new();
        let mut sent: Vec<(usize, Vec<u8>)> =
            pieces.iter().map(|&(at, len, fill)| (at * 8, vec![fill; len * 8])).collect();
        // A head first so that there is a TCP header, and the last piece with the end.
        sent.insert(0, (0, tcp_with(&[], &[1; 4])));
        let end = end / 8 * 8 + 24;
        let tail = end + 8;
        let mut result = None;
        for (from, data) in sent.into_iter().filter(|(from, data)| from + data.len() <= tail) {
            for (place, &byte) in (from..).zip(&data) {
                model[place].get_or_insert(byte);
            }
            let fragment = u16::try_from(from / 8).expect("13 bits") | 0x2000;
            let bytes = ip4_raw(6, (20 + data.len(), fragment), &[], &data);
            let found = decoder.decode(&frame(101, &bytes));
            prop_assert_eq!(outcome(&found), Err(Skip::Fragment));
        }
        // What is missing comes last, in two pieces that overlap all.
        for place in model.iter_mut().take(tail) {
            place.get_or_insert(0x77);
        }
        let fill = vec![0x77; tail];
        for (from, to, more) in [(0, 24, 0x2000), (24, tail, 0)] {
            let fragment = u16::try_from(from / 8).expect("13 bits") | more;
            let bytes = ip4_raw(6, (20 + to - from, fragment), &[], &fill[from..to]);
            if let Ok(packet) = decoder.decode(&frame(101, &bytes)) {
                result = Some(packet.payload.to_vec());
            }
        }
        let expected: Vec<u8> = model[20..tail].iter().map(|byte| byte.expect("filled")).collect();
        prop_assert_eq!(result, Some(expected));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4096))]
    #[test]
    fn plain_frames_are_read_as_layer_by_layer(
        options in 0_usize..6,
        padding in 0_usize..12,
        wire in 0_u32..40,
        odd in proptest::collection::vec((0_usize..60, any::<u8>()), 0..3),
    ) {
        let tcp = tcp_with(&vec![1; options / 3 * 4], &REQUEST[..options * 6]);
        let mut bytes = join(&[&[2; 12], &[8, 0], &ip4(6, &tcp), &vec![0; padding]]);
        for (at, byte) in odd {
            let at = at % bytes.len();
            bytes[at] = byte;
        }
        let wire_len = u32::try_from(bytes.len()).unwrap() + wire.saturating_sub(20);
        let frame = Frame { wire_len, ..frame(ETHERNET, &bytes) };
        if let Some(plain) = Decoder::plain(&frame) {
            let mut decoder = Decoder::new();
            let Ok(packet) = decoder.decode_layers(&frame) else {
                return Err(TestCaseError::fail("only plain"));
            };
            prop_assert_eq!(format!("{plain:?}"), format!("{packet:?}"));
        }
    }
}
