//! The language of `--where`: what an expression asks of an exchange, and how it is answered.
//!
//! An exchange that lacks what a comparison asks about (the status of an unanswered request, a
//! header that was not sent) makes it false, whatever the operator: `status != 200` asks for
//! another status, not for none. `not` turns around what is in it: `not status = 200` holds for
//! every exchange without the status 200, answered or not. Of a header sent several times, `=`,
//! `~` and `contains` ask for one that matches, `!=` and `!~` for none.

mod error;
mod expression;
mod field;
mod parse;
mod token;
mod value;

use std::fmt;

pub use error::FilterError;
pub(crate) use error::nearest;

use expression::{Expression, Need};

use crate::exchange::Facts;
use crate::query::text::Text;
use crate::segment::{BlockInfo, Segment};

/// A question with the answer yes or no, asked of one exchange after the other.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    expression: Expression,
    source: String,
}

impl Filter {
    /// Reads an expression: `status >= 500 and total > 200ms and route ~ "^POST /cart"`.
    ///
    /// # Errors
    ///
    /// A mistake in it, with its place and what could stand there.
    pub fn parse(source: &str) -> Result<Self, FilterError> {
        match parse::expression(source) {
            Ok(mut expression) => {
                expression.cheapest_first();
                Ok(Self { expression, source: source.to_owned() })
            }
            Err(mistake) => Err(FilterError { expression: source.to_owned(), mistake }),
        }
    }

    /// Whether the exchange with these numbers and this text passes. The text is asked for only
    /// where the numbers have not decided.
    pub fn matches(&self, facts: &Facts, text: &mut dyn Text) -> bool {
        self.expression.holds(facts, text)
    }

    /// Whether every exchange passes: the filter of a question without one.
    #[must_use]
    pub fn is_everything(&self) -> bool {
        self.expression.is_everything()
    }

    /// Whether methods, routes, hosts or heads may be asked for.
    #[must_use]
    pub fn needs_text(&self) -> bool {
        self.expression.need() >= Need::Text
    }

    /// Whether heads may be asked for.
    #[must_use]
    pub fn needs_heads(&self) -> bool {
        self.expression.need() >= Need::Heads
    }

    /// The rows of a segment's block that could pass, ascending, by a glance at its numbers;
    /// `None` where all could. Rows that are not told do not pass.
    #[must_use]
    pub fn candidates(&self, segment: &Segment, block: usize) -> Option<Vec<u16>> {
        if !self.expression.is_of_columns() {
            return None;
        }
        segment.glance(block, |glance| self.expression.candidates(glance)).flatten()
    }

    /// Whether some exchange of a block could pass. `false` is certain.
    #[must_use]
    pub fn could_match(&self, info: &BlockInfo) -> bool {
        self.expression.within(info).yes
    }
}

/// The expression as it was written.
impl fmt::Display for Filter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.source)
    }
}

#[cfg(test)]
mod tests;
