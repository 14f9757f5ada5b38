//! One exchange as a command line that sends its request again: `curl`, quoted for a shell.

use std::borrow::Cow;
use std::io::Write;

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use memchr::{memchr, memmem};

use crate::exchange::redact::REDACTED;
use crate::exchange::{Exchange, MessageFacts};
use crate::http::{Framing, lines};

/// Bodies up to this length stand on the command line where they are text; longer ones are piped
/// in, because systems bound the length of an argument.
const INLINE_BODY_BYTES_MAX: usize = 16 << 10;

/// Appends `exchange` as a comment and a command, each one line, and an empty line.
///
/// The command runs in any POSIX shell and sends method, target, fields (in their order) and body
/// as they were sent, to the server that was captured. What cannot be sent so is said in the
/// comment: secrets that were redacted, bodies that were not kept. Of an exchange whose request
/// was not seen there is the comment alone.
pub fn write_exchange(exchange: &Exchange, out: &mut Vec<u8>) {
    let facts = &exchange.facts;
    let head = exchange.request.head.as_slice();
    // Writing to a vector cannot fail.
    let _ = write!(out, "# {} {} {}", facts.id(), facts.start, facts.state.name());
    if facts.status > 0 {
        let _ = write!(out, " {}", facts.status);
    }
    let Some(message) = facts.request.filter(|_| !head.is_empty()) else {
        out.extend_from_slice(b": its request was not seen\n\n");
        return;
    };
    let body = Body::of(exchange, &message);
    let fields = Fields::of(head, &body);
    write_notes(exchange, &message, &body, &fields, out);
    out.push(b'\n');
    body.write_pipe(out);
    out.extend_from_slice(b"curl -sS");
    let line = lines::request_line(head);
    out.extend_from_slice(if line.version == b"1.0" { b" --http1.0" } else { b" --http1.1" });
    match line.method {
        b"GET" if matches!(body, Body::None) => {}
        // With a method of its own, curl would wait for the body that no answer to HEAD has.
        b"HEAD" if matches!(body, Body::None) => out.extend_from_slice(b" --head"),
        method => {
            out.extend_from_slice(b" -X ");
            quote(method, out);
        }
    }
    fields.write(head, &body, out);
    body.write_option(out);
    let server = facts.connection.server;
    let mut url = format!("http://{server}").into_bytes();
    if is_plain_target(line.target) {
        url.extend_from_slice(line.target);
    } else {
        out.extend_from_slice(b" --request-target ");
        quote(line.target, out);
        url.push(b'/');
    }
    // A bracketed address is no pattern to expand.
    if url.iter().any(|byte| b"[]{}".contains(byte)) {
        out.extend_from_slice(b" -g");
    }
    out.push(b' ');
    quote(&url, out);
    out.extend_from_slice(b"\n\n");
}

/// What is sent after the head.
enum Body<'b> {
    None,
    /// Text that may stand on the command line.
    Inline(&'b [u8]),
    /// Bytes that come through a pipe.
    Piped(&'b [u8]),
    /// A body that was sent and is not at hand.
    Missing,
}

impl<'b> Body<'b> {
    fn of(exchange: &'b Exchange, message: &MessageFacts) -> Self {
        let is_text = |body: &[u8]| {
            body.iter().all(|byte| matches!(byte, b' '..=b'~'))
                && body.len() < INLINE_BODY_BYTES_MAX
        };
        match exchange.request.body.as_deref() {
            // The empty body of a chunked message has an end that must be sent.
            _ if message.body_bytes == 0 && message.framing == Framing::Chunked => {
                Self::Inline(b"")
            }
            _ if message.body_bytes == 0 => Self::None,
            None | Some([]) => Self::Missing,
            Some(body) if is_text(body) => Self::Inline(body),
            Some(body) => Self::Piped(body),
        }
    }

    /// Whether curl is given a body, and would describe it with fields of its own.
    const fn is_sent(&self) -> bool {
        matches!(self, Self::Inline(_) | Self::Piped(_))
    }

    fn write_pipe(&self, out: &mut Vec<u8>) {
        if let Self::Piped(body) = self {
            out.extend_from_slice(b"printf %s '");
            out.extend_from_slice(BASE64.encode(body).as_bytes());
            out.extend_from_slice(b"' | base64 -d | ");
        }
    }

    fn write_option(&self, out: &mut Vec<u8>) {
        match self {
            Self::None | Self::Missing => {}
            Self::Inline(body) => {
                out.extend_from_slice(b" --data-raw ");
                quote(body, out);
            }
            Self::Piped(_) => out.extend_from_slice(b" --data-binary @-"),
        }
    }
}

/// Appends why the command would not send quite what was sent.
fn write_notes(
    exchange: &Exchange,
    message: &MessageFacts,
    body: &Body<'_>,
    fields: &Fields<'_>,
    out: &mut Vec<u8>,
) {
    let mut notes = Vec::new();
    let is_redacted = |bytes: &[u8]| memmem::find(bytes, REDACTED).is_some();
    let kept = exchange.request.body.as_deref().unwrap_or_default();
    if is_redacted(&exchange.request.head) || is_redacted(kept) {
        notes.push("secrets were redacted: put them in, or export with --keep-secrets".to_owned());
    }
    if fields.left_out > 0 {
        notes.push(format!("curl cannot send {} of its field lines", fields.left_out));
    }
    match body {
        Body::Missing => {
            let bytes = message.body_bytes;
            notes.push(format!("the body of {bytes} bytes was not kept and is not sent"));
        }
        Body::Inline(kept) | Body::Piped(kept) if kept.len() as u64 != message.body_bytes => {
            let (kept, bytes) = (kept.len(), message.body_bytes);
            notes.push(format!("the body is not as it was sent: {kept} bytes for {bytes}"));
        }
        _ => {}
    }
    for (position, note) in notes.iter().enumerate() {
        out.extend_from_slice(if position == 0 { b": " } else { b"; " });
        out.extend_from_slice(note.as_bytes());
    }
}

/// The field lines as arguments: one each, except that a line which curl would move, drop or take
/// for the name of a file is sent as a part of the line before it.
struct Fields<'h> {
    arguments: Vec<Cow<'h, [u8]>>,
    /// Lines of that kind with no line before them.
    left_out: usize,
}

impl<'h> Fields<'h> {
    fn of(head: &'h [u8], body: &Body<'_>) -> Self {
        let is_framed_anew = framing_changed(head, body);
        let mut fields = Self { arguments: Vec::new(), left_out: 0 };
        let start = memchr(b'\n', head).map_or(head.len(), |at| at + 1);
        let mut rest = head.get(start..).unwrap_or_default();
        let mut is_dropped = false;
        while !rest.is_empty() {
            let (line, after) = rest.split_at(memchr(b'\n', rest).map_or(rest.len(), |at| at + 1));
            rest = after;
            let line = line.strip_suffix(b"\n").unwrap_or(line);
            let line = line.strip_suffix(b"\r").unwrap_or(line);
            if line.is_empty() {
                break;
            }
            let is_fold = matches!(line.first(), Some(b' ' | b'\t'));
            if !is_fold {
                is_dropped = is_framed_anew
                    && (is_named(line, b"content-length") || is_named(line, b"transfer-encoding"));
            }
            if !is_dropped {
                fields.push(line);
            }
        }
        fields
    }

    fn push(&mut self, line: &'h [u8]) {
        let cannot_lead = matches!(line.first(), Some(b' ' | b'\t' | b'@'))
            || memchr(b':', line).is_none_or(|at| at == 0);
        let is_moved = is_named(line, b"host") && !self.arguments.is_empty();
        match self.arguments.last_mut().filter(|_| cannot_lead || is_moved) {
            Some(before) => {
                let before = before.to_mut();
                // A semicolon stands for an empty value only at the end of an argument.
                if before.last() == Some(&b';') && memchr(b':', before).is_none() {
                    before.pop();
                    before.push(b':');
                }
                before.extend_from_slice(b"\r\n");
                before.extend_from_slice(line);
            }
            None if cannot_lead => self.left_out += 1,
            None => self.arguments.push(sent_as_is(line)),
        }
    }

    /// Appends the arguments, and those that take out what curl would add of its own.
    fn write(&self, head: &[u8], body: &Body<'_>, out: &mut Vec<u8>) {
        let has = |name: &str| lines::field(head, name).is_some();
        let host_leads = self.arguments.first().is_some_and(|line| is_named(line, b"host"));
        let mut own: Vec<&str> = Vec::new();
        own.extend((!host_leads).then_some("Host:"));
        own.extend((!has("user-agent")).then_some("User-Agent:"));
        own.extend((!has("accept")).then_some("Accept:"));
        if body.is_sent() {
            own.extend((!has("content-type")).then_some("Content-Type:"));
            own.extend((!has("expect")).then_some("Expect:"));
        }
        let own = own.into_iter().map(str::as_bytes);
        for argument in own.chain(self.arguments.iter().map(|argument| &**argument)) {
            out.extend_from_slice(b" -H ");
            quote(argument, out);
        }
    }
}

/// The argument that makes curl send this line: an empty value is written with a semicolon.
fn sent_as_is(line: &[u8]) -> Cow<'_, [u8]> {
    match line.split_last() {
        Some((b':', name)) => Cow::Owned([name, b";"].concat()),
        _ => Cow::Borrowed(line),
    }
}

/// Whether the body that is sent has another length than the head says.
fn framing_changed(head: &[u8], body: &Body<'_>) -> bool {
    let length = lines::field(head, "content-length")
        .and_then(|value| std::str::from_utf8(&value).ok()?.parse::<usize>().ok());
    match (body, length) {
        (Body::Missing, _) => true,
        (Body::Inline(body) | Body::Piped(body), Some(length)) => body.len() != length,
        _ => false,
    }
}

fn is_named(line: &[u8], name: &[u8]) -> bool {
    let end = line.iter().position(|byte| matches!(byte, b':' | b';')).unwrap_or(0);
    line.get(..end).unwrap_or_default().trim_ascii().eq_ignore_ascii_case(name)
}

/// Whether curl sends this target as it is when it is a part of the URL: it begins with one slash
/// and has nothing that curl decodes, takes for a fragment or shortens.
fn is_plain_target(target: &[u8]) -> bool {
    let is_plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"/-_.~?&=+,:".contains(byte);
    target.first() == Some(&b'/')
        && !target.starts_with(b"//")
        && memmem::find(target, b"/.").is_none()
        && target.iter().all(is_plain)
}

/// Appends a word that a POSIX shell reads as these bytes. Control characters and bytes that are
/// not ASCII are written as numbers, so that the command can be printed and pasted.
fn quote(word: &[u8], out: &mut Vec<u8>) {
    let is_bare = |byte: &u8| byte.is_ascii_alphanumeric() || b"/-_.:,+@%".contains(byte);
    if !word.is_empty() && word.iter().all(is_bare) {
        out.extend_from_slice(word);
    } else if word.iter().all(|byte| matches!(byte, b' '..=b'~')) {
        out.push(b'\'');
        for &byte in word {
            match byte {
                b'\'' => out.extend_from_slice(b"'\\''"),
                _ => out.push(byte),
            }
        }
        out.push(b'\'');
    } else {
        out.extend_from_slice(b"\"$(printf '");
        for &byte in word {
            match byte {
                b'%' => out.extend_from_slice(b"%%"),
                // A word that begins so would be an option of printf.
                b'-' => out.extend_from_slice(b"\\055"),
                // No argument can hold it; a request with one cannot be sent by a command.
                0 => {}
                b' '..=b'~' if byte != b'\'' && byte != b'\\' => out.push(byte),
                _ => {
                    let _ = write!(out, "\\{byte:03o}");
                }
            }
        }
        out.extend_from_slice(b"')\"");
    }
}
