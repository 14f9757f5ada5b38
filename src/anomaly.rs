//! The protocol oddities that are noted on an exchange, as a set with stable names.

/// Declares the anomalies once: variant, JSON name, meaning. The position is the bit in files,
/// so entries are only ever appended.
macro_rules! anomalies {
    ($($variant:ident $name:literal $doc:literal,)*) => {
        /// One oddity. Its position is its bit in segments: append, never reorder.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[repr(u8)]
        pub enum Anomaly { $(#[doc = $doc] $variant,)* }

        impl Anomaly {
            /// Every anomaly, in the order of its bits.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// Its name in JSON and in filters.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)* }
            }

            /// What it means, in a clause.
            #[must_use]
            pub const fn meaning(self) -> &'static str {
                match self { $(Self::$variant => $doc,)* }
            }
        }
    };
}

anomalies! {
    GapInRequest "gap_in_request" "bytes of the request were never captured",
    GapInResponse "gap_in_response" "bytes of the response were never captured",
    GapBeforeRequest "gap_before_request" "bytes before the request were never captured: the parser found its place again here",
    GapBeforeResponse "gap_before_response" "bytes before the response were never captured: the parser found its place again here",
    EarlyResponse "early_response" "the response began before the request had ended",
    ClosedEarly "closed_early" "the connection ended inside the message",
    Reset "reset" "the connection was reset",
    Expired "expired" "the connection was idle too long and was expired",
    Evicted "evicted" "the connection was given up for lack of room",
    MidStream "mid_stream" "the connection was already open when the capture saw it first",
    OneSided "one_sided" "only one direction of the connection was captured",
    AmbiguousPair "ambiguous_pair" "a gap among pipelined messages left open which request this belongs to",
    BareLineFeed "bare_line_feed" "a line ended in LF without CR",
    LeadingBlankLines "leading_blank_lines" "empty lines before the start line",
    ObsoleteFold "obsolete_fold" "a field was folded over several lines",
    OddStartLine "odd_start_line" "the start line does not follow RFC 9112 section 3 or 4",
    OddVersion "odd_version" "the HTTP version is not 1.0 or 1.1",
    OddField "odd_field" "a field line does not follow RFC 9112 section 5",
    LengthAndChunked "length_and_chunked" "both Content-Length and Transfer-Encoding: the latter decides (RFC 9112 section 6.3)",
    RepeatedLength "repeated_length" "Content-Length given more than once with the same value",
    ConflictingLength "conflicting_length" "Content-Length given with different values",
    InvalidLength "invalid_length" "Content-Length is no number that fits 64 bits",
    OddTransferEncoding "odd_transfer_encoding" "Transfer-Encoding is repeated, folded, unknown, or chunked is not its last coding",
    InvalidChunk "invalid_chunk" "the chunked coding is broken: its framing is lost from here",
    HeadTooLong "head_too_long" "the head passes the bound; the rest of it was not kept",
    UnfinishedHead "unfinished_head" "the head ended without its blank line",
    ExcessBytes "excess_bytes" "bytes that belong to no message follow it",
    ConflictingBytes "conflicting_bytes" "bytes that waited for others came again as other bytes: the first copy counts",
    ClockStepped "clock_stepped" "the capture's clock stepped back inside the exchange; a time was held at 0",
    CutFrames "cut_frames" "the snap length cut frames of the message",
    ManyInterim "many_interim" "more interim responses than are listed",
    DuplicateFrames "duplicate_frames" "frames of its connection were captured more than once while it was under way",
    SwitchedProtocol "switched_protocol" "the connection became a tunnel after it",
    Reduced "reduced" "a budget of weir was reached meanwhile: less of it was kept than asked for",
}

/// A set of anomalies: one bit each.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Anomalies(u64);

impl Anomalies {
    /// No anomaly.
    pub const NONE: Self = Self(0);

    /// The set with these bits; unknown bits are kept, so that files of later versions survive.
    #[must_use]
    pub const fn from_bits(bits: u64) -> Self {
        Self(bits)
    }

    /// The bits, lowest first in the order of [`Anomaly::ALL`].
    #[must_use]
    pub const fn bits(self) -> u64 {
        self.0
    }

    /// Adds one.
    pub const fn add(&mut self, anomaly: Anomaly) {
        self.0 |= 1 << anomaly as u8;
    }

    /// Adds all of `other`.
    pub const fn add_all(&mut self, other: Self) {
        self.0 |= other.0;
    }

    /// Whether it holds `anomaly`.
    #[must_use]
    pub const fn has(self, anomaly: Anomaly) -> bool {
        self.0 & (1 << anomaly as u8) != 0
    }

    /// Whether it holds none.
    #[must_use]
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// What it holds, in the order of the bits.
    pub fn iter(self) -> impl Iterator<Item = Anomaly> {
        Anomaly::ALL.iter().copied().filter(move |&anomaly| self.has(anomaly))
    }

    /// Whether a gap touched the exchange, so that its times are suspect.
    #[must_use]
    pub const fn is_suspect(self) -> bool {
        self.has(Anomaly::GapInRequest)
            || self.has(Anomaly::GapInResponse)
            || self.has(Anomaly::AmbiguousPair)
    }
}

impl FromIterator<Anomaly> for Anomalies {
    fn from_iter<I: IntoIterator<Item = Anomaly>>(anomalies: I) -> Self {
        let mut set = Self::NONE;
        anomalies.into_iter().for_each(|anomaly| set.add(anomaly));
        set
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_distinct_and_fit_the_word() {
        let names: std::collections::HashSet<_> = Anomaly::ALL.iter().map(|a| a.name()).collect();
        assert_eq!(names.len(), Anomaly::ALL.len());
        assert!(Anomaly::ALL.len() <= 64);
    }

    #[test]
    fn a_set_gives_back_what_was_added() {
        let set: Anomalies = [Anomaly::Reset, Anomaly::GapInRequest].into_iter().collect();
        assert_eq!(set.iter().collect::<Vec<_>>(), [Anomaly::GapInRequest, Anomaly::Reset]);
        assert!(set.is_suspect());
    }
}
