//! Attributes of a span or a resource: names, and values that are bounded.

use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::common::v1::{AnyValue, ArrayValue, KeyValue};

use crate::limits::OTLP_VALUE_BYTES_MAX;

/// Attributes in the order in which they were added.
#[derive(Debug, Default)]
pub(super) struct Attributes(pub(super) Vec<KeyValue>);

impl Attributes {
    /// Adds text. Bytes that are not UTF-8 stand as their Latin-1 characters, as in JSON Lines.
    pub(super) fn text(&mut self, key: &str, value: &[u8]) {
        self.push(key, Value::StringValue(bounded(value)));
    }

    /// Adds a number.
    pub(super) fn number(&mut self, key: &str, value: u64) {
        self.push(key, Value::IntValue(i64::try_from(value).unwrap_or(i64::MAX)));
    }

    /// Adds a number where it is known.
    pub(super) fn optional_number(&mut self, key: &str, value: Option<u64>) {
        if let Some(value) = value {
            self.number(key, value);
        }
    }

    /// Adds yes or no.
    pub(super) fn flag(&mut self, key: &str, value: bool) {
        self.push(key, Value::BoolValue(value));
    }

    /// Adds words, if there are any.
    pub(super) fn words<'w>(&mut self, key: &str, words: impl Iterator<Item = &'w str>) {
        let word = |word: &str| AnyValue { value: Some(Value::StringValue(word.to_owned())) };
        let values: Vec<AnyValue> = words.map(word).collect();
        if !values.is_empty() {
            self.push(key, Value::ArrayValue(ArrayValue { values }));
        }
    }

    fn push(&mut self, key: &str, value: Value) {
        let value = Some(AnyValue { value: Some(value) });
        self.0.push(KeyValue { key: key.to_owned(), value, ..KeyValue::default() });
    }
}

/// Text of bounded length; a longer one is cut and says so.
fn bounded(value: &[u8]) -> String {
    // Latin-1 takes up to two bytes a character: what is far beyond the bound is not looked at.
    let head = value.get(..OTLP_VALUE_BYTES_MAX + 4).unwrap_or(value);
    let mut text = match std::str::from_utf8(head) {
        Ok(text) => text.to_owned(),
        Err(error) if error.error_len().is_none() && head.len() < value.len() => {
            String::from_utf8_lossy(head.get(..error.valid_up_to()).unwrap_or_default()).into()
        }
        Err(_) => head.iter().map(|&byte| char::from(byte)).collect(),
    };
    if text.len() > OTLP_VALUE_BYTES_MAX {
        let cut = (0..=OTLP_VALUE_BYTES_MAX).rev().find(|&at| text.is_char_boundary(at));
        text.truncate(cut.unwrap_or(0));
        text.push_str("{...}");
    }
    text
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn long_text_is_cut_between_characters_and_says_so() {
        for long in ["é".repeat(3000), format!("x{}", "é".repeat(3000)), "€".repeat(3000)] {
            let cut = bounded(long.as_bytes());
            let kept = cut.strip_suffix("{...}").expect("it says so");
            assert!(long.starts_with(kept) && kept.len() + 3 > OTLP_VALUE_BYTES_MAX, "{cut}");
        }
        let whole = "é".repeat(OTLP_VALUE_BYTES_MAX / 2);
        assert_eq!(bounded(whole.as_bytes()), whole);
    }

    proptest! {
        #[test]
        fn any_bytes_become_bounded_text(value in prop::collection::vec(any::<u8>(), 0..6000)) {
            let text = bounded(&value);
            prop_assert!(text.len() <= OTLP_VALUE_BYTES_MAX + 5);
            if let (Ok(same), true) = (std::str::from_utf8(&value), value.len() <= 2048) {
                prop_assert_eq!(text, same);
            }
        }
    }
}
