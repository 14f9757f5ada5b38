//! Filters against the decoder: what it finds, the filter for ports must pass.

use std::path::Path;

use proptest::prelude::*;
use weir::decode::Decoder;
use weir::packet::{Frame, LinkType};
use weir::pipeline::Ports;
use weir::source::CaptureFile;
use weir::source::bpf::{Program, port_expression};
use weir::time::Timestamp;

/// The filters for one set of ports, by link type.
struct Filters {
    ports: Ports,
    by_link: Vec<(LinkType, Program)>,
}

impl Filters {
    fn new(ports: &str) -> Self {
        let ports: Ports = ports.parse().expect("ports");
        let links = [0, 1, 9, 12, 14, 50, 51, 101, 108, 113, 228, 229, 276, 147];
        let by_link = links.map(LinkType).into_iter().map(|link| {
            let expression = port_expression(ports.ranges(), link);
            (link, Program::new(&expression).expect("a sound expression"))
        });
        Self { by_link: by_link.collect(), ports }
    }

    fn passes(&self, frame: &Frame<'_>) -> bool {
        let (_, program) =
            self.by_link.iter().find(|(link, _)| *link == frame.link).expect("known");
        let passes = program.passes(frame);
        assert_eq!(program.errors(), [], "it compiles for its link type");
        passes
    }
}

fn be16(number: usize) -> [u8; 2] {
    u16::try_from(number).expect("16 bits").to_be_bytes()
}

fn tcp(source: u16, target: u16) -> Vec<u8> {
    let ports = [source.to_be_bytes(), target.to_be_bytes()].concat();
    [&ports[..], &[0, 0, 0, 1, 0, 0, 0, 2, 0x50, 0x18, 1, 0, 0, 0, 0, 0], b"GET / HTTP/1.1\r\n"]
        .concat()
}

fn ip4(protocol: u8, body: &[u8]) -> Vec<u8> {
    let life = [1, 2, 0, 0, 64, protocol, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2];
    [&[0x45, 0], &be16(20 + body.len())[..], &life, body].concat()
}

fn ip6(next: u8, body: &[u8]) -> Vec<u8> {
    let ends = [[0x20; 16], [0x21; 16]].concat();
    [&[0x60, 0, 0, 0], &be16(body.len())[..], &[next, 64], &ends, body].concat()
}

fn udp(port: u16, body: &[u8]) -> Vec<u8> {
    [&[0xc0, 1], &port.to_be_bytes()[..], &be16(8 + body.len()), &[0, 0], body].concat()
}

fn ethernet(kind: u16, body: &[u8]) -> Vec<u8> {
    [&[2; 12], &kind.to_be_bytes()[..], body].concat()
}

/// Wraps an IP packet into another one, of the same version; the number chooses how.
fn wrap(packet: &[u8], how: u8) -> Vec<u8> {
    let is_v6 = packet[0] >> 4 == 6;
    let kind = if is_v6 { 0x86dd } else { 0x0800 };
    let (protocol, body): (u8, Vec<u8>) = match how {
        0 => (17, udp(4789, &[&[8, 0, 0, 0, 0, 0, 9, 0], &ethernet(kind, packet)[..]].concat())),
        1 => (17, udp(8472, &[&[8, 0, 0, 0, 0, 0, 9, 0], &ethernet(kind, packet)[..]].concat())),
        2 => (17, udp(6081, &[&[0, 0], &kind.to_be_bytes()[..], &[0, 0, 9, 0], packet].concat())),
        3 => {
            let head = [&[0x30, 0xff], &be16(packet.len())[..], &[0, 0, 0, 7]].concat();
            (17, udp(2152, &[&head[..], packet].concat()))
        }
        4 => (47, [&[0, 0], &kind.to_be_bytes()[..], packet].concat()),
        5 => (if is_v6 { 41 } else { 4 }, packet.to_vec()),
        6 => (97, [&[0x30, 0], &ethernet(kind, packet)[..]].concat()),
        7 => (137, [&[0, 1, 0x31, 64], packet].concat()),
        8 => (143, ethernet(kind, packet)),
        _ => return packet.to_vec(),
    };
    if is_v6 { ip6(protocol, &body) } else { ip4(protocol, &body) }
}

/// Puts a header between IP and TCP.
fn extend(source: u16, target: u16, how: u8) -> Vec<u8> {
    let tcp = tcp(source, target);
    let extended = |fill: &[u8]| [&[6, 0][..], fill, &tcp].concat();
    match how {
        0 => ip4(6, &tcp),
        1 => ip6(6, &tcp),
        2 => ip6(0, &extended(&[1, 4, 0, 0, 0, 0])),
        3 => ip6(60, &extended(&[1, 4, 0, 0, 0, 0])),
        4 => ip6(43, &extended(&[0, 0, 0, 0, 0, 0])),
        // A fragment that is the whole datagram.
        5 => ip6(44, &extended(&[0, 0, 0, 0, 0, 9])),
        6 => ip4(51, &[&[6, 1, 0, 0, 0, 0, 0, 1, 0, 0, 0, 2], &tcp[..]].concat()),
        _ => ip6(51, &[&[6, 1, 0, 0, 0, 0, 0, 1, 0, 0, 0, 2], &tcp[..]].concat()),
    }
}

/// Puts an IP packet on a link of some type; the number chooses which and what is between.
fn link(packet: &[u8], how: u8) -> (u16, Vec<u8>) {
    let is_v6 = packet[0] >> 4 == 6;
    let kind: u16 = if is_v6 { 0x86dd } else { 0x0800 };
    let tag = |body: &[u8]| [&[0, 5][..], body].concat();
    let kinded = [&kind.to_be_bytes()[..], packet].concat();
    let labelled = [&[0, 1, 0x31, 64][..], packet].concat();
    match how {
        0 => (1, ethernet(kind, packet)),
        1 => (1, ethernet(0x8100, &tag(&kinded))),
        2 => (1, ethernet(0x88a8, &tag(&[&[0x81, 0][..], &tag(&kinded)].concat()))),
        3 => {
            let inner = [&[0x81, 0][..], &tag(&kinded)].concat();
            (1, ethernet(0x88a8, &tag(&[&[0x81, 0][..], &tag(&inner)].concat())))
        }
        4 => (1, ethernet(0x8847, &labelled)),
        5 => (1, ethernet(0x8100, &tag(&[&[0x88, 0x47][..], &labelled].concat()))),
        6 => {
            let ppp = if is_v6 { [0, 0x57] } else { [0, 0x21] };
            let session = [&[0x11, 0, 0, 7], &be16(packet.len() + 2)[..], &ppp, packet].concat();
            (1, ethernet(0x8864, &session))
        }
        7 => {
            let snap = [&[0xaa, 0xaa, 3, 0, 0, 0][..], &kinded].concat();
            (1, ethernet(u16::try_from(snap.len()).expect("short"), &snap))
        }
        8 => (113, [&[0, 0, 0, 1, 0, 6, 1, 2, 3, 4, 5, 6, 0, 0][..], &kinded].concat()),
        9 => {
            let tagged = [&[0x81, 0][..], &tag(&kinded)].concat();
            (113, [&[0, 0, 0, 1, 0, 6, 1, 2, 3, 4, 5, 6, 0, 0][..], &tagged].concat())
        }
        10 => {
            let rest = [0, 0, 0, 0, 0, 2, 0, 1, 0, 6, 1, 2, 3, 4, 5, 6, 0, 0];
            (276, [&kind.to_be_bytes()[..], &rest, packet].concat())
        }
        11 => (101, packet.to_vec()),
        12 => (if is_v6 { 229 } else { 228 }, packet.to_vec()),
        13 => {
            // The order of the bytes is that of the host that captured, which is this one.
            let family: u32 = if is_v6 { 10 } else { 2 };
            (0, [&family.to_le_bytes()[..], packet].concat())
        }
        _ => {
            let ppp = if is_v6 { [0, 0x57] } else { [0, 0x21] };
            (9, [&[0xff, 3][..], &ppp, packet].concat())
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]
    #[test]
    fn what_the_decoder_finds_on_a_watched_port_passes_the_filter_for_it(
        (ports, many) in (
            prop::sample::select(vec![(1024, 80), (80, 1024), (8005, 4000), (9, 10)]),
            any::<bool>(),
        ),
        extension in 0..8_u8,
        wrappings in prop::collection::vec(0..10_u8, 0..3),
        how in 0..15_u8,
    ) {
        thread_local! {
            static FEW: Filters = Filters::new("80,8000-8010");
            static MANY: Filters = Filters::new(&format!("80,8000-8010{}", ",30000".repeat(60)));
        }
        let packet = wrappings.iter().fold(extend(ports.0, ports.1, extension), |p, &w| wrap(&p, w));
        let (link, bytes) = link(&packet, how);
        let wire_len = u32::try_from(bytes.len()).expect("short");
        let at = Timestamp::default();
        let frame = Frame { at, bytes: &bytes, wire_len, link: LinkType(link) };
        let mut decoder = Decoder::new();
        let decoded = decoder.decode(&frame);
        let Ok(found) = decoded else { panic!("{decoded:?}") };
        (if many { &MANY } else { &FEW }).with(|filters| {
            prop_assert!(!filters.ports.watch(&found) || filters.passes(&frame));
            Ok(())
        })?;
    }
}

#[test]
fn packets_of_other_ports_do_not_pass() {
    let filters = Filters::new("80,8000-8010");
    for version in 0..2 {
        for how in [0, 1, 2, 8, 10, 11] {
            let (link, bytes) = link(&extend(81, 82, version), how);
            let wire_len = u32::try_from(bytes.len()).expect("short");
            let at = Timestamp::default();
            let frame = Frame { at, bytes: &bytes, wire_len, link: LinkType(link) };
            assert!(!filters.passes(&frame), "version {version}, link {how}");
        }
    }
}

/// Fragments but the first carry no ports, so that whole captures are asked: with the filter
/// before it, the decoder finds as many packets of the ports.
#[test]
fn captures_lose_no_packet_of_the_ports_to_the_filter() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("captures");
    let names = ["any", "cut", "features", "fragments", "offload", "static", "vlan", "vxlan"];
    for name in names {
        let path = [".pcap", ".pcapng"].map(|end| folder.join(format!("{name}{end}")));
        let path = path.iter().find(|path| path.exists()).expect("the capture");
        let count = |filters: Option<&Filters>| {
            let ports: Ports = "1-1023,8000-9000".parse().expect("ports");
            let mut capture = CaptureFile::open(path).expect("a capture");
            let (mut decoder, mut packets) = (Decoder::new(), 0_u64);
            while let Ok(Some(frame)) = capture.next_frame() {
                if filters.is_none_or(|filters| filters.passes(&frame))
                    && let Ok(packet) = decoder.decode(&frame)
                {
                    packets += u64::from(ports.watch(&packet));
                }
            }
            packets
        };
        let packets = count(None);
        assert!(packets > 0, "{name}");
        assert_eq!(count(Some(&Filters::new("1-1023,8000-9000"))), packets, "{name}");
    }
}

/// The kernel takes 4096 instructions, and starting must not take seconds.
#[test]
fn fifty_ports_make_a_filter_that_the_kernel_takes() {
    let ranges: Vec<(u16, u16)> = (0..50).map(|n| (1000 + 7 * n, 1000 + 7 * n)).collect();
    let expression = port_expression(&ranges, LinkType(1));
    let program = Program::new(&expression).expect("sound");
    let length = program.instructions(LinkType(1));
    assert!((1000..4096).contains(&length), "{length} instructions");
    let spans: Vec<(u16, u16)> = ranges.iter().map(|&(low, _)| (low, low + 3)).collect();
    let length = Program::new(&port_expression(&spans, LinkType(1))).expect("sound");
    assert!(length.instructions(LinkType(1)) < 4096);
}
