//! Colours, where they were asked for.

use std::fmt;

/// Whether a report is coloured.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Style {
    /// Text alone.
    #[default]
    Plain,
    /// With the colour orders that every terminal knows (ECMA-48 SGR).
    Coloured,
}

/// What a piece of text is, which decides its colour.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    /// What leads the eye: a route, a heading.
    Heading,
    /// What matters less: an interval, a time stamp.
    Faint,
    /// All is well.
    Good,
    /// Something is odd.
    Odd,
    /// Something failed.
    Bad,
}

impl Style {
    /// `text` in the colour of its role. The text must have been escaped before.
    pub(crate) const fn paint<T: fmt::Display>(self, role: Role, text: T) -> Painted<T> {
        Painted { style: self, role, text }
    }
}

/// Text with its colour.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Painted<T> {
    style: Style,
    role: Role,
    text: T,
}

/// Width and alignment are those of the text: the orders take no room.
impl<T: fmt::Display> fmt::Display for Painted<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.style == Style::Plain {
            return self.text.fmt(f);
        }
        let order = match self.role {
            Role::Heading => "1",
            Role::Faint => "2",
            Role::Good => "32",
            Role::Odd => "33",
            Role::Bad => "31",
        };
        write!(f, "\x1b[{order}m")?;
        self.text.fmt(f)?;
        f.write_str("\x1b[0m")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_text_stays_and_coloured_text_is_reset() {
        assert_eq!(format!("{:>4}", Style::Plain.paint(Role::Bad, "x")), "   x");
        assert_eq!(format!("{:>2}", Style::Coloured.paint(Role::Bad, "x")), "\x1b[31m x\x1b[0m");
    }
}
