//! What is wrong with a filter, shown with a caret under the word and what could stand there.

use std::fmt;
use std::ops::Range;

use annotate_snippets::{AnnotationKind, Level, Renderer, Snippet};

/// A filter that cannot be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FilterError {
    pub(super) expression: String,
    pub(super) mistake: Mistake,
}

/// One mistake in an expression.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Mistake {
    /// The bytes of the expression that it concerns; empty at its end.
    pub(super) span: Range<usize>,
    /// What is wrong.
    pub(super) title: String,
    /// What could stand there, in a few words.
    pub(super) label: String,
    /// What else would help, in a sentence.
    pub(super) help: Option<String>,
}

impl Mistake {
    pub(super) fn new(
        span: Range<usize>,
        title: impl Into<String>,
        label: impl Into<String>,
    ) -> Self {
        Self { span, title: title.into(), label: label.into(), help: None }
    }

    pub(super) fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }
}

impl FilterError {
    /// The bytes of the expression that are wrong; empty where something is missing at its end.
    #[must_use]
    pub fn span(&self) -> Range<usize> {
        self.mistake.span.clone()
    }

    /// What is wrong, in one line.
    #[must_use]
    pub fn title(&self) -> &str {
        &self.mistake.title
    }

    fn rendered(&self, renderer: &Renderer) -> String {
        let annotation =
            AnnotationKind::Primary.span(self.span()).label(self.mistake.label.as_str());
        let snippet = Snippet::source(self.expression.as_str()).annotation(annotation);
        let mut group = Level::ERROR.primary_title(self.title()).element(snippet);
        if let Some(help) = &self.mistake.help {
            group = group.element(Level::HELP.message(help.as_str()));
        }
        renderer.render(&[group])
    }

    /// The same text as displayed, in colours.
    #[must_use]
    pub fn coloured(&self) -> String {
        self.rendered(&Renderer::styled())
    }
}

/// Several lines: what is wrong, the expression with a caret, and what would help.
impl fmt::Display for FilterError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.rendered(&Renderer::plain()))
    }
}

impl std::error::Error for FilterError {}

/// The candidate that `word` was probably meant to be, if one is near.
pub(crate) fn nearest<'a>(
    word: &str,
    candidates: impl IntoIterator<Item = &'a str>,
) -> Option<&'a str> {
    let room = (word.len() / 3).max(1);
    candidates
        .into_iter()
        .map(|candidate| (distance(&word.to_ascii_lowercase(), candidate), candidate))
        .filter(|(distance, _)| *distance <= room)
        .min()
        .map(|(_, candidate)| candidate)
}

/// How many letters must be put in, left out, changed or swapped with their neighbour.
fn distance(left: &str, right: &str) -> usize {
    let right: Vec<char> = right.chars().collect();
    let mut row: Vec<usize> = (0..=right.len()).collect();
    let mut above_row = row.clone();
    let mut before: Option<char> = None;
    for (line, letter) in left.chars().enumerate() {
        let mut next = vec![line + 1];
        for (column, &other) in right.iter().enumerate() {
            let at = |row: &[usize], column: usize| row.get(column).copied().unwrap_or(0);
            let change = at(&row, column) + usize::from(letter != other);
            let mut least = change.min(at(&row, column + 1) + 1).min(at(&next, column) + 1);
            let swapped = column > 0
                && before == Some(other)
                && right.get(column - 1).is_some_and(|&earlier| earlier == letter);
            if swapped {
                least = least.min(at(&above_row, column - 1) + 1);
            }
            next.push(least);
        }
        above_row = std::mem::replace(&mut row, next);
        before = Some(letter);
    }
    row.last().copied().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_of_the_finger_is_one_step() {
        assert_eq!(distance("status", "status"), 0);
        assert_eq!(distance("sttaus", "status"), 1);
        assert_eq!(distance("statu", "status"), 1);
        assert_eq!(distance("xstatus", "status"), 1);
        assert_eq!(distance("", "abc"), 3);
        assert_eq!(nearest("Sttus", ["state", "status", "start"]), Some("status"));
        assert_eq!(nearest("zebra", ["state", "status"]), None);
    }
}
