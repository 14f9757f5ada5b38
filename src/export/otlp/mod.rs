//! Exchanges as OpenTelemetry spans, the requests that carry them to a collector, and its answers
//! (OTLP 1.10 over HTTP in protobuf).

mod attributes;
mod context;
mod name;
mod span;

use std::collections::BTreeMap;

use opentelemetry_proto::tonic::collector::trace::v1::{
    ExportTraceServiceRequest, ExportTraceServiceResponse,
};
use opentelemetry_proto::tonic::common::v1::InstrumentationScope;
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span};
use prost::Message as _;

use crate::exchange::Exchange;
use crate::packet::Endpoint;
use attributes::Attributes;

pub use name::{Names, Naming};

/// One exchange as a span of kind SERVER.
#[derive(Clone, Debug, PartialEq)]
pub struct ServerSpan {
    server: Endpoint,
    /// What the span is called without its route.
    method: &'static str,
    span: Span,
}

impl ServerSpan {
    /// Builds it. What each attribute says is told in `docs/otlp.md`; strings that strangers chose
    /// are cut at [`crate::limits::OTLP_VALUE_BYTES_MAX`].
    #[must_use]
    pub fn of(exchange: &Exchange) -> Self {
        span::of(exchange)
    }

    /// The bytes that it takes in a request.
    #[must_use]
    pub fn encoded_bytes(&self) -> usize {
        self.span.encoded_len()
    }
}

/// Who sends spans, and for whom.
#[derive(Clone, Debug, Default)]
pub struct Origin {
    /// `service.name` of every span; `None`: each server is a service, named by its endpoint.
    pub service: Option<String>,
    /// `host.name`: the host that captures; empty where it has no name.
    pub host: String,
}

impl Origin {
    /// The body of a request that carries `spans`.
    #[must_use]
    pub fn request(&self, spans: Vec<ServerSpan>) -> Vec<u8> {
        let mut services: BTreeMap<String, Vec<Span>> = BTreeMap::new();
        for ServerSpan { server, span, .. } in spans {
            let name = self.service.clone().unwrap_or_else(|| server.to_string());
            services.entry(name).or_default().push(span);
        }
        let resource_spans = services.into_iter().map(|(name, spans)| self.service(&name, spans));
        ExportTraceServiceRequest { resource_spans: resource_spans.collect() }.encode_to_vec()
    }

    fn service(&self, name: &str, spans: Vec<Span>) -> ResourceSpans {
        let mut attributes = Attributes::default();
        attributes.text("service.name", name.as_bytes());
        if !self.host.is_empty() {
            attributes.text("host.name", self.host.as_bytes());
        }
        let scope = InstrumentationScope {
            name: "weir".to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            ..InstrumentationScope::default()
        };
        ResourceSpans {
            resource: Some(Resource { attributes: attributes.0, ..Resource::default() }),
            scope_spans: vec![ScopeSpans { scope: Some(scope), spans, ..ScopeSpans::default() }],
            ..ResourceSpans::default()
        }
    }
}

/// What of a request that was accepted was rejected all the same.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rejected {
    /// How many spans.
    pub spans: u64,
    /// Why, in the collector's words; it may say something without having rejected any.
    pub message: String,
}

/// Reads the body of an answer that says success. One that is no such message rejects nothing:
/// the status has said that the request was accepted.
#[must_use]
pub fn rejected(answer: &[u8]) -> Rejected {
    let answer = ExportTraceServiceResponse::decode(answer).ok();
    let partial = answer.and_then(|answer| answer.partial_success).unwrap_or_default();
    let spans = u64::try_from(partial.rejected_spans).unwrap_or(0);
    Rejected { spans, message: partial.error_message }
}

#[cfg(test)]
mod tests;
