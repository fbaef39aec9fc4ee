//! The fonts: those that come with Typst, the same on every machine, read once.

use std::{collections::HashSet, sync::LazyLock};

use typst::{
    foundations::Bytes,
    text::{Font, FontBook},
    utils::LazyHash,
};

struct Fonts {
    book: LazyHash<FontBook>,
    /// In the order of the book.
    all: Vec<Font>,
    /// The characters that one of them has.
    characters: HashSet<u32>,
}

static FONTS: LazyLock<Fonts> = LazyLock::new(|| {
    let all: Vec<Font> = typst_assets::fonts().flat_map(|data| Font::iter(Bytes::new(data))).collect();
    let characters = all.iter().flat_map(|font| font.info().coverage.iter()).collect();
    Fonts { book: LazyHash::new(FontBook::from_fonts(&all)), all, characters }
});

/// Whether a character can be printed. One that no font has would be an empty box, which PDF/A forbids; what is for
/// private use means something else in each font; and what turns the direction of writing makes a line say something
/// else than it seems to.
pub fn can_print(character: char) -> bool {
    let is_private = matches!(character, '\u{E000}'..='\u{F8FF}' | '\u{F0000}'..);
    let turns = matches!(character, '\u{200E}' | '\u{200F}' | '\u{202A}'..='\u{202E}' | '\u{2066}'..='\u{2069}');
    !is_private && !turns && !character.is_control() && FONTS.characters.contains(&u32::from(character))
}

pub(super) fn book() -> &'static LazyHash<FontBook> {
    &FONTS.book
}

pub(super) fn font(index: usize) -> Option<Font> {
    FONTS.all.get(index).cloned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_europe_can_be_printed() {
        for character in "ÀÉÎÕÜßÆØÅąčďęğıłńőřșțůýžŒŁİΩЖ€–’".chars() {
            assert!(can_print(character), "{character}");
        }
        for character in ['\u{7}', '漢', '\u{E000}', '\u{202E}'] {
            assert!(!can_print(character), "{character:?}");
        }
    }
}
