//! The characters that every bank of the single euro payments area takes, and how other text is written in them.
//!
//! The set is the basic one of the EPC's implementation guidelines (EPC132-08): letters and digits
//! without accents, space and `/ - ? : ( ) . , ' +`. What is made here has nothing outside it: no control character,
//! no markup and no line end can reach a payment file.

use unicode_normalization::char::{decompose_compatible, is_combining_mark};

/// Characters of an unstructured remittance at most (`Max140Text`).
pub const LONGEST_REMITTANCE: usize = 140;

/// Characters of a party's name at most: the schemas allow 140, the EPC's rules 70.
pub const LONGEST_NAME: usize = 70;

/// Characters of an identifier at most (`Max35Text`).
pub const LONGEST_IDENTIFIER: usize = 35;

/// Whether every bank takes the character.
pub const fn is_permitted(character: char) -> bool {
    character.is_ascii_alphanumeric()
        || matches!(character, ' ' | '/' | '-' | '?' | ':' | '(' | ')' | '.' | ',' | '\'' | '+')
}

/// Adds `text` in permitted characters to `out`: at most `most` of them, white space as single spaces and none at
/// either end, `é` as `e`, `ß` as `ss`. What has no form here becomes a full stop, so that its place is seen.
///
/// Nothing is kept elsewhere: who passes a name wipes `out`.
pub fn push(out: &mut String, text: &str, most: usize) {
    let mut line = Line { start: out.len(), out, most, space: false };
    text.chars().for_each(|character| line.take(character));
}

/// `text` in permitted characters, as [`push`] writes it. Not for personal data: the result is not wiped.
pub fn transliterated(text: &str) -> String {
    let mut out = String::new();
    push(&mut out, text, usize::MAX);
    out
}

struct Line<'a> {
    out: &'a mut String,
    start: usize,
    most: usize,
    /// Whether a space is due before the next character.
    space: bool,
}

impl Line<'_> {
    fn take(&mut self, character: char) {
        if is_permitted(character) && character != ' ' {
            self.put(character);
        } else if character.is_whitespace() || character.is_control() {
            self.space = true;
        } else if !is_invisible(character) && !self.named(character) {
            decompose_compatible(character, |part| self.part(part));
        }
    }

    /// A part of a character that was taken apart: a letter, its accents.
    fn part(&mut self, part: char) {
        if is_permitted(part) && part != ' ' {
            self.put(part);
        } else if part.is_whitespace() {
            self.space = true;
        } else if !is_combining_mark(part) && !self.named(part) {
            self.put('.');
        }
    }

    /// A character that the tables name; false where they do not.
    fn named(&mut self, character: char) -> bool {
        if let Some(form) = sign(character).or_else(|| letter(character)) {
            form.chars().for_each(|part| self.put(part));
            return true;
        }
        let mut lower = character.to_lowercase();
        let (Some(lower), None) = (lower.next(), lower.next()) else { return false };
        let Some(form) = letter(lower) else { return false };
        for (at, part) in form.chars().enumerate() {
            self.put(if at == 0 { part.to_ascii_uppercase() } else { part });
        }
        true
    }

    fn put(&mut self, character: char) {
        let space = std::mem::take(&mut self.space) && self.out.len() > self.start;
        // Each is one byte, so that bytes count characters.
        let left = self.most.saturating_sub(self.out.len() - self.start);
        if space && left >= 2 {
            self.out.push(' ');
        }
        if left > usize::from(space) {
            self.out.push(character);
        } else {
            // The line is full: a later, shorter word must not follow what was left out.
            self.most = self.out.len() - self.start;
        }
    }
}

/// What has no width: joiners, marks of direction, the byte order mark, soft hyphens, lone accents.
fn is_invisible(character: char) -> bool {
    matches!(character, '\u{ad}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{2064}'
        | '\u{2066}'..='\u{206f}' | '\u{feff}')
        || is_combining_mark(character)
}

/// Signs with a near one in the set.
fn sign(character: char) -> Option<&'static str> {
    Some(match character {
        '‘' | '’' | '‚' | '‛' | 'ʼ' | 'ʹ' | '′' | '`' | '´' => "'",
        '‐' | '‑' | '‒' | '–' | '—' | '―' | '−' | '_' | '~' => "-",
        '&' => "+",
        ';' => ",",
        '[' | '{' | '<' | '«' => "(",
        ']' | '}' | '>' | '»' => ")",
        '\\' | '|' | '⁄' => "/",
        '€' => "EUR",
        _ => return None,
    })
}

/// Letters that are not a Latin letter with an accent. Cyrillic and Greek in a plain romanisation of one form for all
/// languages that write them: the Belgian registers write Latin letters, so that these are rare.
fn letter(character: char) -> Option<&'static str> {
    Some(match character {
        'ß' => "ss",
        'æ' => "ae",
        'œ' => "oe",
        'đ' | 'ð' | 'д' | 'δ' => "d",
        'þ' | 'θ' => "th",
        'ł' | 'л' | 'λ' => "l",
        'ı' | 'ι' | 'η' | 'и' | 'і' => "i",
        'ŋ' | 'н' | 'ν' => "n",
        'ŧ' | 'т' | 'τ' => "t",
        'ə' | 'е' | 'э' | 'ε' => "e",
        'а' | 'ъ' | 'α' => "a",
        'б' => "b",
        'в' | 'β' => "v",
        'г' | 'ґ' | 'γ' => "g",
        'ё' => "yo",
        'є' => "ye",
        'ж' => "zh",
        'з' | 'ζ' => "z",
        'ї' => "yi",
        'й' | 'ь' | 'ы' | 'υ' => "y",
        'к' | 'κ' => "k",
        'м' | 'μ' => "m",
        'ø' | 'о' | 'ο' | 'ω' => "o",
        'п' | 'π' => "p",
        'р' | 'ρ' => "r",
        'с' | 'σ' | 'ς' => "s",
        'у' => "u",
        'ф' | 'φ' => "f",
        'ħ' | 'х' => "h",
        'ц' => "ts",
        'ч' | 'χ' => "ch",
        'ш' => "sh",
        'щ' => "sht",
        'ю' => "yu",
        'я' => "ya",
        'ξ' => "x",
        'ψ' => "ps",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn names_are_written_as_a_bank_takes_them() {
        for (given, written) in [
            ("Peeters-D'Hondt", "Peeters-D'Hondt"),
            ("Zoë Françoise Müller", "Zoe Francoise Muller"),
            ("e\u{301}te\u{301}", "ete"),
            ("Łukasz Ðorđević", "Lukasz Dordevic"),
            ("Straße Æther Œuvre", "Strasse Aether Oeuvre"),
            ("Nguyễn Thị Ánh", "Nguyen Thi Anh"),
            ("İbrahim Şahin ığ", "Ibrahim Sahin ig"),
            ("Ющенко Щербакова", "Yushtenko Shterbakova"),
            ("Παπαδοπούλου", "Papadopoyloy"),
            ("  a\r\n\tb\u{a0}c  ", "a b c"),
            ("a\u{200b}\u{feff}b\u{0}c", "ab c"),
            ("<b>&amp;</b>", "(b)+amp,(/b)"),
            ("O’Neill “x” 10 €", "O'Neill .x. 10 EUR"),
            ("ﬁ ½ 漢", "fi 1/2 ."),
            ("", ""),
            ("\u{301} \n", ""),
        ] {
            assert_eq!(transliterated(given), written, "{given:?}");
        }
    }

    #[test]
    fn a_line_is_cut_at_its_limit() {
        let cut = |text: &str, most| {
            let mut out = "x:".to_owned();
            push(&mut out, text, most);
            out
        };
        assert_eq!(cut("abc def", 3), "x:abc");
        assert_eq!(cut("abc def", 4), "x:abc");
        assert_eq!(cut("abc def", 5), "x:abc d");
        assert_eq!(cut("abß c", 3), "x:abs");
        assert_eq!(cut("abc", 0), "x:");
    }

    proptest! {
        #[test]
        fn nothing_outside_the_set_comes_out(text in any::<String>(), most in 0_usize..80) {
            let mut out = String::new();
            push(&mut out, &text, most);
            prop_assert!(out.len() <= most && out.chars().all(is_permitted), "{out:?}");
            prop_assert!(!out.starts_with(' ') && !out.ends_with(' ') && !out.contains("  "));
            let mut again = String::new();
            push(&mut again, &out, most);
            prop_assert_eq!(&again, &out);
            prop_assert!(transliterated(&text).starts_with(&out));
        }

        #[test]
        fn permitted_text_stays(text in "[A-Za-z0-9/?:().,'+-]{1,20}( [A-Za-z0-9/?:().,'+-]{1,20}){0,3}") {
            prop_assert_eq!(transliterated(&text), text);
        }
    }
}
