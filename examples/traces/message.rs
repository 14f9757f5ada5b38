//! Requests and responses, with the number of their body bytes.

use std::io::Write as _;

use crate::noise::Noise;

/// What kind of service is spoken to.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Shape {
    Api,
    Churn,
    Mixed,
    Bulk,
}

/// A message as it is sent.
pub(crate) struct Message {
    pub(crate) bytes: Vec<u8>,
    /// Of the body, without the framing of chunks.
    pub(crate) body_bytes: u64,
}

pub(crate) struct Exchange {
    pub(crate) request: Message,
    pub(crate) response: Message,
}

/// Bytes of one download of `bulk`.
const DOWNLOAD_BYTES: u64 = 20_000_000;

/// The exchange with this number.
pub(crate) fn exchange(shape: Shape, number: u64, noise: &mut Noise) -> Exchange {
    match shape {
        Shape::Api | Shape::Churn => api(shape == Shape::Churn, noise),
        Shape::Mixed => mixed(number, noise),
        Shape::Bulk => Exchange {
            request: request("GET", &format!("/files/{number}.bin"), "", noise),
            response: Body::Length.response(
                200,
                "application/octet-stream",
                random(DOWNLOAD_BYTES, noise),
            ),
        },
    }
}

/// A JSON interface: of its twenty routes the first are the busiest.
fn api(closes: bool, noise: &mut Noise) -> Exchange {
    let route = noise.below(20).min(noise.below(30));
    let id = noise.below(100_000);
    let posts = noise.percent(10);
    let connection = if closes { "Connection: close\r\n" } else { "Connection: keep-alive\r\n" };
    let request = if posts {
        let order = json(80 + noise.below(100), noise);
        let headers = format!(
            "{connection}Content-Type: application/json\r\nContent-Length: {}\r\n",
            order.len()
        );
        let mut message = request("POST", &format!("/v2/r{route}/{id}"), &headers, noise);
        message.bytes.extend(&order);
        message.body_bytes = order.len() as u64;
        message
    } else {
        let target = format!("/v2/r{route}/{id}?page={}&sort=asc", noise.below(50));
        request("GET", &target, connection, noise)
    };
    let status = match noise.below(100) {
        0 => 500,
        1 | 2 => 404,
        _ if posts => 201,
        _ => 200,
    };
    let size = 56 + noise.size(6, 6);
    let response = Body::Length.response(status, "application/json", json(size, noise));
    Exchange { request, response }
}

/// Pages, pictures, listings and uploads of all sizes.
fn mixed(number: u64, noise: &mut Noise) -> Exchange {
    let size = |noise: &mut Noise| noise.size(4, 16).max(100);
    let request = if noise.percent(12) {
        let body = json(size(noise), noise);
        let (framing, framed) = if noise.percent(25) {
            ("Transfer-Encoding: chunked\r\n".to_owned(), chunked(&body))
        } else {
            (format!("Content-Length: {}\r\n", body.len()), body.clone())
        };
        let mut message = request("POST", &format!("/uploads/{number}"), &framing, noise);
        message.bytes.extend(framed);
        message.body_bytes = body.len() as u64;
        message
    } else {
        request("GET", &format!("/m/{number}?q={:x}", noise.below(1 << 24)), "", noise)
    };
    let len = size(noise);
    let response = match noise.below(5) {
        0 => Body::Length.response(200, "text/html", json(len, noise)),
        1 => Body::Length.response(200, "image/jpeg", random(len, noise)),
        2 => Body::Chunked.response(200, "application/json", json(len, noise)),
        3 => Body::Gzip.response(200, "application/json", gzip(&random(len, noise))),
        _ => Body::GzipChunked.response(200, "application/json", gzip(&random(len, noise))),
    };
    Exchange { request, response }
}

/// A request without a body.
fn request(method: &str, target: &str, headers: &str, noise: &mut Noise) -> Message {
    let bytes = format!(
        "{method} {target} HTTP/1.1\r\nHost: shop.test\r\nUser-Agent: traces/1.0 (like the others)\r\n\
         Accept: application/json, text/html;q=0.9\r\nAccept-Encoding: gzip\r\n\
         Authorization: Bearer c3ludGhlc2lzZWQgZm9yIG1lYXN1cmluZywgaXQgb3BlbnMgbm90aGluZw.{:x}\r\n\
         X-Request-Id: {:016x}\r\n{headers}\r\n",
        noise.below(64),
        noise.next(),
    );
    Message { bytes: bytes.into_bytes(), body_bytes: 0 }
}

/// How a response's body is coded and how its end is said.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Body {
    Length,
    Chunked,
    Gzip,
    GzipChunked,
}

impl Body {
    fn response(self, status: u16, media_type: &str, body: Vec<u8>) -> Message {
        let body_bytes = body.len() as u64;
        let is_chunked = matches!(self, Body::Chunked | Body::GzipChunked);
        let coding = match self {
            Body::Gzip | Body::GzipChunked => "Content-Encoding: gzip\r\n",
            Body::Length | Body::Chunked => "",
        };
        let framing = if is_chunked {
            "Transfer-Encoding: chunked\r\n".to_owned()
        } else {
            format!("Content-Length: {body_bytes}\r\n")
        };
        let head = format!(
            "HTTP/1.1 {status} {}\r\nServer: traces\r\nDate: Sat, 21 Nov 2026 10:00:00 GMT\r\n\
             Content-Type: {media_type}\r\nCache-Control: private, max-age=0\r\n{coding}{framing}\r\n",
            reason(status),
        );
        let mut bytes = head.into_bytes();
        bytes.extend(if is_chunked { chunked(&body) } else { body });
        Message { bytes, body_bytes }
    }
}

fn reason(status: u16) -> &'static str {
    match status {
        201 => "Created",
        404 => "Not Found",
        500 => "Internal Server Error",
        _ => "OK",
    }
}

/// Text like that of an interface, this long.
fn json(len: u64, noise: &mut Noise) -> Vec<u8> {
    let len = len as usize;
    let mut text = Vec::with_capacity(len + 100);
    text.extend(b"[");
    while text.len() + 1 < len {
        let (id, cents, count) = (noise.below(1_000_000), noise.below(100_000), noise.below(9));
        let tag = noise.next() as u32;
        let item = format!(
            "{{\"sku\":\"SKU-{id:06}\",\"price\":{}.{:02},\"qty\":{count},\"tag\":\"{tag:08x}\"}},",
            cents / 100,
            cents % 100,
        );
        text.extend(item.as_bytes());
    }
    text.truncate(len.saturating_sub(1));
    text.extend(b"]");
    text
}

/// Bytes that nothing makes smaller.
fn random(len: u64, noise: &mut Noise) -> Vec<u8> {
    let words = (0..len.div_ceil(8)).flat_map(|_| noise.next().to_le_bytes());
    words.take(len as usize).collect()
}

/// A gzip stream that stores: what deflates it depends on the machine, and this must not.
fn gzip(content: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::none());
    let written = encoder.write_all(content);
    written.and_then(|()| encoder.finish()).unwrap_or_default()
}

fn chunked(body: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(body.len() + body.len() / 64 + 16);
    for chunk in body.chunks(8192) {
        bytes.extend(format!("{:x}\r\n", chunk.len()).as_bytes());
        bytes.extend(chunk);
        bytes.extend(b"\r\n");
    }
    bytes.extend(b"0\r\n\r\n");
    bytes
}
