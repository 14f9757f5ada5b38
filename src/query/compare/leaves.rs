//! A body as the values at its places: JSON by path, anything else as one value (RFC 8259).

use std::borrow::Cow;
use std::collections::HashMap;
use std::hash::BuildHasher as _;

use foldhash::fast::{FixedState, RandomState};

use crate::exchange::route;
use crate::limits::{JSON_DEPTH_MAX, VALUE_PATH_BYTES_MAX, VALUE_PATHS_MAX, VALUES_BODY_MAX};
use crate::query::compare::decimal::Decimal;

/// A place in bodies: `$.cart.lines[3].price`.
pub(super) type PathId = u32;

/// A place with its array positions left open: `$.cart.lines[*].price`.
pub(super) type NameId = u32;

/// The place of the status, which is compared like a value.
pub(super) const STATUS: PathId = 1;

/// The place of a body that is no JSON, as a whole.
pub(super) const BODY: PathId = 2;

/// The root of a JSON body.
const ROOT: PathId = 0;

/// What stands at a place. Equal values are equal; text is known by its hash alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Value {
    /// `null`.
    Null,
    /// `true` or `false`.
    Bool(bool),
    /// A number, exact.
    Number(Decimal),
    /// A number with more digits than are compared exactly, by its hash.
    LongNumber(u64),
    /// A string, or a body that is no JSON.
    Text(u64, Shape),
    /// An array of that many elements.
    Array(u32),
    /// An object.
    Object,
    /// A status.
    Status(u16),
}

/// What a text looks like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// A UUID, a hexadecimal number or a token: an identity that is made anew, mostly.
    Identity,
    /// A date with its time.
    Time,
    /// Anything else.
    Plain,
}

impl Value {
    /// Its type, as JSON names it.
    #[must_use]
    pub const fn kind(self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Bool(_) => "boolean",
            Self::Number(_) | Self::LongNumber(_) => "number",
            Self::Text(..) => "string",
            Self::Array(_) => "array",
            Self::Object => "object",
            Self::Status(_) => "status",
        }
    }

    /// One bit for its type.
    pub(super) const fn kind_bit(self) -> u8 {
        match self {
            Self::Null => 1,
            Self::Bool(_) => 2,
            Self::Number(_) | Self::LongNumber(_) => 4,
            Self::Text(..) => 8,
            Self::Array(_) => 16,
            Self::Object => 32,
            Self::Status(_) => 64,
        }
    }

    /// Whether it looks like what is made anew with every answer: an identity or an instant.
    pub(super) fn is_fleeting(self) -> bool {
        match self {
            Self::Text(_, shape) => shape != Shape::Plain,
            Self::Number(number) => number.is_instant(),
            _ => false,
        }
    }
}

/// One value of a body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Leaf {
    pub(super) path: PathId,
    pub(super) value: Value,
}

/// Every place that was met, bounded by [`VALUE_PATHS_MAX`].
#[derive(Debug)]
pub(super) struct Paths {
    nodes: Vec<Node>,
    by_step: HashMap<(PathId, u64), PathId, RandomState>,
    names: Vec<String>,
    by_name: HashMap<String, NameId, RandomState>,
    hasher: FixedState,
}

#[derive(Clone, Copy, Debug)]
struct Node {
    parent: PathId,
    name: NameId,
    hash: u64,
}

impl Default for Paths {
    fn default() -> Self {
        let mut paths = Self {
            nodes: Vec::new(),
            by_step: HashMap::default(),
            names: Vec::new(),
            by_name: HashMap::default(),
            hasher: FixedState::with_seed(0x5eed),
        };
        for (path, name) in [(ROOT, "$"), (STATUS, "status"), (BODY, "body")] {
            paths.names.push(name.to_owned());
            paths.by_name.insert(name.to_owned(), path);
            // A body is JSON or it is not: where one takes the place of the other, that is told
            // once, as for what a place holds.
            let parent = if path == BODY { ROOT } else { path };
            paths.nodes.push(Node { parent, name: path, hash: path.into() });
        }
        paths
    }
}

impl Paths {
    /// The place that holds this one; a root holds itself.
    pub(super) fn parent(&self, path: PathId) -> PathId {
        self.nodes.get(path as usize).map_or(path, |node| node.parent)
    }

    /// The name of a place.
    pub(super) fn name_of(&self, path: PathId) -> NameId {
        self.nodes.get(path as usize).map_or(ROOT, |node| node.name)
    }

    /// A name as text.
    pub(super) fn text(&self, name: NameId) -> &str {
        self.names.get(name as usize).map_or("$", String::as_str)
    }

    /// A number for some bytes, the same in every run.
    pub(super) fn hash(&self, bytes: &[u8]) -> u64 {
        self.hasher.hash_one(bytes)
    }

    /// A number for a place, the same in every run.
    fn hash_of(&self, path: PathId) -> u64 {
        self.nodes.get(path as usize).map_or(0, |node| node.hash)
    }

    fn element(&mut self, parent: PathId, index: u64) -> Option<PathId> {
        // Hashes of keys are spread over 64 bits: small numbers are free for positions.
        self.child(parent, index, "[*]")
    }

    fn member(&mut self, parent: PathId, key: &[u8]) -> Option<PathId> {
        let hash = self.hash(key);
        if let Some(&known) = self.by_step.get(&(parent, hash)) {
            return Some(known);
        }
        let mut step = String::new();
        let is_word = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-');
        if key.iter().all(is_word) && !key.is_empty() {
            match shape_name(key) {
                Some(shape) => step = format!(".{shape}"),
                None => step = format!(".{}", String::from_utf8_lossy(key)),
            }
        } else {
            step.push_str("[\"");
            step.push_str(&String::from_utf8_lossy(key));
            step.push_str("\"]");
        }
        self.child(parent, hash, &step)
    }

    fn child(&mut self, parent: PathId, step: u64, suffix: &str) -> Option<PathId> {
        if let Some(&known) = self.by_step.get(&(parent, step)) {
            return Some(known);
        }
        if self.nodes.len() >= VALUE_PATHS_MAX {
            return None;
        }
        let mut text = format!("{}{suffix}", self.text(self.name_of(parent)));
        if text.len() > VALUE_PATH_BYTES_MAX {
            let cut = (0..=VALUE_PATH_BYTES_MAX).rev().find(|&at| text.is_char_boundary(at));
            text.truncate(cut.unwrap_or(0));
            text.push('…');
        }
        let next = NameId::try_from(self.names.len()).ok()?;
        let name = *self.by_name.entry(text.clone()).or_insert(next);
        if name == next {
            self.names.push(text);
        }
        let path = PathId::try_from(self.nodes.len()).ok()?;
        let hash = self.hasher.hash_one((self.hash_of(parent), step));
        self.nodes.push(Node { parent, name, hash });
        self.by_step.insert((parent, step), path);
        Some(path)
    }
}

/// `{uuid}` and the like, where a word has the shape of a value (RFC 3986 separators never do).
fn shape_name(word: &[u8]) -> Option<String> {
    let mut name = String::new();
    route::write_route(word, &mut name);
    (name.starts_with('{') && name.ends_with('}')).then_some(name)
}

/// What a text looks like.
fn shape(text: &[u8]) -> Shape {
    let digit = |at: usize| text.get(at).is_some_and(u8::is_ascii_digit);
    let is = |at: usize, byte: u8| text.get(at) == Some(&byte);
    let is_iso = digit(0)
        && digit(3)
        && is(4, b'-')
        && is(7, b'-')
        && (is(10, b'T') || is(10, b' '))
        && digit(11)
        && is(13, b':');
    // `Sat, 21 Nov 2026 10:02:26 GMT` (RFC 9110 section 5.6.7).
    let is_http = text.len() == 29 && is(3, b',') && is(19, b':') && text.ends_with(b" GMT");
    if is_iso || is_http {
        return Shape::Time;
    }
    if text.len() > 200 || text.iter().any(|byte| b"/?#: ".contains(byte)) {
        return Shape::Plain;
    }
    match shape_name(text).as_deref() {
        Some("{uuid}" | "{hex}" | "{token}") => Shape::Identity,
        _ => Shape::Plain,
    }
}

/// The values of a body: of JSON those at every place, sorted by place, each place once; of
/// anything else the whole as one.
pub(super) fn of_body(body: &[u8], paths: &mut Paths, leaves: &mut Vec<Leaf>) {
    leaves.clear();
    let trimmed = body.trim_ascii();
    if matches!(trimmed.first(), Some(b'{' | b'[')) {
        let mut reader = Reader { rest: trimmed, paths, leaves };
        if reader.value(Some(ROOT), 0).is_some() && reader.rest.trim_ascii().is_empty() {
            // Of members of one name the last one counts, as most readers have it.
            leaves.reverse();
            leaves.sort_by_key(|leaf| leaf.path);
            leaves.dedup_by_key(|leaf| leaf.path);
            return;
        }
        leaves.clear();
    }
    let value = Value::Text(paths.hash(body), Shape::Plain);
    leaves.push(Leaf { path: BODY, value });
}

/// A number for a request body that does not depend on the order of members, nor on instants.
pub(super) fn digest(body: &[u8], paths: &mut Paths, leaves: &mut Vec<Leaf>) -> u64 {
    of_body(body, paths, leaves);
    let mut parts: Vec<(u64, u64)> = leaves
        .iter()
        .map(|leaf| {
            let value = match leaf.value {
                value
                    if value.is_fleeting() && !matches!(value, Value::Text(_, Shape::Identity)) =>
                {
                    Value::Null
                }
                value => value,
            };
            (paths.hash_of(leaf.path), paths.hash(format!("{value:?}").as_bytes()))
        })
        .collect();
    parts.sort_unstable();
    paths.hasher.hash_one(parts)
}

struct Reader<'a, 'p> {
    rest: &'a [u8],
    paths: &'p mut Paths,
    leaves: &'p mut Vec<Leaf>,
}

impl<'a> Reader<'a, '_> {
    fn blank(&mut self) {
        self.rest = self.rest.trim_ascii_start();
    }

    fn take(&mut self, byte: u8) -> Option<()> {
        self.blank();
        let (&first, rest) = self.rest.split_first()?;
        self.rest = rest;
        (first == byte).then_some(())
    }

    /// Reads one value; `None` where there is none. It is put down where it has a path.
    fn value(&mut self, path: Option<PathId>, depth: usize) -> Option<()> {
        self.blank();
        let value = match self.rest.first()? {
            b'{' => return self.object(path, depth),
            b'[' => return self.array(path, depth),
            b'"' => {
                let text = self.text()?;
                Value::Text(self.paths.hash(&text), shape(&text))
            }
            b'-' | b'0'..=b'9' => self.number(),
            _ => self.word()?,
        };
        self.put(path, value);
        Some(())
    }

    fn put(&mut self, path: Option<PathId>, value: Value) {
        if let Some(path) = path.filter(|_| self.leaves.len() < VALUES_BODY_MAX) {
            self.leaves.push(Leaf { path, value });
        }
    }

    fn word(&mut self) -> Option<Value> {
        let words: [(&[u8], Value); 3] =
            [(b"null", Value::Null), (b"true", Value::Bool(true)), (b"false", Value::Bool(false))];
        let (rest, value) = words
            .into_iter()
            .find_map(|(word, value)| Some((self.rest.strip_prefix(word)?, value)))?;
        self.rest = rest;
        Some(value)
    }

    fn number(&mut self) -> Value {
        let is_part = |byte: &u8| byte.is_ascii_digit() || b"+-.eE".contains(byte);
        let length = self.rest.iter().position(|byte| !is_part(byte)).unwrap_or(self.rest.len());
        let (number, rest) = self.rest.split_at(length);
        self.rest = rest;
        match Decimal::parse(number) {
            Some(decimal) => Value::Number(decimal),
            None => Value::LongNumber(self.paths.hash(number)),
        }
    }

    /// Reads a string, its escapes undone; a lone surrogate is kept by its number.
    fn text(&mut self) -> Option<Cow<'a, [u8]>> {
        let inside = self.rest.strip_prefix(b"\"")?;
        let end = memchr::memchr2(b'"', b'\\', inside)?;
        let (plain, rest) = inside.split_at(end);
        if let Some(rest) = rest.strip_prefix(b"\"") {
            self.rest = rest;
            return Some(Cow::Borrowed(plain));
        }
        let mut text = plain.to_vec();
        let mut rest = rest;
        loop {
            let (&byte, after) = rest.split_first()?;
            rest = after;
            match byte {
                b'"' => {
                    self.rest = rest;
                    return Some(Cow::Owned(text));
                }
                b'\\' => rest = escape(rest, &mut text)?,
                _ => text.push(byte),
            }
        }
    }

    fn object(&mut self, path: Option<PathId>, depth: usize) -> Option<()> {
        self.take(b'{')?;
        self.put(path, Value::Object);
        self.blank();
        if let Some(rest) = self.rest.strip_prefix(b"}") {
            self.rest = rest;
            return Some(());
        }
        if depth >= JSON_DEPTH_MAX {
            return None;
        }
        loop {
            self.blank();
            let key = self.text()?;
            self.take(b':')?;
            let member = path.and_then(|path| self.paths.member(path, &key));
            self.value(member, depth + 1)?;
            self.blank();
            let (&next, rest) = self.rest.split_first()?;
            self.rest = rest;
            match next {
                b',' => {}
                b'}' => return Some(()),
                _ => return None,
            }
        }
    }

    fn array(&mut self, path: Option<PathId>, depth: usize) -> Option<()> {
        self.take(b'[')?;
        let place = self.leaves.len();
        self.put(path, Value::Array(0));
        self.blank();
        if let Some(rest) = self.rest.strip_prefix(b"]") {
            self.rest = rest;
            return Some(());
        }
        if depth >= JSON_DEPTH_MAX {
            return None;
        }
        let mut length = 0_u32;
        loop {
            // Beyond the bound no element is put down: they need no paths either.
            let within = path.filter(|_| self.leaves.len() < VALUES_BODY_MAX);
            let element = within.and_then(|path| self.paths.element(path, length.into()));
            self.value(element, depth + 1)?;
            length = length.saturating_add(1);
            self.blank();
            let (&next, rest) = self.rest.split_first()?;
            self.rest = rest;
            match next {
                b',' => {}
                b']' => break,
                _ => return None,
            }
        }
        if let Some(leaf) = self.leaves.get_mut(place).filter(|_| path.is_some()) {
            leaf.value = Value::Array(length);
        }
        Some(())
    }
}

/// Undoes one escape, whose backslash was read; gives what follows it.
fn escape<'a>(rest: &'a [u8], text: &mut Vec<u8>) -> Option<&'a [u8]> {
    let (&byte, rest) = rest.split_first()?;
    let plain = match byte {
        b'n' => b'\n',
        b'r' => b'\r',
        b't' => b'\t',
        b'b' => 8,
        b'f' => 12,
        b'"' | b'\\' | b'/' => byte,
        b'u' => {
            let unit = |digits: &[u8]| {
                let digits = std::str::from_utf8(digits.get(..4)?).ok()?;
                u32::from_str_radix(digits, 16).ok()
            };
            let first = unit(rest)?;
            let after = rest.get(4..)?;
            let low = after.strip_prefix(b"\\u").and_then(unit);
            if let (0xd800..=0xdbff, Some(low @ 0xdc00..=0xdfff)) = (first, low) {
                let code = 0x1_0000 + ((first - 0xd800) << 10) + (low - 0xdc00);
                let character = char::from_u32(code)?;
                text.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
                return after.get(6..);
            }
            match char::from_u32(first) {
                Some(c) => text.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes()),
                None => text.extend_from_slice(&first.to_be_bytes()),
            }
            return Some(after);
        }
        _ => return None,
    };
    text.push(plain);
    Some(rest)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read(body: &str, paths: &mut Paths) -> Vec<(String, Value)> {
        let mut leaves = Vec::new();
        of_body(body.as_bytes(), paths, &mut leaves);
        leaves
            .iter()
            .map(|leaf| (paths.text(paths.name_of(leaf.path)).to_owned(), leaf.value))
            .collect()
    }

    fn names(body: &str) -> Vec<String> {
        read(body, &mut Paths::default()).into_iter().map(|(name, _)| name).collect()
    }

    #[test]
    fn places_are_named() {
        assert_eq!(
            names(r#"{"a":{"b":[1,{"c":null}]}}"#),
            ["$", "$.a", "$.a.b", "$.a.b[*]", "$.a.b[*]", "$.a.b[*].c"]
        );
        assert_eq!(names(r#"{"x y":1,"":2}"#), ["$", "$[\"x y\"]", "$[\"\"]"]);
        let key = "123e4567-e89b-12d3-a456-426614174000";
        assert_eq!(names(&format!(r#"{{"{key}":true}}"#)), ["$", "$.{uuid}"]);
        assert_eq!(names("<html>"), ["body"]);
        assert_eq!(names(r#"{"a":1} x"#), ["body"]);
        assert_eq!(names(""), ["body"]);
    }

    #[test]
    fn equal_documents_have_equal_values() {
        let mut paths = Paths::default();
        let one = read(
            r#" { "a" : "gr\u00fc\n\ud83d\ude00" , "b" : [ 1.0 , 2e1 ] , "a2":1, "a2":2}"#,
            &mut paths,
        );
        let two = read("{\"a2\":2,\"b\":[1,20],\"a\":\"grü\\n😀\"}", &mut paths);
        assert_eq!(one, two);
        let three = read("{\"a2\":2,\"b\":[1,20],\"a\":\"grün😀\"}", &mut paths);
        assert_ne!(one, three);
    }

    #[test]
    fn shapes_are_told() {
        let check =
            |text: &str, expected: Shape| assert_eq!(shape(text.as_bytes()), expected, "{text}");
        check("123e4567-e89b-12d3-a456-426614174000", Shape::Identity);
        check("aZ3kd92jfKQ02mxPqq1", Shape::Identity);
        check("2026-11-21T10:02:26.355Z", Shape::Time);
        check("Sat, 21 Nov 2026 10:02:26 GMT", Shape::Time);
        check("2026-11-21", Shape::Plain);
        check("paid", Shape::Plain);
        check("Blue Lamp 17", Shape::Plain);
        check("1234", Shape::Plain);
    }

    #[test]
    fn requests_are_the_same_in_any_order_and_at_any_time() {
        let digest = |body: &str| digest(body.as_bytes(), &mut Paths::default(), &mut Vec::new());
        let one = digest(r#"{"a":1,"b":[1,2],"at":"2026-11-21T10:02:26Z"}"#);
        assert_eq!(one, digest(r#"{"b":[1,2],"at":"2026-11-21T11:02:26Z","a":1.0}"#));
        assert_ne!(one, digest(r#"{"b":[2,1],"at":"2026-11-21T11:02:26Z","a":1}"#));
        assert_ne!(digest("a=1"), digest("a=2"));
    }

    #[test]
    fn depth_and_number_are_bounded() {
        assert_eq!(names(&format!("{}{}", "[".repeat(100_000), "]".repeat(100_000))), ["body"]);
        let many = format!("[{}1]", "1,".repeat(10_000));
        assert_eq!(names(&many).len(), VALUES_BODY_MAX);
    }

    proptest! {
        #[test]
        fn garbage_is_a_body(bytes: Vec<u8>, text in r#"[\[\]{}",:\\u0-9a.eE+-]{0,40}"#) {
            let mut leaves = Vec::new();
            let mut paths = Paths::default();
            for body in [&bytes[..], text.as_bytes()] {
                of_body(body, &mut paths, &mut leaves);
                prop_assert!(!leaves.is_empty());
                prop_assert!(leaves.windows(2).all(|pair| pair[0].path < pair[1].path));
            }
        }
    }
}
