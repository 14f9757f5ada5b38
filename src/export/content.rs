//! Content codings undone, within bounds: gzip, deflate, br and zstd (RFC 9110 section 8.4).

use std::borrow::Cow;
use std::io::{self, Read};

use crate::http::lines;
use crate::limits::{CONTENT_CODINGS_MAX, DECODED_BODY_BYTES_MAX};

/// What became of a body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Content<'a> {
    /// The bytes, as far as they could be decoded.
    pub bytes: Cow<'a, [u8]>,
    /// The codings that were undone, in the order they were undone.
    pub undone: Vec<&'static str>,
    /// Why the bytes are not the whole content, as a clause; `None` where they are, as far as the
    /// body is whole.
    pub shortfall: Option<String>,
}

/// A coding that can be undone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Coding {
    Gzip,
    Deflate,
    Brotli,
    Zstd,
}

impl Coding {
    fn from_name(name: &[u8]) -> Option<Self> {
        Some(match name.to_ascii_lowercase().as_slice() {
            b"gzip" | b"x-gzip" => Self::Gzip,
            b"deflate" => Self::Deflate,
            b"br" => Self::Brotli,
            b"zstd" => Self::Zstd,
            _ => return None,
        })
    }

    const fn name(self) -> &'static str {
        match self {
            Self::Gzip => "gzip",
            Self::Deflate => "deflate",
            Self::Brotli => "br",
            Self::Zstd => "zstd",
        }
    }
}

/// Undoes the codings that the Content-Encoding of `head` names, the last one first, up to
/// [`CONTENT_CODINGS_MAX`] of them and [`DECODED_BODY_BYTES_MAX`] bytes after each.
#[must_use]
pub fn decode<'a>(head: &[u8], body: &'a [u8]) -> Content<'a> {
    let mut content = Content { bytes: Cow::Borrowed(body), undone: Vec::new(), shortfall: None };
    let codings: Vec<Vec<u8>> = lines::fields(head)
        .filter(|field| field.name.eq_ignore_ascii_case(b"content-encoding"))
        .flat_map(|field| {
            field.value.split(|&byte| byte == b',').map(<[u8]>::to_vec).collect::<Vec<_>>()
        })
        .map(|coding| coding.trim_ascii().to_vec())
        .filter(|coding| !coding.is_empty() && !coding.eq_ignore_ascii_case(b"identity"))
        .collect();
    if body.is_empty() {
        return content;
    }
    for (undone, name) in codings.iter().rev().enumerate() {
        if undone >= CONTENT_CODINGS_MAX {
            content.shortfall =
                Some(format!("more than {CONTENT_CODINGS_MAX} content codings: the rest stays"));
            break;
        }
        let Some(coding) = Coding::from_name(name) else {
            content.shortfall = Some("a content coding that is not known: it stays".to_owned());
            break;
        };
        let (bytes, shortfall) = undo(coding, &content.bytes);
        if bytes.is_empty() && shortfall.is_some() {
            content.shortfall = shortfall;
            break;
        }
        content.bytes = Cow::Owned(bytes);
        content.undone.push(coding.name());
        if shortfall.is_some() {
            content.shortfall = shortfall;
            break;
        }
    }
    content
}

/// Undoes one coding; what could be decoded, and why it is not all.
fn undo(coding: Coding, bytes: &[u8]) -> (Vec<u8>, Option<String>) {
    match coding {
        Coding::Gzip => read_capped(coding, flate2::read::MultiGzDecoder::new(bytes)),
        Coding::Deflate => {
            // RFC 9110 means the zlib format; some senders send raw deflate.
            let (zlib, shortfall) = read_capped(coding, flate2::read::ZlibDecoder::new(bytes));
            if zlib.is_empty() && shortfall.is_some() {
                return read_capped(coding, flate2::read::DeflateDecoder::new(bytes));
            }
            (zlib, shortfall)
        }
        // RFC 7932 ends at windows of 16 MiB and leaves these seven bits unused; the library takes
        // them for a larger window, of up to 1 GiB.
        Coding::Brotli if bytes.first().is_some_and(|first| first & 0x7f == 0x11) => {
            (Vec::new(), Some(broken(coding, &io::ErrorKind::InvalidData.into())))
        }
        Coding::Brotli => read_capped(coding, brotli_decompressor::Decompressor::new(bytes, 4096)),
        Coding::Zstd => match zstd::stream::read::Decoder::new(bytes) {
            Ok(mut decoder) => {
                // RFC 9659: a window of at most 8 MiB, in HTTP.
                match decoder.window_log_max(23) {
                    Ok(()) => read_capped(coding, decoder),
                    Err(error) => (Vec::new(), Some(broken(coding, &error))),
                }
            }
            Err(error) => (Vec::new(), Some(broken(coding, &error))),
        },
    }
}

/// Reads at most [`DECODED_BODY_BYTES_MAX`] bytes.
fn read_capped(coding: Coding, mut decoder: impl Read) -> (Vec<u8>, Option<String>) {
    let mut content = Vec::new();
    let mut piece = vec![0; 16 << 10];
    loop {
        let room = DECODED_BODY_BYTES_MAX - content.len();
        match decoder.read(&mut piece) {
            Ok(0) => return (content, None),
            Ok(length) => {
                content.extend_from_slice(piece.get(..length.min(room)).unwrap_or_default());
                if length > room {
                    let cut = format!("cut at {DECODED_BODY_BYTES_MAX} bytes of decoded content");
                    return (content, Some(cut));
                }
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return (content, Some(broken(coding, &error))),
        }
    }
}

fn broken(coding: Coding, error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::UnexpectedEof => format!("the {} coding ends early", coding.name()),
        _ => format!("the {} coding is broken or cut", coding.name()),
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use flate2::Compression;
    use flate2::write::{DeflateEncoder, GzEncoder, ZlibEncoder};
    use proptest::prelude::*;

    use super::*;

    const TEXT: &[u8] = b"the same words, the same words, the same words";

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
        encoder.write_all(bytes).expect("written");
        encoder.finish().expect("finished")
    }

    fn zlib(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = ZlibEncoder::new(Vec::new(), Compression::default());
        encoder.write_all(bytes).expect("written");
        encoder.finish().expect("finished")
    }

    fn raw_deflate(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = DeflateEncoder::new(Vec::new(), Compression::default());
        encoder.write_all(bytes).expect("written");
        encoder.finish().expect("finished")
    }

    fn zstandard(bytes: &[u8]) -> Vec<u8> {
        zstd::bulk::compress(bytes, 1).expect("compressed")
    }

    fn head(codings: &str) -> Vec<u8> {
        format!("HTTP/1.1 200 OK\r\nContent-Encoding: {codings}\r\n\r\n").into_bytes()
    }

    #[test]
    fn every_coding_is_undone() {
        // Brotli by hand (RFC 7932 section 9.2): a block that is not compressed, and the end.
        let mut brotli = vec![0x8b, 0x16, 0x80];
        brotli.extend_from_slice(TEXT);
        brotli.push(0x03);
        let check = |codings: &str, body: &[u8], undone: &[&str]| {
            let content = decode(&head(codings), body);
            assert_eq!(&*content.bytes, TEXT, "{codings}");
            assert_eq!(content.undone, undone, "{codings}");
            assert_eq!(content.shortfall, None, "{codings}");
        };
        check("identity", TEXT, &[]);
        check("gzip", &gzip(TEXT), &["gzip"]);
        check("X-GZip", &gzip(TEXT), &["gzip"]);
        check("deflate", &zlib(TEXT), &["deflate"]);
        check("deflate", &raw_deflate(TEXT), &["deflate"]);
        check("br", &brotli, &["br"]);
        check("zstd", &zstandard(TEXT), &["zstd"]);
        check("deflate, gzip", &gzip(&zlib(TEXT)), &["gzip", "deflate"]);
        check("zstd\r\nContent-Encoding: gzip", &gzip(&zstandard(TEXT)), &["gzip", "zstd"]);
    }

    #[test]
    fn what_cannot_be_undone_stays_and_is_told() {
        let check = |codings: &str, body: &[u8], bytes: &[u8], shortfall: &str| {
            let content = decode(&head(codings), body);
            assert_eq!(&*content.bytes, bytes, "{codings}");
            assert_eq!(content.shortfall.as_deref(), Some(shortfall), "{codings}");
        };
        check("compress", b"x", b"x", "a content coding that is not known: it stays");
        check(
            "gzip",
            b"no gzip at all, this",
            b"no gzip at all, this",
            "the gzip coding is broken or cut",
        );
        check(
            "zstd",
            b"no zstd at all, this",
            b"no zstd at all, this",
            "the zstd coding is broken or cut",
        );
        let four = gzip(&gzip(&gzip(&gzip(TEXT))));
        check(
            "gzip,gzip,gzip,gzip",
            &four,
            &gzip(TEXT),
            "more than 3 content codings: the rest stays",
        );
        let whole = gzip(TEXT);
        let content = decode(&head("gzip"), &whole[..whole.len() - 9]);
        assert!(content.shortfall.is_some() && TEXT.starts_with(&content.bytes));
    }

    #[test]
    fn a_bomb_is_cut() {
        let zeros = vec![0; DECODED_BODY_BYTES_MAX + 1];
        for (codings, body) in [("gzip", gzip(&zeros)), ("zstd", zstandard(&zeros))] {
            let content = decode(&head(codings), &body);
            assert_eq!(content.bytes.len(), DECODED_BODY_BYTES_MAX);
            assert_eq!(
                content.shortfall.as_deref(),
                Some("cut at 16777216 bytes of decoded content")
            );
        }
        let exact = gzip(&zeros[1..]);
        assert_eq!(decode(&head("gzip"), &exact).shortfall, None);
    }

    #[test]
    fn windows_are_no_larger_than_http_allows() {
        // The mark of brotli's large windows, then thirty bits of window.
        let content = decode(&head("br"), &[0x11, 0x1e]);
        assert_eq!(content.shortfall.as_deref(), Some("the br coding is broken or cut"));
        let mut encoder = zstd::stream::write::Encoder::new(Vec::new(), 1).expect("an encoder");
        encoder.window_log(27).expect("a window");
        encoder.long_distance_matching(true).expect("a parameter");
        encoder.write_all(&[7; 100]).expect("written");
        let body = encoder.finish().expect("finished");
        let content = decode(&head("zstd"), &body);
        assert_eq!(content.shortfall.as_deref(), Some("the zstd coding is broken or cut"));
    }

    proptest! {
        #[test]
        fn garbage_is_no_trouble(
            body in prop::collection::vec(any::<u8>(), 0..300),
            codings in prop::sample::select(vec!["gzip", "deflate", "br", "zstd", "br, gzip"]),
        ) {
            let content = decode(&head(codings), &body);
            prop_assert!(content.bytes.len() <= DECODED_BODY_BYTES_MAX);
        }
    }
}
