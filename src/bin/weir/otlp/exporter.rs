//! What is to be exported and where to, the queue to the thread that does it, and its end.

use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Instant;

use anyhow::{Context as _, Result};
use crossbeam_channel::{Receiver, Sender, TrySendError, bounded};
use weir::exchange::Exchange;
use weir::export::otlp::{Origin, ServerSpan};
use weir::limits::{OTLP_FLUSH_WAIT, OTLP_QUEUE_SPANS_MAX, OTLP_REQUEST_WAIT};
use weir::packet::Endpoint as Address;
use weir::pipeline::Watch;

use super::Pace;
use super::batches::{Batches, Run};
use super::collector::Collector;
use super::counts::{Account, Counts, add};
use super::endpoint::Endpoint;
use crate::args::CaptureArgs;
use crate::capture::host_name;

/// A collector that was found, before anything is captured.
pub(crate) struct Plan {
    endpoint: Endpoint,
    addresses: Vec<std::net::SocketAddr>,
    origin: Origin,
}

impl Plan {
    /// Looks at what was asked for, and looks the collector's name up: once, for behind the fence
    /// that is no longer possible.
    pub(crate) fn make(args: &CaptureArgs) -> Result<Option<Self>> {
        let Some(url) = &args.otlp else { return Ok(None) };
        let endpoint = Endpoint::read(url)?;
        let addresses = endpoint.resolve()?;
        let origin = Origin { service: args.otlp_service.clone(), host: host_name() };
        Ok(Some(Self { endpoint, addresses, origin }))
    }

    /// The ports that are connected to.
    pub(crate) fn ports(&self) -> Vec<u16> {
        let mut ports: Vec<u16> = self.addresses.iter().map(std::net::SocketAddr::port).collect();
        ports.dedup();
        ports
    }

    /// Starts the thread.
    pub(crate) fn start(self, pace: Pace, watch: &Arc<Watch>) -> Result<Exporter> {
        let own = match pace {
            Pace::File => Vec::new(),
            Pace::Interface => self.addresses.iter().copied().map(address).collect(),
        };
        let counts = Arc::new(Counts::default());
        let (spans, queue) = bounded(OTLP_QUEUE_SPANS_MAX);
        let (end, ending) = bounded(1);
        let (done, is_done) = bounded(1);
        let run = Run::new(pace, ending, watch);
        let collector = Collector::new(self.endpoint, self.addresses);
        let batches = Batches::new(queue, collector, self.origin, &counts, run);
        let thread = std::thread::Builder::new().name("otlp".to_owned());
        let thread = thread.spawn(move || {
            batches.run();
            drop(done);
        });
        let thread = thread.context("cannot start the thread that exports spans")?;
        let tap = Tap { spans, own: own.into(), counts, pace };
        Ok(Exporter { tap, end, is_done, thread })
    }
}

fn address(address: std::net::SocketAddr) -> Address {
    match address.ip() {
        std::net::IpAddr::V4(ip) => Address::v4(ip.octets(), address.port()),
        std::net::IpAddr::V6(ip) => Address::v6(ip.octets(), address.port()),
    }
}

/// The thread that exports, and the way to it.
pub(crate) struct Exporter {
    tap: Tap,
    end: Sender<Instant>,
    is_done: Receiver<()>,
    thread: JoinHandle<()>,
}

impl Exporter {
    /// A way to it for one worker.
    pub(crate) fn tap(&self) -> Tap {
        self.tap.clone()
    }

    pub(crate) const fn counts(&self) -> &Arc<Counts> {
        &self.tap.counts
    }

    /// Sends what is still to be sent, within a bound of time, and says what it came to. Every
    /// other tap must be gone.
    pub(crate) fn finish(self) -> Account {
        let Self { tap: Tap { spans, counts, .. }, end, is_done, thread } = self;
        drop(spans);
        let _ = end.send(super::batches::clock() + OTLP_FLUSH_WAIT);
        // A request that was under way before has its own bound.
        let patience = OTLP_FLUSH_WAIT.max(OTLP_REQUEST_WAIT) + OTLP_REQUEST_WAIT / 10;
        if is_done.recv_timeout(patience) == Err(crossbeam_channel::RecvTimeoutError::Disconnected)
            && thread.join().is_err()
        {
            crate::exit::complain("otlp: the exporter panicked: this is a defect of weir");
        }
        counts.account().closed()
    }
}

/// A way to the exporter.
#[derive(Clone)]
pub(crate) struct Tap {
    spans: Sender<ServerSpan>,
    /// Where the collector is, if what goes there is left out.
    own: Arc<[Address]>,
    counts: Arc<Counts>,
    pace: Pace,
}

impl Tap {
    /// Exports one more.
    pub(crate) fn take(&self, exchange: &Exchange) {
        if self.own.contains(&exchange.facts.connection.server) {
            add(&self.counts.own, 1);
            return;
        }
        add(&self.counts.offered, 1);
        let is_gone = match self.pace {
            Pace::File => self.spans.send(ServerSpan::of(exchange)).is_err(),
            // What has no room is not worth building.
            Pace::Interface => {
                self.spans.is_full()
                    || matches!(
                        self.spans.try_send(ServerSpan::of(exchange)),
                        Err(TrySendError::Full(_) | TrySendError::Disconnected(_))
                    )
            }
        };
        if is_gone {
            add(&self.counts.dropped, 1);
        }
    }
}
