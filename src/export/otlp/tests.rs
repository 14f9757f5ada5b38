//! Exchanges made by hand, and the spans that come of them.
