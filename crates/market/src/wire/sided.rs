//! Levels that come row by row with their side, bids and asks mixed.
//!
//! Invariant: each side becomes one span, in the order of the frame. The rows are read twice, so that nothing is moved
//! and nothing else is allocated.

use starling_core::order::Side;

use super::batch::{Level, Span};
use super::error::WireError;
use super::json::Cursor;

/// Appends the levels of an array, the bids and then the asks; `row` reads one of its elements, `None` for
/// one to leave out.
pub(super) fn levels<'a>(
    rows: Cursor<'a>,
    levels: &mut Vec<Level>,
    mut row: impl FnMut(&mut Cursor<'a>) -> Result<Option<(Side, Level)>, WireError>,
) -> Result<[Span; 2], WireError> {
    let mut of = |wanted| {
        let start = levels.len();
        { rows }.array(|cursor| {
            let level = row(cursor)?.filter(|(side, _)| *side == wanted);
            levels.extend(level.map(|(_, level)| level));
            Ok(())
        })?;
        Ok(Span::since(start, levels.len()))
    };
    Ok([of(Side::Buy)?, of(Side::Sell)?])
}
