//! The threads: a dispatcher that reads and decodes, workers that each own some of the flows, and
//! what they give their exchanges to.
//!
//! With one worker everything runs on the calling thread and no channel is made. With more, the
//! dispatcher copies packets into batches, each for the worker that owns the flow's shard; which
//! shard a flow belongs to, and when idle flows are looked for, does not depend on the number of
//! workers, so neither do the exchanges.

mod batch;
mod dispatcher;
mod ports;
mod recorder;
mod reduction;
mod run;
mod service;
mod shelf;
mod threads;
mod worker;

pub use ports::{Ports, PortsError};
pub use recorder::{BlockOutput, Recorded, Recorder, Recording};
pub use reduction::Reduction;
pub use run::{FrameFilter, Options, Outcome, Output, PipelineError, Watch, run};
pub use service::{RecorderNotice, Service};
pub use shelf::Keep;
