//! Tables and their like on a terminal.

use std::io::{self, Write};

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
        let width = |column: usize| {
            let cells = self.rows.iter().chain([header]).filter_map(|row| row.get(column));
            cells.map(|cell| cell.chars().count()).max().unwrap_or_default()
        };
        let widths: Vec<usize> = (0..header.len()).map(width).collect();
        for row in rows {
            let mut line = String::new();
            for (cell, width) in row.iter().zip(&widths) {
                let padding = " ".repeat(width.saturating_sub(cell.chars().count()));
                // Counts, amounts, and what stands for a count that is not told.
                let numeric = |character: char| character.is_ascii_digit() || matches!(character, '.' | '…');
                let is_number = !cell.is_empty() && cell.chars().all(numeric);
                let (before, after) = if is_number { (padding.as_str(), "") } else { ("", padding.as_str()) };
                line.push_str(before);
                line.push_str(cell);
                line.push_str(after);
                line.push_str("  ");
            }
            writeln!(out, "{}", line.trim_end())?;
        }
        Ok(())
    }
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
