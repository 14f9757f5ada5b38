//! Where a collector is: `http://HOST:PORT`, and below it the path of traces.

use std::net::{SocketAddr, ToSocketAddrs as _};

use anyhow::{Context as _, Result, bail};
use weir::limits::OTLP_ADDRESSES_MAX;

use crate::exit::UsageError;

/// The path of traces below a collector's address (OTLP, section OTLP/HTTP request).
const TRACES: &str = "/v1/traces";

/// A collector's address as it was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Endpoint {
    /// Host and port, as the Host field has them.
    pub(super) authority: String,
    /// The path of traces.
    pub(super) path: String,
}

impl Endpoint {
    /// Reads a URL.
    pub(super) fn read(url: &str) -> Result<Self> {
        let usage = |why: &str| UsageError(format!("--otlp {url}: {why}"));
        if url.get(..8).is_some_and(|scheme| scheme.eq_ignore_ascii_case("https://")) {
            let why = "weir speaks plain HTTP only: send to a collector on this host or network \
                       (http://localhost:4318), which speaks TLS to others";
            return Err(usage(why).into());
        }
        let form = || usage("expected http://HOST:PORT, as in http://localhost:4318");
        let scheme = url.get(..7).filter(|scheme| scheme.eq_ignore_ascii_case("http://"));
        let rest = scheme.and_then(|_| url.get(7..)).ok_or_else(form)?;
        let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
        let (host, port) = authority.rsplit_once(':').ok_or_else(form)?;
        let is_plain = |byte: u8| byte.is_ascii_graphic() && !b"@?#\\\"<>".contains(&byte);
        let is_port = port.parse::<u16>().is_ok_and(|port| port > 0);
        let is_bare_v6 = host.contains(':') && !host.starts_with('[');
        if host.is_empty() || !is_port || is_bare_v6 || !rest.bytes().all(is_plain) {
            return Err(form().into());
        }
        let path = path.trim_end_matches('/');
        let path = if path.ends_with(TRACES) { path.to_owned() } else { format!("{path}{TRACES}") };
        Ok(Self { authority: authority.to_owned(), path })
    }

    /// The URL of traces.
    pub(super) fn url(&self) -> String {
        format!("http://{}{}", self.authority, self.path)
    }

    /// The collector's addresses, in the order in which they are tried.
    pub(super) fn resolve(&self) -> Result<Vec<SocketAddr>> {
        let found = self.authority.to_socket_addrs();
        let found = found.with_context(|| format!("cannot find the collector {}", self.authority));
        let found: Vec<SocketAddr> = found?.take(OTLP_ADDRESSES_MAX).collect();
        if found.is_empty() {
            bail!("cannot find the collector {}: its name has no address", self.authority);
        }
        Ok(found)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn traces_go_below_the_address() {
        let check = |url: &str, expected: &str| {
            assert_eq!(Endpoint::read(url).expect(url).url(), expected);
        };
        check("http://localhost:4318", "http://localhost:4318/v1/traces");
        check("HTTP://[::1]:4318/", "http://[::1]:4318/v1/traces");
        check("http://a.test:80/otlp", "http://a.test:80/otlp/v1/traces");
        check("http://a.test:80/otlp/v1/traces", "http://a.test:80/otlp/v1/traces");
    }

    #[test]
    fn what_is_no_address_says_what_would_be() {
        for url in [
            "localhost:4318",
            "http://localhost",
            "http://:4318",
            "http://a:0",
            "http://a:99999",
            "http://::1:4318",
            "http://u:p@a:1",
            "http://a:1?x",
            "http://a b:1",
            "grpc://a:4317",
            "",
        ] {
            let error = Endpoint::read(url).expect_err(url);
            assert!(error.is::<UsageError>() && error.to_string().contains("HOST:PORT"), "{error}");
        }
        let error = Endpoint::read("https://a:4318").expect_err("no TLS");
        assert!(error.to_string().contains("plain HTTP only"), "{error}");
    }
}
