//! `curl` commands run in a shell against a server: what arrives is what was captured.

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::process::{Command, Stdio};

use weir::exchange::{ConnectionKey, Exchange, Facts, MessageFacts};
use weir::export::curl;
use weir::http::Framing;
use weir::packet::Endpoint;

/// A request as it was sent, chunked coding undone.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Request {
    head: Vec<u8>,
    body: Vec<u8>,
}

fn exchange(request: &Request, port: u16) -> Exchange {
    let body_bytes = request.body.len() as u64;
    let is_chunked = request.head.windows(7).any(|window| window == b"chunked");
    let framing = match body_bytes {
        _ if is_chunked => Framing::Chunked,
        0 => Framing::None,
        _ => Framing::Length,
    };
    let header_bytes = u32::try_from(request.head.len()).expect("short");
    let message = MessageFacts { header_bytes, framing, body_bytes, body_seen_bytes: body_bytes };
    let connection =
        ConnectionKey { server: Endpoint::v4([127, 0, 0, 1], port), ..ConnectionKey::default() };
    let mut exchange = Exchange {
        facts: Facts { connection, request: Some(message), ..Facts::default() },
        ..Exchange::default()
    };
    exchange.request.head.clone_from(&request.head);
    exchange.request.body = Some(request.body.clone());
    exchange
}

/// Reads one request from the connection.
fn read_request(stream: &mut TcpStream) -> Request {
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") {
        stream.read_exact(&mut byte).expect("a head");
        head.push(byte[0]);
    }
    let text = String::from_utf8_lossy(&head).to_ascii_lowercase();
    let mut body = Vec::new();
    if text.contains("expect: 100-continue") {
        stream.write_all(b"HTTP/1.1 100 Continue\r\n\r\n").expect("written");
    }
    if text.contains("chunked") {
        loop {
            let mut line = Vec::new();
            while !line.ends_with(b"\r\n") {
                stream.read_exact(&mut byte).expect("a chunk line");
                line.push(byte[0]);
            }
            let digits = std::str::from_utf8(&line).expect("hexadecimal").trim();
            let length = usize::from_str_radix(digits, 16).expect("a length");
            let mut chunk = vec![0; length + 2];
            stream.read_exact(&mut chunk).expect("a chunk");
            if length == 0 {
                break;
            }
            body.extend_from_slice(&chunk[..length]);
        }
    } else if let Some(at) = text.find("content-length:") {
        let value = text[at + 15..].split("\r\n").next().expect("a value");
        body = vec![0; value.trim().parse().expect("a length")];
        stream.read_exact(&mut body).expect("a body");
    }
    Request { head, body }
}

/// Runs the command for `sent` in `shell` and gives what the server received.
fn received(sent: &Request, shell: &str) -> Request {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = listener.local_addr().expect("an address").port();
    let mut command = Vec::new();
    curl::write_exchange(&exchange(sent, port), &mut command);
    let command = String::from_utf8(command).expect("plain text");
    assert!(!command.contains(|c: char| c.is_control() && c != '\n'), "{command}");
    assert_eq!(command.matches('\n').count(), 3, "{command}");
    let server = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().expect("a connection");
        let request = read_request(&mut stream);
        stream
            .write_all(b"HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n")
            .expect("answered");
        request
    });
    // Through a pipe, as `weir export .. | sh` does: no argument could hold the long ones.
    let mut child = Command::new(shell)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .env_remove("http_proxy")
        .env("CURL_HOME", "/nonexistent")
        .spawn()
        .expect("the shell runs");
    let mut stdin = child.stdin.take().expect("a pipe");
    stdin.write_all(command.as_bytes()).expect("written");
    drop(stdin);
    let output = child.wait_with_output().expect("the shell ends");
    assert!(output.status.success(), "{command}\n{}", String::from_utf8_lossy(&output.stderr));
    server.join().expect("a request came")
}

fn request(head: &[u8], body: &[u8]) -> Request {
    Request { head: head.to_vec(), body: body.to_vec() }
}

fn has_curl() -> bool {
    let found = Command::new("curl").arg("--version").output().is_ok();
    if !found {
        eprintln!("skipped: curl is not installed");
    }
    found
}

#[test]
fn a_command_sends_the_request_byte_for_byte() {
    if !has_curl() {
        return;
    }
    let binary: Vec<u8> = (0..=255).cycle().take(200_000).collect();
    let head = |fields: &str| format!("POST /p HTTP/1.1\r\nHost: a\r\n{fields}\r\n").into_bytes();
    let cases = [
        request(b"GET /cart?x=1&y=%20 HTTP/1.1\r\nHost: shop.test\r\n\r\n", b""),
        request(b"GET / HTTP/1.0\r\n\r\n", b""),
        request(b"HEAD /a HTTP/1.1\r\nHost: a\r\nAccept: */*\r\nUser-Agent: me\r\n\r\n", b""),
        request(b"GET /a/../b/./c?[1]{2}#x HTTP/1.1\r\nHost: a\r\n\r\n", b""),
        request(b"OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n", b""),
        request(b"get http://other.test/x HTTP/1.1\r\nHost: other.test\r\n\r\n", b""),
        request(b"GET //evil.test/x HTTP/1.1\r\nHost: a\r\n\r\n", b""),
        request(b"GET /'$(id)`id`\"\\!%c3%BC HTTP/1.1\r\nHost: a\r\n\r\n", b""),
        request(
            b"GET /a HTTP/1.1\r\nX-First: 1\r\nHost: late.test\r\nX-Empty:\r\nX-Two:  2\r\nx-two: 2\r\n\r\n",
            b"",
        ),
        request(
            b"GET /a HTTP/1.1\r\nX-Empty:\r\nHost: late.test\r\n@/etc/passwd: x\r\nlone\r\n\r\n",
            b"",
        ),
        request(
            b"GET /\xff\x1b[2J HTTP/1.1\r\nHost: a\r\nX-Odd: -%s '\\n' \xc3\xbc\x7f\r\n folded\r\n\r\n",
            b"",
        ),
        request(&head("Content-Length: 16\r\n"), b"it's=$(id)&\"b\"=@"),
        request(&head("Content-Length: 5\r\nContent-Type: text/plain\r\n"), b"@file"),
        request(&head("Content-Length: 4\r\nExpect: 100-continue\r\n"), b"a\n\r\n"),
        request(&head("Content-Length: 0\r\n"), b""),
        request(&head("Content-Length: 200000\r\n"), &binary),
        request(&head("Transfer-Encoding: chunked\r\n"), &binary),
        request(&head("Transfer-Encoding: chunked\r\n"), b""),
        request(b"DELETE /a HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\n", b"{}"),
    ];
    for sent in cases {
        for shell in ["sh", "bash"] {
            let got = received(&sent, shell);
            let head = String::from_utf8_lossy(&sent.head);
            assert_eq!(String::from_utf8_lossy(&got.head), head, "{shell}");
            assert!(got == sent, "{shell}: bytes of {head}");
        }
    }
}
