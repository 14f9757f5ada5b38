//! The columns before the request of a line as nearly all are: each as wide as it usually is.

use crate::exchange::{Facts, Identities};
use crate::packet::Endpoint;
use crate::query::Metric;
use crate::report::units;
use crate::time::Clock;

/// Columns of a time, and of an address of IPv4 as short as most.
pub(super) const TIME_COLUMNS: usize = 8;
pub(super) const ADDRESS_COLUMNS: usize = 12;

/// Columns of the longest IPv4 address and the blank behind it.
const ADDRESS_COLUMNS_MAX: usize = 16;

/// Where the columns of the address begin, and where they end at the latest.
const ADDRESS_AT: usize = 41;
const END: usize = ADDRESS_AT + ADDRESS_COLUMNS_MAX;

/// What lines often have in common with those before them.
#[derive(Clone, Debug, Default)]
pub(super) struct Memory {
    /// The time of the line before.
    clock: Clock,
    client: Option<Client>,
    identities: Identities,
}

/// A client with an IPv4 address, and how that is written.
#[derive(Clone, Copy, Debug)]
struct Client {
    /// The address as two words.
    address: (u64, u64),
    text: [u8; ADDRESS_COLUMNS_MAX],
    /// Columns of the text, the blank behind it included.
    columns: usize,
}

impl Client {
    /// `None` where the address is not of IPv4.
    fn new(endpoint: Endpoint) -> Option<Self> {
        let std::net::IpAddr::V4(address) = endpoint.ip() else { return None };
        let mut text = [b' '; ADDRESS_COLUMNS_MAX];
        let written = address.to_string();
        text.get_mut(..written.len())?.copy_from_slice(written.as_bytes());
        let columns = written.len().max(ADDRESS_COLUMNS) + 1;
        Some(Self { address: endpoint.words(), text, columns })
    }
}

impl Memory {
    /// The client, as it was written last where it is the same again.
    #[inline]
    fn client(&mut self, endpoint: Endpoint) -> Option<&Client> {
        let is_known = self.client.is_some_and(|client| client.address == endpoint.words());
        if !is_known {
            self.client = Client::new(endpoint);
        }
        self.client.as_ref()
    }
}

/// Appends the columns before the request; without effect, and `false`, where one of them is not as
/// wide as it usually is.
pub(super) fn push(facts: &Facts, metric: Metric, memory: &mut Memory, out: &mut Vec<u8>) -> bool {
    let Some(ns) = metric.of(&facts.timing) else { return false };
    if !(100..1000).contains(&facts.status) {
        return false;
    }
    let Some(&Client { text: address, columns, .. }) = memory.client(facts.connection.client)
    else {
        return false;
    };
    let letters = memory.identities.first_letters(&facts.connection, facts.index);
    let [_, _, _, _, _, when @ ..] = memory.clock.milliseconds(facts.start);
    let begin = out.len();
    out.extend_from_slice(&[b' '; END]);
    let Some(line) = out.last_chunk_mut::<END>() else { return false };
    line[..18].copy_from_slice(&when);
    line[5] = b' ';
    line[19..27].copy_from_slice(&letters);
    line[28..31].copy_from_slice(&units::digits(facts.status.into()));
    line[ADDRESS_AT..].copy_from_slice(&address);
    let has_room = line[32..].first_chunk_mut().is_some_and(|time| units::fill_column(ns, time));
    out.truncate(if has_room { begin + ADDRESS_AT + columns } else { begin });
    has_room
}
