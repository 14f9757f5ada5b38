//! The fields that a filter can ask about, by name.

use crate::exchange::{Facts, MessageFacts};
use crate::packet::Endpoint;
use crate::segment::Metric;

/// Which message of an exchange.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Side {
    Request,
    Response,
}

impl Side {
    pub(super) const fn of(self, facts: &Facts) -> Option<&MessageFacts> {
        match self {
            Self::Request => facts.request.as_ref(),
            Self::Response => facts.response.as_ref(),
        }
    }
}

/// Which endpoint of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    Client,
    Server,
}

impl Role {
    pub(super) const fn of(self, facts: &Facts) -> Endpoint {
        match self {
            Self::Client => facts.connection.client,
            Self::Server => facts.connection.server,
        }
    }
}

/// A field that holds a number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Number {
    Status,
    Class,
    Index,
    Port(Role),
    BodyBytes(Side),
    HeaderBytes(Side),
    Phase(Metric),
}

impl Number {
    /// The number; `None` where the exchange has none.
    pub(super) fn of(self, facts: &Facts) -> Option<u64> {
        match self {
            Self::Status => Some(u64::from(facts.status)).filter(|&status| status != 0),
            Self::Class => Some(u64::from(facts.class())).filter(|&class| class != 0),
            Self::Index => Some(u64::from(facts.index)),
            Self::Port(role) => Some(u64::from(role.of(facts).port())),
            Self::BodyBytes(side) => side.of(facts).map(|message| message.body_bytes),
            Self::HeaderBytes(side) => {
                side.of(facts).map(|message| u64::from(message.header_bytes))
            }
            Self::Phase(metric) => metric.of(&facts.timing),
        }
    }
}

/// A field that holds text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum TextField {
    Method,
    Route,
    Host,
    Target,
    Path,
    Reason,
    Version(Side),
    /// Every field of that name in one head.
    Header(Side, String),
}

/// What a name in a filter stands for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Field {
    Number(Number),
    Text(TextField),
    Address(Role),
    Start,
    State,
    Framing(Side),
    Anomaly,
    Suspect,
    Id,
}

/// The names that are told to a user who mistyped one; the longer spellings are accepted too.
pub(super) const NAMES: [&str; 32] = [
    "anomaly",
    "blocked",
    "class",
    "client",
    "client.port",
    "connect",
    "host",
    "id",
    "index",
    "method",
    "path",
    "reason",
    "receive",
    "request.bytes",
    "request.framing",
    "request.header.NAME",
    "request.version",
    "response.bytes",
    "response.framing",
    "response.header.NAME",
    "response.version",
    "route",
    "send",
    "server",
    "server.port",
    "start",
    "state",
    "status",
    "suspect",
    "target",
    "total",
    "wait",
];

impl Field {
    /// The field of that name: as in JSON, or shortened where unambiguous.
    pub(super) fn from_name(name: &str) -> Option<Self> {
        if let Some(phase) = phase(name) {
            return Some(Self::Number(Number::Phase(phase)));
        }
        if let Some((side, rest)) = message(name) {
            return Self::of_message(side, rest);
        }
        Some(match name {
            "status" => Self::Number(Number::Status),
            "class" => Self::Number(Number::Class),
            "index" => Self::Number(Number::Index),
            "client.port" => Self::Number(Number::Port(Role::Client)),
            "server.port" => Self::Number(Number::Port(Role::Server)),
            "client" => Self::Address(Role::Client),
            "server" => Self::Address(Role::Server),
            "method" => Self::Text(TextField::Method),
            "route" => Self::Text(TextField::Route),
            "host" => Self::Text(TextField::Host),
            "target" => Self::Text(TextField::Target),
            "path" => Self::Text(TextField::Path),
            "reason" => Self::Text(TextField::Reason),
            "start" => Self::Start,
            "state" => Self::State,
            "anomaly" | "anomalies" => Self::Anomaly,
            "suspect" => Self::Suspect,
            "id" => Self::Id,
            _ => return None,
        })
    }

    /// The field of one message, by what follows `request.` or `response.`.
    fn of_message(side: Side, name: &str) -> Option<Self> {
        if let Some(header) = name.strip_prefix("header.").filter(|header| !header.is_empty()) {
            return Some(Self::Text(TextField::Header(side, header.to_owned())));
        }
        Some(match (side, name) {
            (_, "bytes" | "body_bytes") => Self::Number(Number::BodyBytes(side)),
            (_, "header_bytes") => Self::Number(Number::HeaderBytes(side)),
            (_, "framing") => Self::Framing(side),
            (_, "version") => Self::Text(TextField::Version(side)),
            (Side::Request, "method") => Self::Text(TextField::Method),
            (Side::Request, "target") => Self::Text(TextField::Target),
            (Side::Response, "status") => Self::Number(Number::Status),
            (Side::Response, "reason") => Self::Text(TextField::Reason),
            _ => return None,
        })
    }
}

/// A phase by its name in JSON: `total`, `total_ns`, `timing.total_ns`.
fn phase(name: &str) -> Option<Metric> {
    let name = name.strip_prefix("timing.").unwrap_or(name);
    let name = name.strip_suffix("_ns").unwrap_or(name);
    Metric::ALL.into_iter().find(|metric| metric.name() == name)
}

fn message(name: &str) -> Option<(Side, &str)> {
    let request = name.strip_prefix("request.").map(|rest| (Side::Request, rest));
    request.or_else(|| name.strip_prefix("response.").map(|rest| (Side::Response, rest)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_that_is_told_is_understood() {
        for name in NAMES {
            assert!(Field::from_name(name).is_some(), "{name}");
        }
        for metric in Metric::ALL {
            assert!(Field::from_name(metric.name()).is_some());
        }
        assert!(NAMES.is_sorted());
    }

    #[test]
    fn long_spellings_mean_the_same() {
        for (long, short) in [
            ("timing.total_ns", "total"),
            ("wait_ns", "wait"),
            ("response.status", "status"),
            ("request.body_bytes", "request.bytes"),
            ("anomalies", "anomaly"),
        ] {
            assert_eq!(Field::from_name(long), Field::from_name(short));
        }
        assert_eq!(Field::from_name("request.header."), None);
    }
}
