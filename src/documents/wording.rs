//! Text for people in plain files: wrapped lines, and nothing that could be a number of a person.
//!
//! Lines end in CR LF: programs on Windows of any age show them right, and everything else copes.

use crate::domain::{ByteSize, niss};

/// Longest line, characters: fits a terminal and a printed page.
pub const WIDTH: usize = 78;

/// Adds a paragraph, wrapped, each line after `indent` spaces, the first after `bullet` instead. A word that is longer
/// than a line, such as a key, gets a line of its own.
pub fn paragraph(out: &mut String, bullet: &str, indent: usize, text: &str) {
    let mut used = bullet.chars().count();
    out.push_str(bullet);
    let mut fresh = true;
    for word in text.split_whitespace() {
        let length = word.chars().count();
        if !fresh && used + 1 + length > WIDTH {
            out.push_str("\r\n");
            out.extend(std::iter::repeat_n(' ', indent));
            used = indent;
            fresh = true;
        }
        if !fresh {
            out.push(' ');
            used += 1;
        }
        out.push_str(word);
        used += length;
        fresh = false;
    }
    out.push_str("\r\n");
}

/// Adds a line as it is.
pub fn line(out: &mut String, text: &str) {
    out.push_str(text);
    out.push_str("\r\n");
}

/// A size as people write it: `16 MiB`, or in bytes where no unit divides it.
pub fn size(size: ByteSize) -> String {
    let text = size.to_string();
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    match text.split_at_checked(digits) {
        Some((number, unit)) if !unit.is_empty() => format!("{number} {unit}"),
        _ => format!("{text} bytes"),
    }
}

/// A name or text of the sender's, fit to be repeated: on one line, and with `…` for what could be a number.
pub fn repeatable(text: &str) -> String {
    let mut text: String = text.chars().map(|character| if character.is_control() { ' ' } else { character }).collect();
    while let Some(range) = niss::find_in(&text) {
        text.replace_range(range, "…");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_wrapped_within_the_width() {
        let mut out = String::new();
        paragraph(&mut out, "- ", 2, &"woord ".repeat(40));
        paragraph(&mut out, "", 0, &"x".repeat(100));
        let lines: Vec<&str> = out.split_terminator("\r\n").collect();
        assert!(lines.iter().all(|line| line.chars().count() <= WIDTH || !line.contains(' ')), "{lines:?}");
        assert!(lines[0].starts_with("- woord") && lines[1].starts_with("  woord"));
        assert!(lines.iter().all(|line| !line.ends_with(' ')));
    }

    #[test]
    fn sizes_have_a_unit() {
        assert_eq!((size(ByteSize(16 << 20)), size(ByteSize(1000))), ("16 MiB".to_owned(), "1000 bytes".to_owned()));
    }

    #[test]
    fn numbers_are_never_repeated() {
        assert_eq!(repeatable("kind 00.01.25-567.77\nen 17073003384.csv"), "kind … en ….csv");
    }
}
