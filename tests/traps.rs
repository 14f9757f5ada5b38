//! The fifty traps of passive capture, each with where it is tried: a reader ticks them off here.
//!
//! The numbers are those of the project's list of what has bitten other tools. `dialogues` stands
//! for the cases of `tests/dialogues/` whose names begin with `trap_NN`, where `NN` is the number.

use std::path::Path;

use crate::dialogues;

/// A trap: its number, what it is, and the tests that try it.
const TRAPS: [(u8, &str, &[&str]); 50] = [
    (1, "frames larger than the MTU", &["dialogues", "src/decode/tests.rs:trap_1_and_37"]),
    (2, "acknowledgments in mid-request", &["dialogues"]),
    (3, "several messages in one packet", &["dialogues", "properties"]),
    (4, "interim responses", &["dialogues", "properties"]),
    (5, "HEAD, 304 and 204 with lengths", &["dialogues", "properties"]),
    (
        6,
        "retransmissions that overlap or differ",
        &["dialogues", "src/tcp/reassembler.rs:overlaps"],
    ),
    (7, "numbers that wrap", &["dialogues", "src/tcp/seq.rs:offsets_survive_the_wrap"]),
    (8, "lost packets in bodies and heads", &["dialogues", "properties"]),
    (9, "one direction captured", &["dialogues"]),
    (10, "slow servers", &["dialogues"]),
    (11, "repeated requests", &["dialogues", "properties"]),
    (12, "a response before its request", &["dialogues", "properties"]),
    (13, "every frame twice", &["dialogues", "tests/live.rs:trap_13"]),
    (
        14,
        "tags and tunnels",
        &["src/decode/tests.rs:trap_14_tags", "src/decode/tests.rs:trap_14_tun"],
    ),
    (
        15,
        "link types and capture formats",
        &["src/decode/tests.rs:trap_15", "src/source/tests.rs:trap_15"],
    ),
    (16, "early responses", &["dialogues"]),
    (17, "closes, resets, half-closes", &["dialogues"]),
    (18, "long and split heads", &["dialogues", "src/http/tests.rs:heads_of_every_size_split"]),
    (19, "the chunked coding", &["dialogues", "src/http/tests.rs:chunked_bodies"]),
    (20, "counters of 32 bits", &["src/source/live/counts.rs:trap_20"]),
    (21, "a clock that steps back", &["dialogues", "damage"]),
    (22, "upgrades", &["dialogues"]),
    (23, "CONNECT", &["dialogues"]),
    (24, "data in the SYN", &["dialogues"]),
    (25, "the same ports again", &["dialogues"]),
    (26, "connections open before the capture", &["dialogues"]),
    (27, "the snap length", &["dialogues", "src/decode/tests.rs:trap_27"]),
    (28, "padding", &["src/decode/tests.rs:trap_28"]),
    (29, "wrong checksums", &["dialogues"]),
    (30, "probes", &["dialogues"]),
    (31, "fragments", &["src/decode/tests.rs:trap_31_ext", "src/decode/tests.rs:trap_31_frag"]),
    (32, "old habits of heads", &["dialogues", "src/http/tests.rs:odd_heads_are_read"]),
    (33, "decompression bombs", &["src/export/content.rs:a_bomb_is_cut"]),
    (34, "what is printed was chosen by a stranger", &["src/report/escape.rs:what_could_act"]),
    (
        35,
        "millions of routes",
        &["src/segment/summary.rs:too_many_groups", "src/query/latency.rs:too_many"],
    ),
    (36, "what is no HTTP", &["dialogues"]),
    (37, "BIG TCP", &["src/decode/tests.rs:trap_1_and_37"]),
    (38, "several answers to one request", &["dialogues"]),
    (39, "stamps of the directions out of order", &["dialogues"]),
    (40, "the last exchange", &["dialogues"]),
    (41, "a second SYN-ACK", &["dialogues", "src/tcp/connection.rs:a_second_syn_ack"]),
    (42, "quotes in ICMP", &["src/decode/tests.rs:trap_42"]),
    (43, "lost response heads", &["dialogues", "properties"]),
    (44, "odd methods, versions, split start lines", &["dialogues"]),
    (
        45,
        "lengths that contradict",
        &["dialogues", "src/http/tests.rs:body_lengths_follow_rfc_9112"],
    ),
    (46, "heads without their end", &["dialogues"]),
    (47, "targets with blanks", &["dialogues"]),
    (48, "SOCKS before HTTP", &["dialogues"]),
    (49, "the urgent pointer", &["dialogues", "src/decode/tests.rs:trap_49"]),
    (50, "more bytes than the length says", &["dialogues", "src/http/tests.rs:excess_after"]),
];

#[test]
fn every_trap_is_tried() {
    let dialogues = dialogues::all();
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    for (place, (number, what, tests)) in TRAPS.iter().enumerate() {
        assert_eq!(usize::from(*number), place + 1);
        for test in *tests {
            let is_there = match test.split_once(':') {
                Some((path, name)) => {
                    let text = std::fs::read_to_string(root.join(path)).expect("a file of tests");
                    text.contains(&format!("fn {name}"))
                }
                None if *test == "dialogues" => {
                    let numbers = |name: &str| {
                        name.split('_').skip(1).map_while(|w| w.parse().ok()).collect::<Vec<u8>>()
                    };
                    dialogues.iter().any(|case| {
                        case.name.starts_with("trap_") && numbers(&case.name).contains(number)
                    })
                }
                None => root.join(format!("tests/{test}.rs")).is_file(),
            };
            assert!(is_there, "trap {number}, {what}: no test {test}");
        }
    }
}
