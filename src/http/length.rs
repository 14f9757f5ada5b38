//! How long a message's body is, from its head's fields (RFC 9112 section 6.3).

use crate::anomaly::{Anomalies, Anomaly};
use crate::http::Framing;
use crate::http::event::Answering;

/// What decides a body's length besides the fields.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sender {
    /// The message is a request.
    Request,
    /// The message is a response of this status, and answers this.
    Response(u16, Answering),
}

/// How a body ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct BodyLength {
    /// The rule that ends it.
    pub(super) framing: Framing,
    /// Content-Length where it is valid, also where it does not decide.
    pub(super) length: Option<u64>,
    /// What was odd about the fields.
    pub(super) anomalies: Anomalies,
    /// Whether nothing tells where the message ends: it is a request with a broken
    /// Content-Length.
    pub(super) is_lost: bool,
}

/// Whether a field was folded over lines; folded framing fields are a known way to deceive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fold {
    /// It stands on one line.
    Straight,
    /// It continues on further lines.
    Folded,
}

/// The last transfer coding that was named.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum LastCoding {
    #[default]
    None,
    Chunked,
    Other,
}

/// Collects the fields that decide the body's length.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct LengthFields {
    length: Option<u64>,
    length_is_given: bool,
    coding: LastCoding,
    coding_is_given: bool,
    anomalies: Anomalies,
}

impl LengthFields {
    /// Takes in the value of a Content-Length field.
    #[inline]
    pub(super) fn content_length(&mut self, value: &[u8]) {
        // Nearly all are one number, and there is no other.
        match (self.length, decimal(value)) {
            (None, Some(number)) => {
                self.length = Some(number);
                self.length_is_given = true;
            }
            _ => *self = self.with_lengths(value),
        }
    }

    /// Takes in a list of lengths. One of equal numbers counts as one number; of differing ones the
    /// first is kept, as most receivers do that do not refuse.
    #[cold]
    fn with_lengths(mut self, value: &[u8]) -> Self {
        for element in value.split(|&byte| byte == b',') {
            let number = decimal(element.trim_ascii());
            match (number, self.length) {
                (None, _) => self.anomalies.add(Anomaly::InvalidLength),
                (Some(number), None) => self.length = Some(number),
                (Some(number), Some(first)) if number == first => {
                    self.anomalies.add(Anomaly::RepeatedLength);
                }
                (Some(_), Some(_)) => self.anomalies.add(Anomaly::ConflictingLength),
            }
            self.length_is_given = true;
        }
        self
    }

    /// Takes in the value of a Transfer-Encoding field; several fields form one list.
    ///
    /// `identity` is passed over: no receiver takes it for a coding, though RFC 9112 has dropped
    /// it.
    pub(super) fn transfer_encoding(&mut self, value: &[u8], fold: Fold) {
        if self.coding_is_given || fold == Fold::Folded {
            self.anomalies.add(Anomaly::OddTransferEncoding);
        }
        self.coding_is_given = true;
        for element in value.split(|&byte| byte == b',') {
            let mut parts = element.splitn(2, |&byte| byte == b';');
            let name = parts.next().unwrap_or_default().trim_ascii();
            let is_one_of =
                |names: &[&str]| names.iter().any(|n| name.eq_ignore_ascii_case(n.as_bytes()));
            if name.is_empty() {
                continue;
            }
            if self.coding == LastCoding::Chunked {
                self.anomalies.add(Anomaly::OddTransferEncoding);
            }
            if is_one_of(&["chunked"]) {
                if parts.next().is_some() {
                    self.anomalies.add(Anomaly::OddTransferEncoding);
                }
                self.coding = LastCoding::Chunked;
            } else if is_one_of(&["identity"]) {
                self.anomalies.add(Anomaly::OddTransferEncoding);
            } else {
                if !is_one_of(&["gzip", "x-gzip", "deflate", "compress", "x-compress"]) {
                    self.anomalies.add(Anomaly::OddTransferEncoding);
                }
                self.coding = LastCoding::Other;
            }
        }
    }

    /// Notes that the message is of HTTP/1.0, which knows no transfer codings; one that is there
    /// is honoured all the same, since whoever sends it means it.
    pub(super) const fn http_1_0(&mut self) {
        if self.coding_is_given {
            self.anomalies.add(Anomaly::OddTransferEncoding);
        }
    }

    /// Decides by the rules of RFC 9112 section 6.3, in their order.
    ///
    /// Where the RFC has a receiver give up the connection, an observer cannot:
    /// - a request whose last transfer coding is not chunked has a body without a known end, and
    ///   everything up to the connection's end is taken for it ([`Framing::Close`]);
    /// - a request with an invalid Content-Length has no body, and its place is lost;
    /// - differing Content-Lengths: the first decides.
    pub(super) fn decide(mut self, sender: Sender) -> BodyLength {
        if self.coding_is_given && self.coding != LastCoding::Chunked {
            self.anomalies.add(Anomaly::OddTransferEncoding);
        }
        if self.coding != LastCoding::None && self.length_is_given {
            self.anomalies.add(Anomaly::LengthAndChunked);
        }
        let is_invalid = self.anomalies.has(Anomaly::InvalidLength);
        let length = self.length.filter(|_| !is_invalid);
        let framing = match (bodiless(sender), self.coding, length) {
            (Some(framing), ..) => framing,
            (None, LastCoding::Chunked, _) => Framing::Chunked,
            (None, LastCoding::Other, _) => Framing::Close,
            (None, LastCoding::None, Some(_)) => Framing::Length,
            (None, LastCoding::None, None) => match sender {
                Sender::Request => Framing::None,
                Sender::Response(..) => Framing::Close,
            },
        };
        let is_lost = is_invalid && framing == Framing::None && sender == Sender::Request;
        BodyLength { framing, length, anomalies: self.anomalies, is_lost }
    }
}

/// The framing of a response that has no body whatever its fields say.
const fn bodiless(sender: Sender) -> Option<Framing> {
    match sender {
        Sender::Response(101, _) | Sender::Response(200..=299, Answering::Connect) => {
            Some(Framing::Tunnel)
        }
        Sender::Response(_, Answering::Head) | Sender::Response(100..=199 | 204 | 304, _) => {
            Some(Framing::None)
        }
        _ => None,
    }
}

/// A number of decimal digits only that fits 64 bits.
fn decimal(digits: &[u8]) -> Option<u64> {
    if digits.is_empty() {
        return None;
    }
    digits.iter().try_fold(0_u64, |number, &digit| {
        let digit = digit.checked_sub(b'0').filter(|&digit| digit <= 9)?;
        number.checked_mul(10)?.checked_add(u64::from(digit))
    })
}
