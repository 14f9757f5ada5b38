//! One request to a collector, and what its answer asks for (OTLP, section OTLP/HTTP response).

use std::io;
use std::net::SocketAddr;
use std::time::{Duration, SystemTime};

use ureq::http::{HeaderMap, StatusCode, header};
use ureq::{Agent, Body};
use weir::export::otlp::{Rejected, rejected};
use weir::limits::{OTLP_ANSWER_BYTES_MAX, OTLP_CONNECT_WAIT};

use super::endpoint::Endpoint;

/// The collector, and the way to it.
pub(super) struct Collector {
    agent: Agent,
    endpoint: Endpoint,
    addresses: Vec<SocketAddr>,
    /// Which of the addresses is asked.
    at: usize,
}

/// What came of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Answer {
    /// It was taken, but for what was rejected.
    Taken(Rejected),
    /// It is not wanted: sending it again changes nothing.
    Refused(String),
    /// It may be wanted later.
    Failed(Failure),
}

/// Why a request may be wanted later.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Failure {
    pub(super) why: String,
    pub(super) kind: FailureKind,
}

/// What a failure asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum FailureKind {
    /// The collector is busy, and may have said until when.
    Busy(Option<Duration>),
    /// The connection ended before there was an answer.
    CutOff,
    /// There is nobody.
    Unreachable,
    /// There was no answer in time. The spans may have been taken: they are not sent again.
    Silent,
}

impl Collector {
    /// Speaks to the first of `addresses` that answers. Nothing is looked up any more: behind the
    /// fence there is no resolver.
    pub(super) fn new(endpoint: Endpoint, addresses: Vec<SocketAddr>) -> Self {
        let config = Agent::config_builder()
            .http_status_as_error(false)
            .max_redirects(0)
            .proxy(None)
            .timeout_connect(Some(OTLP_CONNECT_WAIT))
            .user_agent(concat!("weir/", env!("CARGO_PKG_VERSION")));
        Self { agent: config.build().into(), endpoint, addresses, at: 0 }
    }

    /// The URL of traces, as the user wrote it.
    pub(super) fn url(&self) -> String {
        self.endpoint.url()
    }

    /// Sends a request; there is an answer within `patience`, for each address that is not there.
    pub(super) fn send(&mut self, request: &[u8], patience: Duration) -> Answer {
        let mut answer = self.ask(request, patience);
        for _ in 1..self.addresses.len() {
            let Answer::Failed(Failure { kind: FailureKind::Unreachable, .. }) = answer else {
                break;
            };
            self.at += 1;
            answer = self.ask(request, patience);
        }
        answer
    }

    fn ask(&self, request: &[u8], patience: Duration) -> Answer {
        let address = self.addresses.get(self.at % self.addresses.len().max(1));
        let Some(address) = address else { return failed(FailureKind::Unreachable, "no address") };
        let asked = self
            .agent
            .post(format!("http://{address}{}", self.endpoint.path))
            .config()
            .timeout_global(Some(patience))
            .build()
            .header(header::HOST, &self.endpoint.authority)
            .content_type("application/x-protobuf")
            .send(request);
        match asked {
            Ok(response) => read(response),
            Err(error) => failure(&error),
        }
    }
}

fn failed(kind: FailureKind, why: impl Into<String>) -> Answer {
    Answer::Failed(Failure { why: why.into(), kind })
}

fn failure(error: &ureq::Error) -> Answer {
    use io::ErrorKind::{
        AddrNotAvailable, ConnectionRefused, HostUnreachable, NetworkUnreachable, PermissionDenied,
        TimedOut,
    };
    let why = error.to_string();
    match error {
        ureq::Error::Timeout(ureq::Timeout::Connect | ureq::Timeout::Resolve)
        | ureq::Error::HostNotFound
        | ureq::Error::ConnectionFailed => failed(FailureKind::Unreachable, why),
        ureq::Error::Timeout(_) => failed(FailureKind::Silent, "no answer in time"),
        ureq::Error::Io(error) => {
            let is_there = !matches!(
                error.kind(),
                AddrNotAvailable
                    | ConnectionRefused
                    | HostUnreachable
                    | NetworkUnreachable
                    | PermissionDenied
                    | TimedOut
            );
            let kind = if is_there { FailureKind::CutOff } else { FailureKind::Unreachable };
            failed(kind, error.to_string())
        }
        _ => Answer::Refused(why),
    }
}

fn read(response: ureq::http::Response<Body>) -> Answer {
    let (parts, mut body) = response.into_parts();
    let limit = OTLP_ANSWER_BYTES_MAX as u64;
    let body = body.with_config().limit(limit).read_to_vec().unwrap_or_default();
    if parts.status.is_success() {
        return Answer::Taken(rejected(&body));
    }
    let why = told(parts.status, &parts.headers, &body);
    match parts.status {
        StatusCode::TOO_MANY_REQUESTS
        | StatusCode::BAD_GATEWAY
        | StatusCode::SERVICE_UNAVAILABLE
        | StatusCode::GATEWAY_TIMEOUT => {
            failed(FailureKind::Busy(retry_after(&parts.headers)), why)
        }
        _ => Answer::Refused(why),
    }
}

/// The status, and the beginning of what is text behind it.
fn told(status: StatusCode, headers: &HeaderMap, body: &[u8]) -> String {
    let kind = headers.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok());
    let is_text = kind.is_some_and(|kind| kind.starts_with("text/plain") || kind.contains("/json"));
    let text = String::from_utf8_lossy(if is_text { body } else { b"" });
    let text: String = text.trim().chars().take(200).collect();
    if text.is_empty() {
        format!("it answered {status}")
    } else {
        format!("it answered {status}: {text}")
    }
}

/// How long to wait, in seconds or until a date (RFC 9110 section 10.2.3).
#[expect(clippy::disallowed_methods, reason = "a collector's date is on the wall")]
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let value = headers.get(header::RETRY_AFTER)?.to_str().ok()?.trim();
    if let Ok(seconds) = value.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let date = SystemTime::from(jiff::fmt::rfc2822::parse(value).ok()?.timestamp());
    Some(date.duration_since(SystemTime::now()).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wait_is_read_in_both_forms() {
        let wait = |value: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(header::RETRY_AFTER, value.parse().expect("a value"));
            retry_after(&headers)
        };
        assert_eq!(wait("7"), Some(Duration::from_secs(7)));
        assert_eq!(wait("Sun, 06 Nov 1994 08:49:37 GMT"), Some(Duration::ZERO));
        assert!(
            wait("Fri, 06 Nov 2076 08:49:37 GMT").is_some_and(|wait| wait > Duration::from_secs(1))
        );
        assert_eq!(wait("soon"), None);
    }
}
