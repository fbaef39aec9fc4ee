//! Tables on their way out: the columns of a default layout that a protocol allows, and rows in memory that is wiped.

use std::io::{self, Write};

use zeroize::Zeroizing;

use crate::domain::{Column, Kind};

/// The columns of a kind that leave, in the layout's order, each with the field that fills it.
pub(super) struct Narrowed<F> {
    columns: Vec<Column>,
    fields: Vec<F>,
}

impl<F: Copy> Narrowed<F> {
    /// The layout of `kind` narrowed to `columns`, whatever order they come in.
    ///
    /// # Errors
    /// `InvalidInput` for a column that is not of this layout.
    pub fn of(kind: Kind, columns: &[Column], field: impl Fn(Column) -> Option<F>) -> io::Result<Self> {
        let layout = kind.columns();
        if !columns.iter().all(|column| layout.contains(column)) {
            return Err(invalid(format!("a column outside the layout of {kind}")));
        }
        let columns: Vec<Column> = layout.iter().copied().filter(|column| columns.contains(column)).collect();
        let fields = columns.iter().copied().filter_map(field).collect();
        Ok(Self { columns, fields })
    }

    /// The header, with its line end.
    pub fn header(&self) -> String {
        let names: Vec<&str> = self.columns.iter().map(|column| column.name()).collect();
        names.join(";") + "\n"
    }

    /// Adds a row; `cell` adds one field's value to it.
    pub fn row(&self, out: &mut Vec<u8>, mut cell: impl FnMut(&mut Vec<u8>, F)) {
        for (at, field) in self.fields.iter().enumerate() {
            if at > 0 {
                out.push(b';');
            }
            cell(out, *field);
        }
        out.push(b'\n');
    }
}

/// What is handed on at once, bytes: enough that sealing works in bulk.
const FULL_BYTES: usize = 64 << 10;

/// Room for the row that goes beyond that, bytes: a line of the register has at most 16 KiB, which quotes may double.
/// A buffer that had to grow would leave a copy behind in memory that nobody wipes.
const ROW_BYTES: usize = 64 << 10;

/// A writer with a buffer that is wiped.
pub(super) struct Wiped<W> {
    out: W,
    buffer: Zeroizing<Vec<u8>>,
}

impl<W: Write> Wiped<W> {
    /// Writes to `out`.
    pub fn new(out: W) -> Self {
        Self { out, buffer: Zeroizing::new(Vec::with_capacity(FULL_BYTES + ROW_BYTES)) }
    }

    /// Lets `add` add a row.
    pub fn row(&mut self, add: impl FnOnce(&mut Vec<u8>)) -> io::Result<()> {
        add(&mut self.buffer);
        if self.buffer.len() >= FULL_BYTES { self.hand_on() } else { Ok(()) }
    }

    /// Hands the rest on. What is not finished is lost.
    pub fn finish(mut self) -> io::Result<()> {
        self.hand_on()
    }

    fn hand_on(&mut self) -> io::Result<()> {
        self.out.write_all(&self.buffer)?;
        self.buffer.clear();
        Ok(())
    }
}

impl<W: Write> Write for Wiped<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let part = bytes.get(..bytes.len().min(ROW_BYTES)).unwrap_or(bytes);
        self.row(|buffer| buffer.extend_from_slice(part))?;
        Ok(part.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.hand_on()
    }
}

/// What the caller passed cannot be written.
pub(super) fn invalid(problem: impl Into<String>) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, problem.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_comes_out_in_order() {
        let mut out = Vec::new();
        let mut wiped = Wiped::new(&mut out);
        let mut expected = Vec::new();
        for number in 0..30_000_u32 {
            let row = format!("{number};\n");
            wiped.row(|buffer| buffer.extend_from_slice(row.as_bytes())).unwrap();
            expected.extend_from_slice(row.as_bytes());
        }
        let long = vec![b'x'; 300_000];
        wiped.write_all(&long).unwrap();
        expected.extend_from_slice(&long);
        assert_eq!(wiped.buffer.capacity(), FULL_BYTES + ROW_BYTES);
        wiped.finish().unwrap();
        assert_eq!(out, expected);
    }

    #[test]
    fn a_full_disk_is_told() {
        struct Full;
        impl Write for Full {
            fn write(&mut self, _: &[u8]) -> io::Result<usize> {
                Err(io::ErrorKind::StorageFull.into())
            }
            fn flush(&mut self) -> io::Result<()> {
                Ok(())
            }
        }
        let mut wiped = Wiped::new(Full);
        wiped.row(|buffer| buffer.push(b'x')).unwrap();
        assert_eq!(wiped.finish().map_err(|error| error.kind()), Err(io::ErrorKind::StorageFull));
    }
}
