//! Why a capture could not be read or made: what failed, on what, what was expected and found.

use std::io;

/// Why a capture could not be read, or not to its end; one line each.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SourceError {
    /// The file is missing, not readable for this user, or reading it failed.
    #[error("cannot read capture {name}: {source}")]
    Io {
        /// The file as the user named it.
        name: String,
        /// What the operating system said.
        source: io::Error,
    },
    /// There is not one byte in it.
    #[error("cannot read capture {name}: it is empty, not even a file header is there")]
    Empty {
        /// The file as the user named it.
        name: String,
    },
    /// Standard input is a terminal.
    #[error(
        "cannot read a capture from standard input: it is a terminal; pipe one, for example: \
         tcpdump -U -w - | weir capture -r -"
    )]
    Terminal,
    /// The first bytes are of no kind of capture.
    #[error(
        "cannot read {name} as a capture: it starts with {found}, which is neither pcap nor \
         pcapng nor either of them in gzip or zstd"
    )]
    NotCapture {
        /// The file as the user named it.
        name: String,
        /// Its first bytes in hexadecimal.
        found: String,
    },
    /// It is a file of exchanges.
    #[error(
        "cannot read {name} as a capture: it is a weir segment; its packets are gone, its \
         exchanges are shown by weir list, weir latency and weir info"
    )]
    Segment {
        /// The file as the user named it.
        name: String,
    },
    /// It is in a compression that is not opened here.
    #[error(
        "cannot read capture {name}: it is compressed with {kind}, which is not opened here; \
         pipe it: {kind} -dc {name} | weir capture -r -"
    )]
    Compression {
        /// The file as the user named it.
        name: String,
        /// The compression, which is also the name of its program.
        kind: &'static str,
    },
    /// The compressed data is broken or ends too early. Every frame before was given.
    #[error(
        "cannot read capture {name} to its end: its {kind} data is damaged or cut after {bytes} \
         bytes of content ({source}); what came before was read"
    )]
    Compressed {
        /// The file as the user named it.
        name: String,
        /// The compression.
        kind: &'static str,
        /// Content bytes that were decompressed.
        bytes: u64,
        /// What the decompressor said.
        source: io::Error,
    },
    /// The file ends inside a record or block. Every frame before was given.
    #[error(
        "cannot read capture {name} to its end: it is cut: {unit} {number} at byte {offset} needs \
         {needed} bytes, {left} are left; what came before was read"
    )]
    Cut {
        /// The file as the user named it.
        name: String,
        /// `record` in pcap, `block` in pcapng.
        unit: &'static str,
        /// Which one it is, from 1.
        number: u64,
        /// Where it starts, in bytes of (decompressed) content.
        offset: u64,
        /// Bytes that it needs, as far as is known.
        needed: u64,
        /// Bytes that the file has from there on.
        left: u64,
    },
    /// A record or block contradicts the format. Every frame before was given.
    #[error(
        "cannot read capture {name} to its end: it is damaged: {unit} {number} at byte {offset}: \
         {what}: expected {expected}, found {found}; what came before was read"
    )]
    Damaged {
        /// The file as the user named it.
        name: String,
        /// `record` in pcap, `block` in pcapng.
        unit: &'static str,
        /// Which one it is, from 1.
        number: u64,
        /// Where it starts, in bytes of (decompressed) content.
        offset: u64,
        /// The field that cannot be.
        what: &'static str,
        /// What it may be.
        expected: String,
        /// What it is.
        found: String,
    },
    /// This user may not capture.
    #[error("cannot capture on {interface}: {remedy}")]
    Permission {
        /// The interface.
        interface: String,
        /// What to do about it.
        remedy: String,
    },
    /// There is none of that name.
    #[error("cannot capture on {interface}: there is no such interface; there are: {known}")]
    NoInterface {
        /// The name as the user gave it.
        interface: String,
        /// The names of some that there are.
        known: String,
    },
    /// It is down.
    #[error(
        "cannot capture on {interface}: it is down; bring it up first: sudo ip link set \
         {interface} up"
    )]
    InterfaceDown {
        /// The interface.
        interface: String,
    },
    /// It cannot be captured for another reason.
    #[error("cannot capture on {interface}: {reason}")]
    Interface {
        /// The interface.
        interface: String,
        /// What libpcap said.
        reason: String,
    },
    /// The filter cannot be used on an interface.
    #[error(transparent)]
    Filter(#[from] super::bpf::BpfError),
    /// The interfaces cannot be listed.
    #[error("cannot list the interfaces: {reason}")]
    Devices {
        /// What libpcap said.
        reason: String,
    },
    /// What waiting for frames needs cannot be had.
    #[error("cannot wait for frames: {source}")]
    Wait {
        /// What the operating system said.
        source: io::Error,
    },
}
