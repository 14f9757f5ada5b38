//! What stands around an exchange on its connection, and the reasons why it is as it is.

use std::ops::ControlFlow;

use crate::exchange::Facts;
use crate::query::scan::{self, Question};
use crate::segment::{SegmentError, Store};

/// One link of the chain: a stable name for programs, a sentence for people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reason {
    /// Its name; it stays when the wording changes.
    pub name: &'static str,
    /// What it says.
    pub text: String,
}

/// What came before and after an exchange on its connection.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Neighbours {
    /// The exchange before it, where one was seen.
    pub before: Option<Facts>,
    /// The exchange after it, where one was seen.
    pub after: Option<Facts>,
}

impl Neighbours {
    /// Takes `other` where it is nearer to `facts` than what was found so far.
    fn take(&mut self, facts: &Facts, other: &Facts) {
        if other.connection != facts.connection {
            return;
        }
        if other.index < facts.index
            && self.before.is_none_or(|nearest| nearest.index < other.index)
        {
            self.before = Some(*other);
        }
        if other.index > facts.index && self.after.is_none_or(|nearest| nearest.index > other.index)
        {
            self.after = Some(*other);
        }
    }
}

/// Looks for what came before and after the exchange on its connection.
///
/// # Errors
///
/// Where a segment cannot be opened. Damaged blocks are passed over.
pub fn neighbours(store: &Store, facts: &Facts) -> Result<Neighbours, SegmentError> {
    let mut found = Neighbours::default();
    scan::scan(store, &Question::default(), &mut |other| {
        found.take(facts, &other.facts);
        ControlFlow::Continue(())
    })?;
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_on_the_connection_are_neighbours() {
        let at = |index: u32| Facts { index, ..Facts::default() };
        let mut found = Neighbours::default();
        for index in [0, 3, 9, 6, 4, 7, 5] {
            found.take(&at(5), &at(index));
        }
        let stranger = Facts { index: 5, ..Facts::default() };
        found.take(&at(5), &stranger);
        assert_eq!(found.before.map(|facts| facts.index), Some(4));
        assert_eq!(found.after.map(|facts| facts.index), Some(6));
    }
}
