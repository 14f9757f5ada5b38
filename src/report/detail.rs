//! Placeholder.
/// x
pub fn exchange(_: &crate::exchange::Exchange, _: usize, _: super::Style) -> String {
    String::new()
}
