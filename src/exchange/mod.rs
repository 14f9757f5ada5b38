//! An exchange: a request and the final response that answers it, with its times (RFC 9110).

mod asked;
mod book;
mod conversation;
mod desk;
mod evidence;
mod facts;
mod id;
mod keys;
mod losses;
mod pending;
mod policy;
pub mod redact;
pub mod route;

pub(crate) use asked::{host_of_line, write_asked};
pub use conversation::{Conversation, Coverage, Ear, Farewell};
pub use desk::Desk;
pub use evidence::{Evidence, Loss, Network};
pub use facts::{ConnectionKey, Facts, MessageFacts, State, Timing};
pub use id::{ExchangeId, Identities};
pub use pending::Pending;
pub use policy::{Heads, Policy, Secrets};

/// One exchange in full: the numbers, and the text of its messages.
///
/// Made to be reused: whoever receives one borrows it, and its buffers serve the next.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Exchange {
    /// Every number: endpoints, state, times, lengths, status, anomalies.
    pub facts: Facts,
    /// The request's text; empty where it was not seen.
    pub request: MessageText,
    /// The final response's text; empty where it was not seen.
    pub response: MessageText,
    /// Method, host and target of the request (`GET shop.test/cart?x=1`), redacted unless secrets
    /// are kept, not escaped; only where that is all that is kept of it ([`Heads::Line`]), else
    /// empty.
    pub asked: Vec<u8>,
    /// Statuses of the interim (1xx) responses, in order.
    pub interim: Vec<u16>,
    /// Route pattern of the request without its method (`/users/{int}`); empty without request.
    pub route: String,
}

/// The text of one message.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MessageText {
    /// The head from the first byte of its start line through its blank line, redacted unless
    /// secrets are kept; line ends as sent. Empty where heads are not kept.
    pub head: Vec<u8>,
    /// What was kept of the body, after the chunked coding is removed and before content
    /// decoding; gaps are left out. `None` where bodies are not kept.
    pub body: Option<Vec<u8>>,
}

impl MessageText {
    /// Empties it and keeps its room.
    pub fn clear(&mut self) {
        self.head.clear();
        self.body = None;
    }
}

impl Exchange {
    /// Empties it and keeps its room.
    #[inline]
    pub fn clear(&mut self) {
        self.facts = Facts::default();
        self.request.clear();
        self.response.clear();
        self.asked.clear();
        self.interim.clear();
        self.route.clear();
    }

    /// Its identity, derived from its connection and its index there.
    #[must_use]
    pub fn id(&self) -> ExchangeId {
        self.facts.id()
    }
}
