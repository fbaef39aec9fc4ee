//! The municipality's text: the part of Markdown that a letter needs.
//!
//! Read are paragraphs, headings (`#`, `##`), lists (`- `, `1. `), `**bold**`, `*italic*`, links
//! `[text](https://…)`, a `\` at the end of a line for a new line, and `\` before a sign for the sign itself. An empty
//! line ends a paragraph. `{name}` stands for a value of the family ([`Placeholder`]). What else Markdown has (pictures,
//! tables, code, quotes, HTML) is refused with its line rather than printed wrong.

mod inline;

use serde::Serialize;

use self::inline::Inlines;
use crate::documents::typeset;

/// The longest text: twenty pages, of which a letter has a few.
pub const TEXT_BYTES: usize = 64 << 10;

/// A value that differs from family to family.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Placeholder {
    /// The beneficiary's name.
    Naam,
    /// The first names of the children.
    Kinderen,
    /// What the family gets.
    Bedrag,
    /// The municipality's name.
    Gemeente,
    /// The local service.
    Dienst,
}

impl Placeholder {
    const ALL: [(&'static str, Self); 5] = [
        ("naam", Self::Naam),
        ("kinderen", Self::Kinderen),
        ("bedrag", Self::Bedrag),
        ("gemeente", Self::Gemeente),
        ("dienst", Self::Dienst),
    ];
}

/// A part of a line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Inline {
    /// Text as it is.
    Text(String),
    /// A value of the family.
    Value(Placeholder),
    /// Bold.
    Bold(Vec<Self>),
    /// Italic.
    Italic(Vec<Self>),
    /// A link.
    Link {
        /// The address.
        target: String,
        /// The address as it is printed; none where the text shows it already.
        shown: Option<String>,
        /// The text.
        parts: Vec<Self>,
    },
    /// A new line.
    Break,
}

/// A part of the text.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Block {
    /// A paragraph.
    Paragraph(Vec<Inline>),
    /// A heading.
    Heading {
        /// 1 or 2.
        level: usize,
        /// The text.
        parts: Vec<Inline>,
    },
    /// A list.
    List {
        /// Whether its items have numbers.
        numbered: bool,
        /// The items.
        items: Vec<Vec<Inline>>,
    },
}

/// What is wrong in a text.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TextFault {
    /// Too long.
    #[error("the text has over {TEXT_BYTES} bytes")]
    TooLong,
    /// Nothing in it.
    #[error("the text is empty")]
    Empty,
    /// A placeholder that there is not.
    #[error(
        "line {line}: there is no value {{{name}}}; there are {{naam}}, {{kinderen}}, {{bedrag}}, {{gemeente}} and {{dienst}}"
    )]
    Placeholder {
        /// The line.
        line: usize,
        /// What stands between the braces.
        name: String,
    },
    /// A brace without the other; `\{` prints one.
    #[error("line {line}: a {{ without its }}; \\{{ prints a brace")]
    Brace {
        /// The line.
        line: usize,
    },
    /// Stars that do not end, or end what they are in.
    #[error("line {line}: {stars} begins what does not end before the paragraph does; \\* prints a star")]
    Stars {
        /// The line.
        line: usize,
        /// `*` or `**`.
        stars: &'static str,
    },
    /// A link to elsewhere than the web, a mailbox or a telephone.
    #[error("line {line}: a link begins with https://, http://, mailto: or tel: and has no spaces")]
    Link {
        /// The line.
        line: usize,
    },
    /// A part of Markdown that letters do not have.
    #[error("line {line}: {what} cannot be in a letter")]
    Unsupported {
        /// The line.
        line: usize,
        /// What it is.
        what: &'static str,
    },
    /// A character that no font has.
    #[error("line {line}: the character {character:?} cannot be printed")]
    Character {
        /// The line.
        line: usize,
        /// The character.
        character: char,
    },
}

impl TextFault {
    /// The line at fault, from 1, and what is wrong there; the first where it is the text as a whole.
    pub fn placed(&self) -> (usize, String) {
        let line = match self {
            Self::TooLong | Self::Empty => 1,
            Self::Placeholder { line, .. }
            | Self::Brace { line }
            | Self::Stars { line, .. }
            | Self::Link { line }
            | Self::Unsupported { line, .. }
            | Self::Character { line, .. } => *line,
        };
        let text = self.to_string();
        let problem = text.strip_prefix(&format!("line {line}: ")).unwrap_or(&text).to_owned();
        (line, problem)
    }
}

/// Reads a text.
pub fn read(text: &str) -> Result<Vec<Block>, TextFault> {
    if text.len() > TEXT_BYTES {
        return Err(TextFault::TooLong);
    }
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut blocks = Vec::new();
    let mut open: Option<Open> = None;
    for (at, line) in text.lines().enumerate() {
        let number = at + 1;
        if let Some(character) = line.chars().find(|&sign| sign != '\t' && !typeset::can_print(sign)) {
            return Err(TextFault::Character { line: number, character });
        }
        let line = line.trim();
        let opener = Opener::of(line, number)?;
        let goes_on = matches!((&open, &opener), (Some(_), Opener::Text));
        if !goes_on && let Some(open) = open.take() {
            open.close(&mut blocks)?;
        }
        match (opener, &mut open) {
            (Opener::Nothing, _) => {}
            (Opener::Text, Some(open)) => {
                open.text.push('\n');
                open.text.push_str(line);
            }
            (Opener::Text, None) => open = Some(Open::new(Shape::Paragraph, line, number)),
            (Opener::Heading { level, text }, _) => {
                Open::new(Shape::Heading(level), text, number).close(&mut blocks)?;
            }
            (Opener::Item { numbered, text }, _) => open = Some(Open::new(Shape::Item { numbered }, text, number)),
        }
    }
    if let Some(open) = open {
        open.close(&mut blocks)?;
    }
    if blocks.is_empty() { Err(TextFault::Empty) } else { Ok(join_lists(blocks)) }
}

/// Whether a placeholder is in the text.
pub(super) fn names(blocks: &[Block], placeholder: Placeholder) -> bool {
    blocks.iter().any(|block| match block {
        Block::Paragraph(parts) | Block::Heading { parts, .. } => has(parts, placeholder),
        Block::List { items, .. } => items.iter().any(|parts| has(parts, placeholder)),
    })
}

fn has(parts: &[Inline], placeholder: Placeholder) -> bool {
    parts.iter().any(|part| match part {
        Inline::Value(named) => *named == placeholder,
        Inline::Bold(parts) | Inline::Italic(parts) | Inline::Link { parts, .. } => has(parts, placeholder),
        Inline::Text(_) | Inline::Break => false,
    })
}

/// How a line begins.
enum Opener<'a> {
    Nothing,
    Text,
    Heading { level: usize, text: &'a str },
    Item { numbered: bool, text: &'a str },
}

impl<'a> Opener<'a> {
    fn of(line: &'a str, number: usize) -> Result<Self, TextFault> {
        let unsupported = |what| Err(TextFault::Unsupported { line: number, what });
        let hashes = line.bytes().take_while(|byte| *byte == b'#').count();
        let after = line.get(hashes..).and_then(|rest| rest.strip_prefix(' '));
        if let (1.., Some(text)) = (hashes, after) {
            let text = text.trim();
            return if hashes <= 2 {
                Ok(Self::Heading { level: hashes, text })
            } else {
                unsupported("a heading of a third level")
            };
        }
        if let Some(text) = line.strip_prefix("- ").or_else(|| line.strip_prefix("* ")) {
            return Ok(Self::Item { numbered: false, text: text.trim() });
        }
        let digits = line.bytes().take_while(u8::is_ascii_digit).count();
        let after = line.get(digits..).and_then(|rest| rest.strip_prefix(". "));
        // A year that ends a sentence, and happens to begin a line, is no item.
        if let (1..=2, Some(text)) = (digits, after) {
            return Ok(Self::Item { numbered: true, text: text.trim() });
        }
        match line.as_bytes() {
            [] => Ok(Self::Nothing),
            [b'>', ..] => unsupported("a quotation"),
            [b'|', ..] => unsupported("a table"),
            [b'`', b'`', b'`', ..] | [b'~', b'~', b'~', ..] => unsupported("code"),
            signs if signs.len() >= 3 && ["-", "=", "_"].iter().any(|sign| line.replace(sign, "").is_empty()) => {
                unsupported("a line of signs")
            }
            _ => Ok(Self::Text),
        }
    }
}

#[derive(Clone, Copy)]
enum Shape {
    Paragraph,
    Heading(usize),
    Item { numbered: bool },
}

/// A block that is being read.
struct Open {
    shape: Shape,
    text: String,
    /// Its first line.
    line: usize,
}

impl Open {
    fn new(shape: Shape, text: &str, line: usize) -> Self {
        Self { shape, text: text.to_owned(), line }
    }

    fn close(self, blocks: &mut Vec<Block>) -> Result<(), TextFault> {
        let parts = Inlines::read(&self.text, self.line)?;
        blocks.push(match self.shape {
            Shape::Paragraph => Block::Paragraph(parts),
            Shape::Heading(level) => Block::Heading { level, parts },
            Shape::Item { numbered } => Block::List { numbered, items: vec![parts] },
        });
        Ok(())
    }
}

/// Makes one list of items that follow each other.
fn join_lists(blocks: Vec<Block>) -> Vec<Block> {
    let mut joined: Vec<Block> = Vec::with_capacity(blocks.len());
    for block in blocks {
        match (joined.last_mut(), block) {
            (Some(Block::List { numbered, items }), Block::List { numbered: same, items: more })
                if *numbered == same =>
            {
                items.extend(more);
            }
            (_, block) => joined.push(block),
        }
    }
    joined
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn text(text: &str) -> Inline {
        Inline::Text(text.to_owned())
    }

    #[test]
    fn a_letter_is_read() {
        let blocks = read(
            "# Schoolpremie\n\nBeste {naam},\n\nVoor **{kinderen}** krijgt u\n*eenmalig* {bedrag}.\\\nDat is \\*alles\\*.\n\
             - een\n- twee\n  gaat door\n\n1. eerst\n2. dan\n\n[Meer](https://www.torhout.be/) of [torhout.be](https://torhout.be)",
        )
        .unwrap();
        assert_eq!(
            blocks,
            [
                Block::Heading { level: 1, parts: vec![text("Schoolpremie")] },
                Block::Paragraph(vec![text("Beste "), Inline::Value(Placeholder::Naam), text(",")]),
                Block::Paragraph(vec![
                    text("Voor "),
                    Inline::Bold(vec![Inline::Value(Placeholder::Kinderen)]),
                    text(" krijgt u "),
                    Inline::Italic(vec![text("eenmalig")]),
                    text(" "),
                    Inline::Value(Placeholder::Bedrag),
                    text("."),
                    Inline::Break,
                    text("Dat is *alles*."),
                ]),
                Block::List { numbered: false, items: vec![vec![text("een")], vec![text("twee gaat door")]] },
                Block::List { numbered: true, items: vec![vec![text("eerst")], vec![text("dan")]] },
                Block::Paragraph(vec![
                    Inline::Link {
                        target: "https://www.torhout.be/".to_owned(),
                        shown: Some("www.torhout.be".to_owned()),
                        parts: vec![text("Meer")]
                    },
                    text(" of "),
                    Inline::Link {
                        target: "https://torhout.be".to_owned(),
                        shown: None,
                        parts: vec![text("torhout.be")]
                    },
                ]),
            ]
        );
    }

    #[test]
    fn ordinary_signs_stay() {
        for line in ["3 * 4 = 12", "a_b_c", "[1] en (2)", "x < 5", "Zie punt 2.", "#hashtag", "$ & @ ` ~"] {
            assert_eq!(read(line), Ok(vec![Block::Paragraph(vec![text(line)])]));
        }
    }

    #[test]
    fn faults_have_their_line() {
        for (line, said) in [
            (
                "{iban}",
                "line 3: there is no value {iban}; there are {naam}, {kinderen}, {bedrag}, {gemeente} and {dienst}",
            ),
            ("{naam", "line 3: a { without its }; \\{ prints a brace"),
            ("a **b", "line 3: ** begins what does not end before the paragraph does; \\* prints a star"),
            ("*a **b* c**", "line 3: * begins what does not end before the paragraph does; \\* prints a star"),
            ("[x](javascript:1)", "line 3: a link begins with https://, http://, mailto: or tel: and has no spaces"),
            ("![x](https://x.be)", "line 3: a picture cannot be in a letter"),
            ("<b>x</b>", "line 3: HTML (\\< prints the sign) cannot be in a letter"),
            ("> x", "line 3: a quotation cannot be in a letter"),
            ("### x", "line 3: a heading of a third level cannot be in a letter"),
            ("漢", "line 3: the character '漢' cannot be printed"),
        ] {
            let fault = read(&format!("een\n\n{line}")).unwrap_err();
            assert_eq!(fault.to_string(), said);
        }
        assert_eq!(read(" \n\n"), Err(TextFault::Empty));
        assert_eq!(read(&"x".repeat(TEXT_BYTES + 1)), Err(TextFault::TooLong));
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_refused(given in "([a-z *\\[\\](){}<>!#\\n\\\\`|-]|https://){0,80}") {
            let _ = read(&given);
        }
    }
}
