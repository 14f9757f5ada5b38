//! `--otlp`: finished exchanges go to an OpenTelemetry collector as spans, beside whatever else is
//! done with them.

#[cfg(not(feature = "otlp"))]
#[path = "absent.rs"]
mod exporter;
#[cfg(feature = "otlp")]
mod exporter;

#[cfg(feature = "otlp")]
mod batches;
#[cfg(feature = "otlp")]
mod collector;
mod counts;
#[cfg(feature = "otlp")]
mod endpoint;

use weir::exchange::Exchange;
use weir::pipeline::Output;
use weir::time::Timestamp;

pub(crate) use counts::{Account, Counts};
pub(crate) use exporter::{Exporter, Plan};

/// What happens when spans are made faster than the collector takes them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Pace {
    /// A file is read no faster.
    File,
    /// An interface waits for nobody: spans are dropped. What goes to the collector itself is
    /// left out, or each request would be a span of the next.
    Interface,
}

/// Shows exchanges to an exporter on their way to an output.
pub(crate) struct Exported<O> {
    output: O,
    tap: Option<exporter::Tap>,
}

impl<O> Exported<O> {
    pub(crate) fn new(output: O, exporter: Option<&Exporter>) -> Self {
        Self { output, tap: exporter.map(Exporter::tap) }
    }

    /// The output; no more is exported.
    pub(crate) fn into_output(self) -> O {
        self.output
    }
}

impl<O: Output> Output for Exported<O> {
    fn exchange(&mut self, exchange: &Exchange) {
        if let Some(tap) = &self.tap {
            tap.take(exchange);
        }
        self.output.exchange(exchange);
    }

    fn tick(&mut self, now: Timestamp) {
        self.output.tick(now);
    }
}
