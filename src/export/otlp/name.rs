//! The names of spans: few enough for the index that backends keep of them.

use std::collections::HashSet;

use super::ServerSpan;
use crate::limits::OTLP_NAMES_MAX;

/// The names that a run has given to spans so far.
#[derive(Debug, Default)]
pub struct Names {
    known: HashSet<String>,
}

/// Whether a span could keep its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Naming {
    /// It did.
    Kept,
    /// There were too many: it is named by its method alone, and has no `http.route`.
    Shortened,
}

impl Names {
    /// Sees to it that `span` has one of the first [`OTLP_NAMES_MAX`] names, or its method's.
    pub fn admit(&mut self, span: &mut ServerSpan) -> Naming {
        let name = &mut span.span.name;
        if self.known.contains(name.as_str()) {
            return Naming::Kept;
        }
        if self.known.len() < OTLP_NAMES_MAX {
            self.known.insert(name.clone());
            return Naming::Kept;
        }
        span.method.clone_into(name);
        span.span.attributes.retain(|attribute| attribute.key != "http.route");
        Naming::Shortened
    }
}
