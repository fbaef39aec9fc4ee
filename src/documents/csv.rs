//! Cells of a CSV file: `;` between cells, LF between rows, quotes where needed (RFC 4180).
//!
//! A text that a spreadsheet would calculate (it begins with `=`, `+`, `-`, `@` or their full-width forms) gets an
//! apostrophe before it, the spreadsheets' own mark for text. The cell stays one cell of text for every importer;
//! names are for people and never matched on, so a name that gained an apostrophe harms nothing, and no name in the
//! register begins so by itself. Control characters, line ends among them, become spaces: one row stays one line.

use crate::domain::Share;

/// Adds a share. Nearly all are the whole or the half.
pub fn share(out: &mut Vec<u8>, share: Share) {
    match share {
        Share::WHOLE => out.push(b'1'),
        Share::HALF => out.extend_from_slice(b"0.5"),
        other => out.extend_from_slice(other.to_string().as_bytes()),
    }
}

/// Adds a cell of free text.
pub fn text(out: &mut Vec<u8>, text: &str) {
    quoted(out, &[text.as_bytes()]);
}

/// Adds one cell made of two texts in UTF-8 with a space between them; of one when the other is empty.
pub fn two_texts(out: &mut Vec<u8>, first: &[u8], second: &[u8]) {
    match (first.is_empty(), second.is_empty()) {
        (true, _) => quoted(out, &[second]),
        (_, true) => quoted(out, &[first]),
        (false, false) => quoted(out, &[first, b" ", second]),
    }
}

#[inline]
fn quoted(out: &mut Vec<u8>, parts: &[&[u8]]) {
    let plain = parts.iter().fold(true, |plain, part| plain & is_plain(part));
    let begins_with_letter = parts.first().is_some_and(|part| part.first().is_some_and(u8::is_ascii_alphabetic));
    if plain && begins_with_letter && !parts.last().is_some_and(|part| part.ends_with(b" ")) {
        // Nearly every name: no quotes, no formula.
        for part in parts {
            out.extend_from_slice(part);
        }
    } else {
        with_care(out, parts, plain);
    }
}

#[cold]
fn with_care(out: &mut Vec<u8>, parts: &[&[u8]], plain: bool) {
    let edges = parts.first().is_some_and(|part| part.starts_with(b" "))
        || parts.last().is_some_and(|part| part.ends_with(b" "));
    let quotes = !plain || edges;
    if quotes {
        out.push(b'"');
    }
    if is_formula(parts) {
        out.push(b'\'');
    }
    for part in parts {
        if plain {
            out.extend_from_slice(part);
        } else {
            part.iter().for_each(|byte| escaped(out, *byte));
        }
    }
    if quotes {
        out.push(b'"');
    }
}

/// Whether nothing in a text needs quotes.
fn is_plain(bytes: &[u8]) -> bool {
    // All bytes are looked at before the one decision: names are short.
    bytes.iter().fold(true, |plain, byte| plain & PLAIN.get(usize::from(*byte)).copied().unwrap_or(false))
}

/// For each byte whether a cell may hold it without quotes.
const PLAIN: [bool; 256] = {
    let mut plain = [true; 256];
    let (mut control, mut rest) = plain.split_at_mut(b' ' as usize);
    while let [first, others @ ..] = control {
        *first = false;
        control = others;
    }
    let mut at = b' ';
    while let [first, others @ ..] = rest {
        *first = !matches!(at, b';' | b'"' | 0x7F);
        rest = others;
        at = at.wrapping_add(1);
    }
    plain
};

fn escaped(out: &mut Vec<u8>, byte: u8) {
    match byte {
        b'"' => out.extend_from_slice(b"\"\""),
        0..b' ' | 0x7F => out.push(b' '),
        other => out.push(other),
    }
}

/// Whether a spreadsheet would calculate the text; what is invisible before the sign does not stop all of them.
fn is_formula(parts: &[&[u8]]) -> bool {
    let joined = parts.concat();
    let text = String::from_utf8_lossy(&joined);
    let first = text.chars().find(|character| !character.is_whitespace() && !character.is_control());
    matches!(first, Some('=' | '+' | '-' | '@' | '＝' | '＋' | '－' | '＠'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_are_quoted_and_safe() {
        for (given, written) in [
            ("Peeters", "Peeters"),
            ("D'Hondt", "D'Hondt"),
            ("a;b", "\"a;b\""),
            ("a\"b", "\"a\"\"b\""),
            ("a\r\nb", "\"a  b\""),
            (" a", "\" a\""),
            ("=1+1", "'=1+1"),
            ("+32", "'+32"),
            ("-x", "'-x"),
            ("@x", "'@x"),
            ("＝x", "'＝x"),
            ("\t=x", "\"' =x\""),
            ("\u{1}=x", "\"' =x\""),
            ("=HYPERLINK(\"x\";1)", "\"'=HYPERLINK(\"\"x\"\";1)\""),
            ("é", "é"),
            ("", ""),
        ] {
            let mut out = Vec::new();
            text(&mut out, given);
            assert_eq!(String::from_utf8(out).unwrap(), written, "{given:?}");
        }
    }

    #[test]
    fn two_texts_make_one_cell() {
        for (first, second, written) in [
            ("Peeters", "Jan", "Peeters Jan"),
            ("Peeters", "", "Peeters"),
            ("", "=Jan", "'=Jan"),
            (" ", "=Jan", "\"'  =Jan\""),
            ("a;", "b", "\"a; b\""),
        ] {
            let mut out = Vec::new();
            two_texts(&mut out, first.as_bytes(), second.as_bytes());
            assert_eq!(String::from_utf8(out).unwrap(), written);
        }
    }
}
