//! Tables and their like on a terminal.

use std::io::{self, Write};

use crate::domain::path::is_control;

/// Rows from which the widths of columns are worked out where a table has more than can be waited for.
const MEASURED_ROWS: usize = 1_000;

/// A table with a header; columns as wide as their widest cell.
pub(super) struct Table {
    header: Vec<&'static str>,
    rows: Vec<Vec<String>>,
}

impl Table {
    pub fn new(header: &[&'static str]) -> Self {
        Self { header: header.to_vec(), rows: Vec::new() }
    }

    pub fn row(&mut self, cells: Vec<String>) {
        self.rows.push(cells);
    }

    /// Prints it. Cells of numbers stand to the right.
    pub fn print(&self) -> io::Result<()> {
        let header: Vec<String> = self.header.iter().map(|name| (*name).to_owned()).collect();
        self.print_lines([&header].into_iter().chain(&self.rows), &header)
    }

    /// Prints its rows alone.
    pub fn print_rows(&self) -> io::Result<()> {
        let header: Vec<String> = self.header.iter().map(|name| (*name).to_owned()).collect();
        self.print_lines(self.rows.iter(), &header)
    }

    fn print_lines<'a>(&self, rows: impl Iterator<Item = &'a Vec<String>>, header: &Vec<String>) -> io::Result<()> {
        let mut out = io::stdout().lock();
        let widths = self.widths(header);
        for row in rows {
            print_line(&mut out, row, &widths)?;
        }
        Ok(())
    }

    fn widths(&self, header: &Vec<String>) -> Vec<usize> {
        let width = |column: usize| {
            let cells = self.rows.iter().chain([header]).filter_map(|row| row.get(column));
            cells.map(|cell| cell.chars().count()).max().unwrap_or_default()
        };
        (0..header.len()).map(width).collect()
    }
}

/// A table of any length, of which no more than so many rows are ever held: columns are as wide as the widest cell of the
/// first rows, and what is wider later pushes its line along.
pub(super) struct LongTable<W> {
    first: Table,
    widths: Option<Vec<usize>>,
    out: W,
}

impl<W: Write> LongTable<W> {
    pub fn new(header: &[&'static str], out: W) -> Self {
        Self { first: Table::new(header), widths: None, out }
    }

    pub fn row(&mut self, cells: Vec<String>) -> io::Result<()> {
        if let Some(widths) = &self.widths {
            return print_line(&mut self.out, &cells, widths);
        }
        self.first.row(cells);
        if self.first.rows.len() < MEASURED_ROWS { Ok(()) } else { self.begin() }
    }

    /// Prints what is still held.
    pub fn end(mut self) -> io::Result<()> {
        if self.widths.is_none() { self.begin() } else { Ok(()) }
    }

    fn begin(&mut self) -> io::Result<()> {
        let header: Vec<String> = self.first.header.iter().map(|name| (*name).to_owned()).collect();
        let widths = self.first.widths(&header);
        for row in [header].into_iter().chain(self.first.rows.drain(..)) {
            print_line(&mut self.out, &row, &widths)?;
        }
        self.widths = Some(widths);
        Ok(())
    }
}

fn print_line(out: &mut impl Write, row: &[String], widths: &[usize]) -> io::Result<()> {
    let mut line = String::new();
    for (cell, width) in row.iter().zip(widths) {
        let padding = " ".repeat(width.saturating_sub(cell.chars().count()));
        // Counts, amounts, and what stands for a count that is not told.
        let numeric = |character: char| character.is_ascii_digit() || matches!(character, '.' | '…');
        // An address has more points.
        let is_number = !cell.is_empty() && cell.chars().all(numeric) && cell.matches('.').count() <= 1;
        let (before, after) = if is_number { (padding.as_str(), "") } else { ("", padding.as_str()) };
        line.push_str(before);
        // It may be of somebody else's making, as in an altered copy: nothing in it may steer the terminal or end the line.
        line.extend(cell.chars().map(|character| if is_control(character) { ' ' } else { character }));
        line.push_str(after);
        line.push_str("  ");
    }
    writeln!(out, "{}", line.trim_end())
}

/// Prints a value as JSON, indented.
pub(super) fn print_json(value: &serde_json::Value) -> io::Result<()> {
    let mut out = io::stdout().lock();
    serde_json::to_writer_pretty(&mut out, value)?;
    writeln!(out)
}

/// Prints a value as JSON before a verdict or work that comes of it all the same: that nobody reads on is no reason to end.
pub(super) fn print_json_first(value: &serde_json::Value) -> io::Result<()> {
    match print_json(value) {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        printed => printed,
    }
}

/// How far something is, on standard error.
pub(super) fn progress(text: &str) {
    eprintln!("groeikluis: {text}");
}

/// A line on standard output; that nobody reads it any more is no reason to fail.
pub(super) fn say(text: &str) {
    let _ = writeln!(io::stdout().lock(), "{text}");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_stand_to_the_right_and_addresses_do_not() {
        let mut out = Vec::new();
        for cell in ["12", "900.00", "192.0.2.7", "a"] {
            print_line(&mut out, &[cell.to_owned(), "|".to_owned()], &[10, 1]).unwrap();
        }
        let text = String::from_utf8(out).unwrap();
        assert_eq!(text, "        12  |\n    900.00  |\n192.0.2.7   |\na           |\n");
    }

    #[test]
    fn no_cell_steers_the_terminal_or_ends_its_line() {
        let mut out = Vec::new();
        let mut table = LongTable::new(&["key", "reason"], &mut out);
        table.row(vec!["a\n1  login".to_owned(), "\u{1b}[2J\u{9b}1m\u{202e}b\r".to_owned()]).unwrap();
        table.end().unwrap();
        let text = String::from_utf8(out).unwrap();
        assert_eq!(text, "key         reason\na 1  login   [2J 1m b\n");
    }

    #[test]
    fn a_long_table_holds_its_first_rows_alone() {
        let mut out = Vec::new();
        let mut table = LongTable::new(&["seq", "what"], &mut out);
        for number in 0..MEASURED_ROWS {
            table.row(vec![number.to_string(), "a".to_owned()]).unwrap();
        }
        assert!(table.first.rows.is_empty(), "they were printed, and are held no longer");
        table.row(vec!["123456".to_owned(), "b".to_owned()]).unwrap();
        assert!(table.first.rows.is_empty());
        table.end().unwrap();
        let text = String::from_utf8(out).unwrap();
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!((lines.len(), lines[0], lines[1]), (MEASURED_ROWS + 2, "seq  what", "  0  a"));
        assert_eq!((lines[MEASURED_ROWS], lines[MEASURED_ROWS + 1]), ("999  a", "123456  b"));
    }

    #[test]
    fn a_short_table_is_printed_at_its_end() {
        let mut out = Vec::new();
        let mut table = LongTable::new(&["seq", "what"], &mut out);
        table.row(vec!["123456".to_owned(), "b".to_owned()]).unwrap();
        table.end().unwrap();
        assert_eq!(out, b"seq     what\n123456  b\n");
        let mut out = Vec::new();
        LongTable::new(&["seq", "what"], &mut out).end().unwrap();
        assert_eq!(out, b"seq  what\n");
    }
}
