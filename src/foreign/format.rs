//! Formats of access logs, as nginx (`$name`) and Apache (`%x`) write them down.

/// What a part of a line means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Field {
    Client,
    /// `[21/Nov/2026:06:34:25 +0000]` without the brackets: when the line was written.
    LoggedAt,
    /// The same, when the request came (Apache), with the brackets.
    BegunAt,
    /// `2026-11-21T06:34:25+00:00`, when the line was written.
    LoggedAtIso,
    /// Seconds since 1970 with milliseconds, when the line was written.
    LoggedAtEpoch,
    Request,
    Method,
    Target,
    Status,
    BodyBytes,
    Seconds,
    Milliseconds,
    Microseconds,
    Host,
    Referer,
    UserAgent,
    Ignored,
}

impl Field {
    /// Whether its value never has a blank in it.
    pub(super) const fn is_word(self) -> bool {
        !matches!(
            self,
            Self::LoggedAt | Self::BegunAt | Self::Request | Self::UserAgent | Self::Ignored
        )
    }
}

/// A part of a format.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Part {
    Literal(Vec<u8>),
    Field(Field),
}

/// The format of an access log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Format {
    pub(super) parts: Vec<Part>,
    /// Whether what follows is looked through for a time.
    pub(super) has_tail: bool,
}

/// Why a format cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FormatError {
    /// Nothing in it says how long a request took.
    #[error(
        "the log format has no time: expected $request_time (nginx), or %D, %T or %{{ms}}T (Apache)"
    )]
    NoTime,
    /// Nothing in it says which request it was.
    #[error("the log format has no request: expected \"$request\" (nginx) or \"%r\" (Apache)")]
    NoRequest,
    /// Nothing in it says when.
    #[error("the log format has no instant: expected [$time_local] (nginx) or %t (Apache)")]
    NoInstant,
}

impl Format {
    /// Reads a format as nginx (`log_format`) or Apache (`LogFormat`) has it.
    ///
    /// # Errors
    ///
    /// [`FormatError`] where it lacks what an exchange needs.
    pub fn parse(text: &str) -> Result<Self, FormatError> {
        let format = Self { parts: parts(text), has_tail: false };
        let has = |wanted: &[Field]| {
            format
                .parts
                .iter()
                .any(|part| matches!(part, Part::Field(field) if wanted.contains(field)))
        };
        if !has(&[Field::Seconds, Field::Milliseconds, Field::Microseconds]) {
            return Err(FormatError::NoTime);
        }
        let in_two = has(&[Field::Method]) && has(&[Field::Target]);
        if !has(&[Field::Request]) && !in_two {
            return Err(FormatError::NoRequest);
        }
        let instants = [Field::LoggedAt, Field::BegunAt, Field::LoggedAtIso, Field::LoggedAtEpoch];
        if !has(&instants) {
            return Err(FormatError::NoInstant);
        }
        Ok(format)
    }

    /// The formats that are tried where none is given: combined, then common, each with a time
    /// somewhere behind it.
    pub(super) fn usual() -> [Self; 2] {
        let common = "$remote_addr $ident $remote_user [$time_local] \"$request\" $status \
                      $body_bytes_sent";
        let combined = format!("{common} \"$http_referer\" \"$http_user_agent\"");
        [combined.as_str(), common].map(|text| Self { parts: parts(text), has_tail: true })
    }
}

/// Cuts a format into its parts.
fn parts(text: &str) -> Vec<Part> {
    // Apache's configuration escapes the quotes.
    let text = text.replace("\\\"", "\"");
    let mut parts = Vec::new();
    let mut literal = Vec::new();
    let mut rest = text.as_str();
    while let Some(first) = rest.chars().next() {
        let found = match first {
            '$' => variable(rest),
            '%' => directive(rest),
            _ => None,
        };
        let (length, field) = match found {
            Some((length, Some(field))) => (length, field),
            // `%%` is a percent sign.
            Some((length, None)) => {
                literal.push(b'%');
                rest = rest.get(length..).unwrap_or_default();
                continue;
            }
            None => {
                let length = first.len_utf8();
                literal.extend_from_slice(rest.get(..length).unwrap_or_default().as_bytes());
                rest = rest.get(length..).unwrap_or_default();
                continue;
            }
        };
        if !literal.is_empty() {
            parts.push(Part::Literal(std::mem::take(&mut literal)));
        }
        parts.push(Part::Field(field));
        rest = rest.get(length..).unwrap_or_default();
    }
    if !literal.is_empty() {
        parts.push(Part::Literal(literal));
    }
    parts
}

/// A variable of nginx at the start of `text`: `$name` or `${name}`.
fn variable(text: &str) -> Option<(usize, Option<Field>)> {
    let after = text.get(1..)?;
    let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let (name, length) = if let Some(braced) = after.strip_prefix('{') {
        let name = braced.split('}').next()?;
        (name, name.len() + 3)
    } else {
        let end = after.find(|c| !is_name(c)).unwrap_or(after.len());
        (after.get(..end)?, end + 1)
    };
    if name.is_empty() {
        return None;
    }
    let field = match name {
        "remote_addr" => Field::Client,
        "time_local" => Field::LoggedAt,
        "time_iso8601" => Field::LoggedAtIso,
        "msec" => Field::LoggedAtEpoch,
        "request" => Field::Request,
        "request_method" => Field::Method,
        "request_uri" => Field::Target,
        "status" => Field::Status,
        "body_bytes_sent" => Field::BodyBytes,
        "request_time" => Field::Seconds,
        "host" | "http_host" => Field::Host,
        "http_referer" => Field::Referer,
        "http_user_agent" => Field::UserAgent,
        _ => Field::Ignored,
    };
    Some((length, Some(field)))
}

/// A directive of Apache at the start of `text`: `%D`, `%>s`, `%{ms}T`; no field for `%%`.
fn directive(text: &str) -> Option<(usize, Option<Field>)> {
    let after = text.get(1..)?;
    let modifiers = after.len() - after.trim_start_matches(['<', '>', '!', ',']).len();
    let rest = after.get(modifiers..)?;
    let (name, rest, braced) = match rest.strip_prefix('{') {
        Some(inside) => {
            let (name, rest) = inside.split_once('}')?;
            (name, rest, name.len() + 2)
        }
        None => ("", rest, 0),
    };
    let letter = rest.chars().next()?;
    let field = match (letter, name.to_ascii_lowercase().as_str()) {
        ('%', "") => None,
        ('h' | 'a', "") => Some(Field::Client),
        ('t', "") => Some(Field::BegunAt),
        ('r', _) => Some(Field::Request),
        ('m', _) => Some(Field::Method),
        ('U', _) => Some(Field::Target),
        ('s', _) => Some(Field::Status),
        ('b' | 'B', _) => Some(Field::BodyBytes),
        ('D', _) | ('T', "us") => Some(Field::Microseconds),
        ('T', "ms") => Some(Field::Milliseconds),
        ('T', _) => Some(Field::Seconds),
        ('v' | 'V', _) | ('i', "host") => Some(Field::Host),
        ('i', "referer") => Some(Field::Referer),
        ('i', "user-agent") => Some(Field::UserAgent),
        _ if letter.is_ascii_alphabetic() => Some(Field::Ignored),
        _ => return None,
    };
    Some((1 + modifiers + braced + letter.len_utf8(), field))
}
