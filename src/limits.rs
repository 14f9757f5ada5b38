//! Every bound: what is bounded, by how much, and why. Reaching one is counted and visible.

use std::time::Duration;

/// Largest frame taken from a file or interface, in bytes. BIG TCP frames pass 64 KiB; libpcap's
/// own ceiling is 256 KiB.
pub const FRAME_BYTES_MAX: usize = 262_144;

/// How many wrappings (tags, tunnels, inner IP headers) of one frame are opened. Real stacks
/// have at most six or seven; a crafted one must not loop.
pub const ENCAPSULATIONS_MAX: usize = 16;

/// IP datagrams whose fragments are awaited at once; the oldest gives way.
pub const FRAGMENTED_DATAGRAMS_MAX: usize = 256;

/// Bytes of fragments held for all datagrams together.
pub const FRAGMENT_BYTES_MAX: usize = 4 << 20;

/// How long fragments wait for their datagram, in nanoseconds (RFC 791 suggests 15 to 60 s).
pub const FRAGMENT_WAIT_NS: u64 = 30_000_000_000;

/// Logical shards of the flow table. A worker owns every n-th shard, so that bounds are reached
/// at the same packet whatever the number of workers.
pub const SHARDS: usize = 16;

/// Flows in the table, all shards together; the longest idle one is evicted for a new one.
pub const FLOWS_MAX: usize = 1 << 18;

/// A flow without a packet for this long is expired, in nanoseconds: longer than any server's
/// answer that somebody still waits for.
pub const FLOW_IDLE_NS: u64 = 3_600_000_000_000;

/// A closed flow is remembered this long for its stragglers, in nanoseconds: copies of its last
/// packets.
pub const CLOSED_FLOW_NS: u64 = 5_000_000_000;

/// Out-of-order bytes held for one direction of a flow. Covers the largest window that a path of
/// 1 Gbit/s and 30 ms needs; beyond it the gap is declared.
pub const HELD_BYTES_MAX: usize = 2 << 20;

/// Out-of-order bytes held by one shard (all shards together: [`SHARDS`] times this).
pub const HELD_BYTES_SHARD_MAX: usize = 2 << 20;

/// Packets held out of order for one direction of a flow.
pub const HELD_PACKETS_MAX: usize = 4096;

/// Longest head (start line and fields), in bytes. Servers stop at 8 to 64 KiB, some at 256.
pub const HEAD_BYTES_MAX: usize = 262_144;

/// Most header fields of one head that are looked at.
pub const HEADER_FIELDS_MAX: usize = 4096;

/// Longest chunk-size line with its extensions (RFC 9112 section 7.1.1), in bytes.
pub const CHUNK_LINE_BYTES_MAX: usize = 16_384;

/// Longest trailer section, in bytes.
pub const TRAILER_BYTES_MAX: usize = 65_536;

/// Requests of one flow that wait for their responses; beyond it the oldest is given up.
pub const PENDING_REQUESTS_MAX: usize = 1024;

/// Interim responses listed on one exchange; further ones are counted in the anomaly only.
pub const INTERIM_RESPONSES_MAX: usize = 64;

/// Longest route, in bytes; a longer one is cut and ends in `{...}`.
pub const ROUTE_BYTES_MAX: usize = 256;

/// Groups (server, method, route, status class) of one summary; the rest is `{other}`.
pub const GROUPS_MAX: usize = 1000;

/// Exchanges of one block at most.
pub const BLOCK_EXCHANGES_MAX: usize = 16_384;

/// Raw bytes of one block's heads, or bodies, at which the block is closed.
pub const BLOCK_BYTES: usize = 1 << 20;

/// Largest raw part of a block that a reader accepts: one body kept whole may exceed
/// [`BLOCK_BYTES`], nothing may exceed this.
pub const PART_BYTES_MAX: usize = 1 << 30;

/// Most bytes of one body that are kept, whatever `--bodies` says.
pub const BODY_KEPT_BYTES_MAX: usize = 64 << 20;

/// Most bytes that a content-coded body is decoded to for showing or exporting.
pub const DECODED_BODY_BYTES_MAX: usize = 16 << 20;

/// Most content codings undone on one body (RFC 9110 section 8.4 allows a list).
pub const CONTENT_CODINGS_MAX: usize = 3;

/// How long a stream waits for bytes that its receiver has acknowledged before they count as a
/// gap, in nanoseconds: hosts of several cores deliver directions out of order by tens of
/// microseconds, taps by a few milliseconds.
pub const GAP_WAIT_NS: u64 = 20_000_000;

/// How many packets of the connection may pass in that time before the gap is declared anyway.
pub const GAP_WAIT_PACKETS: u32 = 64;

/// How long missing bytes are awaited where the receiver's acknowledgments are not captured, or
/// do not come, in nanoseconds: past several retransmission timeouts (RFC 6298 begins at 1 s).
pub const RETRANSMISSION_WAIT_NS: u64 = 10_000_000_000;

/// A packet this many bytes behind its stream is no retransmission but another connection's:
/// beyond the windows that are in use.
pub const STRAY_BEHIND_BYTES: i64 = 1 << 26;

/// A packet this many bytes ahead of its stream is outside the largest window (RFC 7323).
pub const STRAY_AHEAD_BYTES: i64 = 1 << 30;

/// So many stray packets in a row mean that the endpoints were reused unseen.
pub const STRAYS_MAX: u8 = 3;

/// Closed flows that are remembered in one shard; the oldest of a few is forgotten for a new one.
pub const CLOSED_FLOWS_SHARD_MAX: usize = 1024;

/// Flows that are over and kept by a worker for reuse.
pub const SPARE_FLOWS_MAX: usize = 64;

/// Longest frame on the wire that is believed, in bytes: twice the largest BIG TCP frame that
/// Linux builds (512 KiB). A capture that claims more of a frame must not move a stream by it.
pub const WIRE_BYTES_MAX: usize = 1 << 20;

/// Largest pcapng block that is read, in bytes; other readers stop there too.
pub const CAPTURE_BLOCK_BYTES_MAX: usize = 16 << 20;

/// Interfaces described in one section of a pcapng file.
pub const CAPTURE_INTERFACES_MAX: usize = 16_384;

/// Bytes of a stream (pipe, compressed file) read ahead at once; the buffer grows beyond only
/// for a record or block that needs it.
pub const READ_AHEAD_BYTES: usize = 128 << 10;

/// A fragment of a datagram completed less than this ago is a copy of one of its fragments, in
/// nanoseconds: far less than identifiers of one pair of hosts take to come round again.
pub const FRAGMENT_COPY_NS: u64 = 1_000_000_000;
/// Longest method at a message boundary, in bytes; the longest registered one has 17.
pub const METHOD_TOKEN_BYTES_MAX: usize = 255;

/// Bytes of a head beyond [`HEAD_BYTES_MAX`] that are skipped before its end is given up.
pub const HEAD_SKIPPED_BYTES_MAX: u64 = 1 << 20;

/// Longest method of a request that is found by searching, in bytes: short enough that text is
/// seldom taken for one.
pub const SEARCHED_METHOD_BYTES_MAX: usize = 32;

/// How far before its version the request line of a request found by searching may begin, in
/// bytes: what most servers accept.
pub const SEARCHED_LINE_BYTES_MAX: usize = 8192;
/// How deep the parentheses and negations of a filter may nest: reading one recurses.
pub const FILTER_DEPTH_MAX: usize = 64;

/// Longest method that a group keeps, in bytes; a longer one is cut. Registered ones end at 17.
pub const METHOD_BYTES_MAX: usize = 32;

/// Blocks that a sorted listing keeps unpacked at once; the one used longest ago gives way.
pub const LISTED_BLOCKS_MAX: usize = 64;

/// Exchanges that are told where the beginning of an id stands for several.
pub const ID_CANDIDATES_MAX: usize = 20;

/// Frames that a source lends in one reading: between two of them a run can be stopped and its
/// progress is told.
pub const READ_FRAMES: usize = 1024;

/// How long an interface that was lost is waited for before the first attempt to open it again;
/// twice as long before each further one, up to [`REOPEN_WAIT_MAX`].
pub const REOPEN_WAIT_MIN: Duration = Duration::from_millis(100);

/// Longest wait between two attempts: some seconds of traffic lost at most when it returns.
pub const REOPEN_WAIT_MAX: Duration = Duration::from_secs(2);

/// Connections that a probe of an interface tells apart; further ones are not looked at.
pub const PROBED_FLOWS_MAX: usize = 1 << 16;
/// Exchanges whose packets are exported at once: their times are held while captures are read a
/// second time.
pub const PACKET_EXPORT_EXCHANGES_MAX: usize = 1 << 20;

/// Frames that stand for the bytes of one body that was not kept, in an export of packets made
/// from segments; beyond them the body ends early, and its frame says so.
pub const UNKEPT_BODY_FRAMES_MAX: usize = 4096;

/// Exchanges of one Parquet row group: what engines read as one unit of work.
pub const PARQUET_ROWS_MAX: usize = 1 << 17;

/// Bytes of text gathered for one Parquet row group before it is written all the same.
pub const PARQUET_TEXT_BYTES_MAX: usize = 64 << 20;

/// Parquet files open at once: one for each date and host. The one opened first is ended for a
/// new one, and a later row of its date and host begins another file.
pub const PARQUET_FILES_MAX: usize = 8;
/// How deep the arrays and objects of a JSON body that is compared may nest: reading recurses.
pub const JSON_DEPTH_MAX: usize = 64;

/// Values of one JSON body that are compared; the rest of a longer one is left out.
pub const VALUES_BODY_MAX: usize = 4096;

/// Values that a comparison keeps of the first capture's answers, for each way of matching them;
/// requests beyond it are not compared, which is told. 24 bytes each, some 100 MB.
pub const VALUES_KEPT_MAX: usize = 1 << 22;

/// Places in JSON bodies (array positions counted apart) that a comparison tells apart; values
/// elsewhere are left out.
pub const VALUE_PATHS_MAX: usize = 1 << 17;

/// Longest name of a place in JSON bodies, in bytes; a longer one is cut.
pub const VALUE_PATH_BYTES_MAX: usize = 200;

/// Connections of which a comparison remembers what they changed on the server; twice as many for
/// a while.
pub const CONNECTIONS_FOLLOWED_MAX: usize = 1 << 17;

/// Longest line of an access log, in bytes; a longer one is skipped. Servers cut theirs before.
pub const LOG_LINE_BYTES_MAX: usize = 1 << 20;

/// Longest entry of an HTTP archive, in bytes; a longer one is skipped. Bodies make them long.
pub const ARCHIVE_ENTRY_BYTES_MAX: usize = 256 << 20;
/// Room on a disk that was full before segments are written again, in bytes: enough for a new
/// segment, so that writing does not stop and go on every second.
pub const RESUME_ROOM_BYTES: u64 = 3 << 20;

/// Groups (server, method, route, status class) of `--metrics`; the rest is `{other}`.
pub const METRIC_GROUPS_MAX: usize = 500;

/// Bytes of a request for `--metrics` that are read before it is refused.
pub const METRICS_REQUEST_BYTES_MAX: usize = 8192;
/// Bytes that were missing for less than this were overtaken by others, not lost and sent again,
/// in nanoseconds: less than any retransmission timer, more than queues of one path differ.
pub const OVERTAKING_NS: u64 = 3_000_000;

/// The latest bytes of a side, captured again within less than this, are another copy of their
/// frame and were not sent again, in nanoseconds: shorter than any retransmission timer. Of use
/// only where packets have no identification that tells them apart.
pub const COPIED_FRAME_NS: u64 = 1_000_000;

/// Most rows of time in one answer (`--every`); more would be no answer but another capture.
pub const INTERVALS_MAX: usize = 10_000;

/// Bytes of unfinished heads and of requests that wait, held by one shard; the flow that passes
/// it is given up as far as it came, and is read again from its next plausible head.
pub const HEADS_SHARD_BYTES_MAX: usize = 4 << 20;

/// Spans on their way to a collector (`--otlp`): some three kilobytes each, ten where everything
/// in them is long. Beyond it those of interfaces are dropped, and files are read no faster.
pub const OTLP_QUEUE_SPANS_MAX: usize = 4096;

/// Spans of one request to a collector: as many as OpenTelemetry's own exporters send.
pub const OTLP_BATCH_SPANS_MAX: usize = 512;

/// Bytes of spans after which a request is sent as it is: far below what collectors accept.
pub const OTLP_BATCH_BYTES_MAX: usize = 2 << 20;

/// How long the first span of a request waits for company.
pub const OTLP_BATCH_WAIT: Duration = Duration::from_secs(1);

/// Longest value of a span's attribute, in bytes; a longer one is cut and ends in `{...}`.
pub const OTLP_VALUE_BYTES_MAX: usize = 2048;

/// Names of spans (method and route) of one run: backends keep an index of them. Further spans
/// are named by their method alone, which is said once.
pub const OTLP_NAMES_MAX: usize = 1000;

/// Addresses of a collector's name that are tried.
pub const OTLP_ADDRESSES_MAX: usize = 8;

/// How long a connection to a collector may take.
pub const OTLP_CONNECT_WAIT: Duration = Duration::from_secs(3);

/// How long a request to a collector may take, connecting included: OpenTelemetry's default.
pub const OTLP_REQUEST_WAIT: Duration = Duration::from_secs(10);

/// How long is waited before a request is sent again; twice as long before each further time.
pub const OTLP_RETRY_WAIT_MIN: Duration = Duration::from_secs(1);

/// How long one request is tried again before its spans are dropped.
pub const OTLP_RETRY_SPAN: Duration = Duration::from_secs(30);

/// How long a collector that failed so long is left alone; twice as long when it fails again, up
/// to [`OTLP_REST_MAX`]. What comes meanwhile is dropped.
pub const OTLP_REST_MIN: Duration = Duration::from_secs(5);

/// Longest time that a collector is left alone, whatever its Retry-After says.
pub const OTLP_REST_MAX: Duration = Duration::from_secs(60);

/// How long the end of a capture waits for what is still to be sent.
pub const OTLP_FLUSH_WAIT: Duration = Duration::from_secs(10);

/// Bytes of a collector's answer that are read.
pub const OTLP_ANSWER_BYTES_MAX: usize = 64 << 10;
/// Threads that read segments for one answer; each has groups of its own, which are merged.
pub const QUERY_THREADS_MAX: usize = 8;

/// How far the clocks of two hosts may be apart for their captures to be compared, in
/// nanoseconds: what keeps time at all is closer, and endpoints are not used again so soon.
pub const CLOCKS_APART_NS_MAX: u64 = 10_000_000_000;

/// Exchanges that are held at once while copies from other captures are looked for, some 130
/// bytes each; those beyond it are not compared, which is told.
pub const COMPARED_EXCHANGES_MAX: usize = 1 << 20;

/// Exchanges that are compared at a time, where a stretch of time has more: clocks drift.
pub const COMPARED_AT_ONCE: usize = 1 << 17;

/// Buffers of lines on their way to standard output, some 64 KiB each: a second of a busy interface
/// for a reader that rests, beyond which the capture waits for it.
pub const PRINTED_BUFFERS_MAX: usize = 128;
