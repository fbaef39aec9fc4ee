//! The rows of the register, 32 bytes each, in segments that never move.

use jiff::civil::Date;
use zeroize::{Zeroize, Zeroizing};

use super::text::TextAt;
use crate::domain::Niss;

/// A row's place, in the order of the extract.
pub(super) type RowAt = u32;

/// Rows in a segment: 1 MiB.
const SEGMENT_ROWS: usize = 1 << 15;

/// One (child, beneficiary) of the extract.
///
/// Whatever is needed to select rows stands here, so that a pass over all of them reads nothing else.
#[derive(Clone, Copy)]
pub(super) struct Row {
    pub(super) child: Niss,
    pub(super) beneficiary: Niss,
    /// Last and first name of the child.
    pub(super) names: TextAt,
    /// Names, address and account of the beneficiary.
    pub(super) household: TextAt,
    /// Unique per dossier.
    pub(super) dossier: u32,
    pub(super) birth: PackedDate,
    /// Place in the register's list of municipalities.
    pub(super) municipality: u16,
    pub(super) postcode: u16,
    /// Place in the register's list of combinations of sources.
    pub(super) sources: u16,
    pub(super) rank: u8,
    pub(super) family_size: u8,
    pub(super) flags: Flags,
}

/// Yes-or-no facts of a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Flags(u8);

impl Flags {
    /// The household has one parent.
    pub(super) const SINGLE_PARENT: Self = Self(1);
    /// The child has an earlier row.
    pub(super) const IS_LATER: Self = Self(2);
    /// The child has a later row.
    pub(super) const HAS_LATER: Self = Self(4);

    pub(super) fn set(&mut self, flag: Self) {
        self.0 |= flag.0;
    }

    pub(super) fn has(self, flag: Self) -> bool {
        self.0 & flag.0 != 0
    }
}

/// A date of 1950 to 2077 in 16 bits, or none, which is 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub(super) struct PackedDate(u16);

/// The year before which no child of a register is born; seven bits of years follow it.
const FIRST_YEAR: i16 = 1950;

impl PackedDate {
    /// Packs a date in range.
    pub(super) fn new(date: Date) -> Option<Self> {
        let years = u16::try_from(date.year() - FIRST_YEAR).ok().filter(|years| *years < 1 << 7)?;
        let (month, day) = (u16::try_from(date.month()).ok()?, u16::try_from(date.day()).ok()?);
        Some(Self(years << 9 | month << 5 | day))
    }

    /// The date, when there is one.
    pub(super) fn date(self) -> Option<Date> {
        let year = i16::try_from(self.0 >> 9).ok()? + FIRST_YEAR;
        let (month, day) = (i8::try_from(self.0 >> 5 & 15).ok()?, i8::try_from(self.0 & 31).ok()?);
        Date::new(year, month, day).ok()
    }
}

impl Zeroize for Row {
    fn zeroize(&mut self) {
        // The rest points into texts that are wiped too, or is no personal fact without a number beside it.
        self.child.zeroize();
        self.beneficiary.zeroize();
    }
}

/// All rows. Wiped when it goes.
#[derive(Default)]
pub(super) struct Rows {
    segments: Vec<Zeroizing<Vec<Row>>>,
    len: RowAt,
}

impl Rows {
    /// Adds a row.
    #[inline]
    pub(super) fn push(&mut self, row: Row) {
        match self.segments.last_mut() {
            Some(segment) if segment.len() < SEGMENT_ROWS => segment.push(row),
            _ => {
                let mut segment = Zeroizing::new(Vec::with_capacity(SEGMENT_ROWS));
                segment.push(row);
                self.segments.push(segment);
            }
        }
        self.len += 1;
    }

    /// How many there are.
    pub(super) fn len(&self) -> RowAt {
        self.len
    }

    /// The row at that place.
    pub(super) fn row(&self, at: RowAt) -> Option<&Row> {
        let at = at as usize;
        self.segments.get(at / SEGMENT_ROWS).and_then(|segment| segment.get(at % SEGMENT_ROWS))
    }

    /// The row at that place, to set a flag.
    pub(super) fn row_mut(&mut self, at: RowAt) -> Option<&mut Row> {
        let at = at as usize;
        self.segments.get_mut(at / SEGMENT_ROWS).and_then(|segment| segment.get_mut(at % SEGMENT_ROWS))
    }

    /// All rows, in order.
    pub(super) fn iter(&self) -> impl Iterator<Item = &Row> {
        self.segments.iter().flat_map(|segment| segment.iter())
    }

    /// The rows from that place on.
    pub(super) fn from(&self, at: RowAt) -> impl Iterator<Item = &Row> {
        let (segment, in_segment) = (at as usize / SEGMENT_ROWS, at as usize % SEGMENT_ROWS);
        let first = self.segments.get(segment).and_then(|first| first.get(in_segment..)).unwrap_or_default();
        let others = self.segments.get(segment + 1..).unwrap_or_default();
        first.iter().chain(others.iter().flat_map(|segment| segment.iter()))
    }

    /// Bytes on the heap.
    pub(super) fn heap_bytes(&self) -> usize {
        let rows: usize = self.segments.iter().map(|segment| segment.capacity()).sum();
        rows * size_of::<Row>() + self.segments.capacity() * size_of::<Zeroizing<Vec<Row>>>()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::civil::date;

    #[test]
    fn a_row_is_half_a_cache_line() {
        assert_eq!(size_of::<Row>(), 32);
    }

    #[test]
    fn dates_are_packed_in_order() {
        let dates = [date(1950, 1, 1), date(1999, 12, 31), date(2000, 1, 1), date(2000, 2, 29), date(2077, 12, 31)];
        let packed: Vec<PackedDate> = dates.iter().map(|date| PackedDate::new(*date).unwrap()).collect();
        assert!(packed.is_sorted());
        assert_eq!(packed.iter().filter_map(|packed| packed.date()).collect::<Vec<_>>(), dates);
        assert_eq!(PackedDate::default().date(), None);
        assert_eq!((PackedDate::new(date(1949, 12, 31)), PackedDate::new(date(2078, 1, 1))), (None, None));
    }
}
