//! In builds without the feature: says how to get it. Nothing of this is ever made.

use std::sync::Arc;

use anyhow::Result;
use weir::exchange::Exchange;
use weir::pipeline::Watch;

use crate::args::CaptureArgs;
use crate::exit::UsageError;
use crate::otlp::{Account, Counts, Pace};

pub(crate) enum Plan {}

pub(crate) enum Exporter {}

pub(crate) enum Tap {}

impl Plan {
    pub(crate) fn make(args: &CaptureArgs) -> Result<Option<Self>> {
        if args.otlp.is_none() {
            return Ok(None);
        }
        let text = "this build sends no spans: `cargo install weir --features otlp` gives one that \
                    does; --json and --metrics are in every build";
        Err(UsageError(text.into()).into())
    }

    pub(crate) fn ports(&self) -> Vec<u16> {
        match *self {}
    }

    pub(crate) fn start(self, _: Pace, _: &Arc<Watch>) -> Result<Exporter> {
        match self {}
    }
}

impl Exporter {
    pub(crate) fn tap(&self) -> Tap {
        match *self {}
    }

    pub(crate) fn counts(&self) -> &Arc<Counts> {
        match *self {}
    }

    pub(crate) fn finish(self) -> Account {
        match self {}
    }
}

impl Tap {
    pub(crate) fn take(&self, _: &Exchange) {
        match *self {}
    }
}
