//! The desk of a worker: where its conversations take exchanges from, and where they hand them on.

use crate::anomaly::Anomaly;
use crate::exchange::pending::Pending;
use crate::exchange::{Exchange, Policy, State};
use crate::flow::{FlowKey, Peer};
use crate::ledger::Ledger;
use crate::tcp::Path;
use crate::time::Timestamp;

/// What the conversations of a worker share.
pub struct Desk<'d> {
    /// What is kept.
    pub policy: &'d Policy,
    /// Exchanges for reuse.
    pub pool: &'d mut Vec<Box<Pending>>,
    /// The account.
    pub ledger: &'d mut Ledger,
    /// Takes every exchange as it is over.
    pub emit: &'d mut dyn FnMut(&Exchange),
}

/// Exchanges that a worker keeps for reuse.
const POOL_MAX: usize = 256;

/// What stands around a book: where exchanges come from and go to, and its connection.
pub(super) struct Around<'a, 'd> {
    pub(super) desk: &'a mut Desk<'d>,
    pub(super) key: &'a FlowKey,
    pub(super) client: Peer,
    pub(super) opened_at: Timestamp,
    pub(super) connect_ns: Option<u64>,
    pub(super) is_one_sided: bool,
    pub(super) is_mid_stream: bool,
    pub(super) path: &'a Path,
}

impl Desk<'_> {
    /// Counts an exchange that is over, hands it on, and keeps it for reuse.
    #[inline]
    pub(super) fn hand_on(&mut self, mut exchange: Box<Pending>) {
        let exchanges = &mut self.ledger.exchanges;
        exchanges.total += 1;
        *match exchange.facts().state {
            State::Complete => &mut exchanges.complete,
            State::Truncated => &mut exchanges.truncated,
            State::Unanswered => &mut exchanges.unanswered,
            State::Open => &mut exchanges.open,
            State::Orphan => &mut exchanges.orphan,
        } += 1;
        (self.emit)(exchange.exchange());
        if self.pool.len() < POOL_MAX {
            exchange.trim();
            self.pool.push(exchange);
        }
    }
}

impl Around<'_, '_> {
    /// Opens the exchange number `index` of the connection.
    #[inline]
    pub(super) fn open(&mut self, index: u32) -> Box<Pending> {
        let mut exchange = self.desk.pool.pop().unwrap_or_else(allocate);
        let connection = exchange.begin(index);
        connection.client = self.key.endpoint(self.client);
        connection.server = self.key.endpoint(self.client.other());
        connection.opened_at = self.opened_at;
        exchange.depart(self.path);
        if index == 0 && self.is_mid_stream {
            exchange.note(Anomaly::MidStream);
        }
        exchange
    }
}

/// Apart from where exchanges serve again, as nearly all do.
#[cold]
#[inline(never)]
fn allocate() -> Box<Pending> {
    Box::default()
}
