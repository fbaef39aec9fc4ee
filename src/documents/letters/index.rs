//! The index for the printer: a row for each letter, with where it stands and what its envelope says.

use zeroize::Zeroizing;

use super::{address::MOST_LINES, print::Batch};
use crate::documents::csv;

/// An index, written batch after batch.
///
/// Columns: the PDF's name, the letter's id, its first page in that PDF (from 1), its number of pages, the lines of the
/// address (`adresregel_1` to `adresregel_7`, empty where there are fewer), and the SHA-256 of the PDF. The printer
/// checks with it that nothing is missing, and that each sheet went into its own envelope.
pub struct Index {
    out: Zeroizing<Vec<u8>>,
}

impl Index {
    /// With the header.
    pub fn new() -> Self {
        let mut out = Zeroizing::new(b"bestand;brief;eerste_pagina;paginas".to_vec());
        for line in 1..=MOST_LINES {
            out.extend_from_slice(format!(";adresregel_{line}").as_bytes());
        }
        out.extend_from_slice(b";sha256\n");
        Self { out }
    }

    /// Adds the letters of a batch that is in a PDF of that name.
    pub fn add(&mut self, file: &str, batch: &Batch<'_>) {
        for printed in &batch.letters {
            let out = &mut *self.out;
            csv::text(out, file);
            out.push(b';');
            csv::text(out, &printed.letter.id);
            out.extend_from_slice(format!(";{};{}", printed.first_page, printed.pages).as_bytes());
            let lines = printed.letter.address.lines().iter().map(String::as_str).chain(std::iter::repeat(""));
            for line in lines.take(MOST_LINES) {
                out.push(b';');
                csv::text(out, line);
            }
            out.extend_from_slice(format!(";{}\n", batch.sha256).as_bytes());
        }
    }

    /// The whole.
    pub fn finish(self) -> Zeroizing<Vec<u8>> {
        self.out
    }
}

impl Default for Index {
    fn default() -> Self {
        Self::new()
    }
}
