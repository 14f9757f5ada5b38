//! What of the messages is kept, and what must never be.

/// What of the messages is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Policy {
    /// How much of the heads.
    pub heads: Heads,
    /// Most bytes of each body; `None`: bodies are not kept, only measured.
    pub body_bytes_max: Option<usize>,
    /// What becomes of secrets in what is kept.
    pub secrets: Secrets,
}

/// How much of the heads is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Heads {
    /// None: the request's method, host and target are told in a line ([`Exchange::asked`]), and the
    /// route is not named.
    ///
    /// [`Exchange::asked`]: crate::exchange::Exchange::asked
    Line,
    /// The request's method, and the route is named: enough to group by them.
    Route,
    /// The request's start line and its Host field: enough for method, target, host and route.
    Brief,
    /// Both heads whole.
    Whole,
}

/// What becomes of secrets in heads and bodies that are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Secrets {
    /// Their values are replaced before anything is stored or printed.
    Redacted,
    /// They stay, because the user asked for it.
    Kept,
}

impl Default for Policy {
    fn default() -> Self {
        Self { heads: Heads::Whole, body_bytes_max: None, secrets: Secrets::Redacted }
    }
}
