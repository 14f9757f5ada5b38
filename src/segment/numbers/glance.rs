//! A block's numbers of which no more is unpacked than a question of states, statuses and times
//! needs.

use super::read::{Numbers, Reader, sum};
use super::{Column, Shape, TOTAL};
use crate::anomaly::Anomalies;
use crate::exchange::{Facts, MessageFacts};
use crate::segment::cursor::Malformed;
use crate::segment::summary::Metric;

/// A glance at the numbers of a block: what its exchanges have in common at once, columns when
/// they are asked for.
#[derive(Debug)]
pub struct Glance<'a> {
    reader: Reader<'a>,
    shapes: Vec<Shape>,
    /// Positions in `shapes`, a row each, once they were asked for.
    rows: Vec<u64>,
}

impl<'a> Glance<'a> {
    pub(in crate::segment) fn read(bytes: &'a [u8]) -> Result<Self, Malformed> {
        let reader = Reader::new(bytes)?;
        let shapes = Numbers::only_shapes(&reader)?;
        Ok(Self { reader, shapes, rows: Vec::new() })
    }

    /// How many exchanges the block holds.
    #[must_use]
    pub fn len(&self) -> usize {
        self.reader.rows()
    }

    /// Whether it holds none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The combinations of state, status, anomalies and framing that occur, as facts of which
    /// nothing else is filled in.
    pub fn shapes(&self) -> impl Iterator<Item = Facts> + '_ {
        self.shapes.iter().map(|shape| {
            let message = |shift| {
                let framing = shape.framing(shift)?;
                Some(MessageFacts { framing, ..MessageFacts::default() })
            };
            Facts {
                state: shape.state().unwrap_or_default(),
                status: shape.status,
                anomalies: Anomalies::from_bits(shape.anomalies),
                request: message(3),
                response: message(6),
                ..Facts::default()
            }
        })
    }

    /// Which of [`Glance::shapes`] each exchange has, by position; `None` where the block is
    /// damaged.
    pub fn rows(&mut self) -> Option<&[u64]> {
        if self.rows.is_empty() {
            let rows = self.reader.table(Column::Shape).ok()?;
            let shapes = self.shapes.len() as u64;
            if rows.iter().any(|&shape| shape >= shapes) {
                return None;
            }
            self.rows = rows;
        }
        Some(&self.rows)
    }

    /// Calls `visit` with that time of each exchange, in nanoseconds; `None` where the block is
    /// damaged.
    pub fn times(&mut self, metric: Metric, visit: &mut impl FnMut(Option<u64>)) -> Option<()> {
        self.rows()?;
        let of_total = [Column::Send, Column::Wait, Column::Receive, Column::Total];
        let ids = match metric {
            Metric::Total => &of_total[..],
            Metric::Wait => &[Column::Wait],
            Metric::Blocked => &[Column::Blocked],
            Metric::Send => &[Column::Send],
            Metric::Receive => &[Column::Receive],
            Metric::Connect => &[Column::Connect],
        };
        let mut columns = Vec::new();
        for &id in ids {
            let flag = id.flag();
            let rows = self.rows.iter().filter(|&&shape| self.has(shape, flag)).count();
            columns.push((flag, self.reader.column(id as usize, rows).ok()?.into_iter()));
        }
        for &shape in &self.rows {
            let mut time = 0_u64;
            let mut is_there = false;
            for (flag, values) in &mut columns {
                is_there = self.has(shape, *flag);
                if is_there {
                    let value = values.next()?;
                    // The column of totals holds what they are more than their phases.
                    let is_rest = *flag == TOTAL;
                    time = if is_rest { sum(time, value) } else { time.wrapping_add(value) };
                }
            }
            visit(is_there.then_some(time));
        }
        Some(())
    }

    fn has(&self, shape: u64, flag: u64) -> bool {
        let shape = usize::try_from(shape).ok().and_then(|at| self.shapes.get(at));
        shape.is_some_and(|shape| shape.has(flag))
    }
}
