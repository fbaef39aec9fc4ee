//! The parts of a line: text, values, bold, italic and links.

use super::{Inline, Placeholder, TextFault};

/// What a part of a line is in, and ends with.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Within {
    Block,
    Bold,
    Italic,
    Link,
}

/// Reads the parts of a block's text.
pub(super) struct Inlines<'a> {
    text: &'a str,
    at: usize,
    first_line: usize,
    /// What is open, outermost first. Each is in it once, so that it is at most four deep.
    open: Vec<Within>,
}

impl<'a> Inlines<'a> {
    /// The parts of a block's text that begins on that line.
    pub(super) fn read(text: &'a str, first_line: usize) -> Result<Vec<Inline>, TextFault> {
        Inlines { text, at: 0, first_line, open: Vec::new() }.parts(Within::Block)
    }

    fn rest(&self) -> &'a str {
        self.text.get(self.at..).unwrap_or_default()
    }

    fn line(&self) -> usize {
        self.first_line + self.text.get(..self.at).unwrap_or_default().matches('\n').count()
    }

    fn parts(&mut self, within: Within) -> Result<Vec<Inline>, TextFault> {
        let began = self.line();
        self.open.push(within);
        let (mut parts, mut text) = (Vec::new(), String::new());
        let mut ended = within == Within::Block;
        while let Some(sign) = self.rest().chars().next() {
            if self.ends(within) {
                ended = true;
                break;
            }
            if let Some(part) = self.special()? {
                if !text.is_empty() {
                    parts.push(Inline::Text(std::mem::take(&mut text)));
                }
                parts.push(part);
            } else if let Some(escaped) = self.escaped() {
                text.push(escaped);
                self.at += 1 + escaped.len_utf8();
            } else {
                text.push(if sign.is_whitespace() { ' ' } else { sign });
                self.at += sign.len_utf8();
            }
        }
        if !text.is_empty() {
            parts.push(Inline::Text(text));
        }
        self.open.pop();
        match (ended, within) {
            (false, Within::Bold) => Err(TextFault::Stars { line: began, stars: "**" }),
            (false, Within::Italic) => Err(TextFault::Stars { line: began, stars: "*" }),
            (false, Within::Link) => Err(TextFault::Link { line: began }),
            (true, _) | (false, Within::Block) => Ok(parts),
        }
    }

    /// Takes the end of what is being read, where it stands here.
    fn ends(&mut self, within: Within) -> bool {
        let end = match within {
            Within::Block => return false,
            Within::Bold => "**",
            Within::Italic => "*",
            Within::Link => "](",
        };
        let rest = self.rest();
        // `**` within italic begins bold or ends the bold around it; `***` ends both.
        let is_other = within == Within::Italic && rest.starts_with("**") && !rest.starts_with("***");
        let ends = rest.starts_with(end) && !is_other;
        if ends && within != Within::Link {
            self.at += end.len();
        }
        ends
    }

    /// A sign that a `\` makes ordinary.
    fn escaped(&self) -> Option<char> {
        self.rest().strip_prefix('\\')?.chars().next().filter(char::is_ascii_punctuation)
    }

    /// A part that begins here, other than text.
    fn special(&mut self) -> Result<Option<Inline>, TextFault> {
        let (rest, line) = (self.rest(), self.line());
        let is_open = |within| self.open.contains(&within);
        if rest.starts_with("\\\n") {
            self.at += 2;
            return Ok(Some(Inline::Break));
        }
        if rest.starts_with('{') {
            return self.placeholder().map(Some);
        }
        if rest.starts_with("![") {
            return Err(TextFault::Unsupported { line, what: "a picture" });
        }
        let tag = rest.strip_prefix('<').and_then(|rest| rest.chars().next());
        if tag.is_some_and(|sign| sign.is_ascii_alphabetic() || matches!(sign, '/' | '!')) {
            return Err(TextFault::Unsupported { line, what: "HTML (\\< prints the sign)" });
        }
        let begins = |stars: &str| rest.strip_prefix(stars).is_some_and(|rest| !rest.starts_with(char::is_whitespace));
        if rest.starts_with("**") && begins("**") {
            if is_open(Within::Bold) {
                return Err(TextFault::Stars { line, stars: "**" });
            }
            self.at += 2;
            return self.parts(Within::Bold).map(|parts| Some(Inline::Bold(parts)));
        }
        if rest.starts_with('*') && !rest.starts_with("**") && begins("*") {
            if is_open(Within::Italic) {
                return Err(TextFault::Stars { line, stars: "*" });
            }
            self.at += 1;
            return self.parts(Within::Italic).map(|parts| Some(Inline::Italic(parts)));
        }
        let closes = rest.find(']').and_then(|at| rest.get(at + 1..)).is_some_and(|after| after.starts_with('('));
        if rest.starts_with('[') && closes && !is_open(Within::Link) {
            self.at += 1;
            return self.link(line).map(Some);
        }
        Ok(None)
    }

    fn placeholder(&mut self) -> Result<Inline, TextFault> {
        let line = self.line();
        let inside = self.rest().get(1..).unwrap_or_default();
        let Some((name, _)) = inside.split_once('}').filter(|(name, _)| !name.contains('\n')) else {
            return Err(TextFault::Brace { line });
        };
        let known = Placeholder::ALL.iter().find(|(known, _)| *known == name);
        let Some((_, placeholder)) = known else {
            return Err(TextFault::Placeholder { line, name: name.to_owned() });
        };
        self.at += name.len() + 2;
        Ok(Inline::Value(*placeholder))
    }

    fn link(&mut self, line: usize) -> Result<Inline, TextFault> {
        let parts = self.parts(Within::Link)?;
        let after = self.rest().strip_prefix("](").unwrap_or_default();
        let Some((target, _)) = after.split_once(')') else { return Err(TextFault::Link { line }) };
        let bare = ["https://", "http://", "mailto:", "tel:"].iter().find_map(|scheme| target.strip_prefix(scheme));
        let Some(bare) = bare.filter(|bare| !bare.is_empty() && !target.contains(char::is_whitespace)) else {
            return Err(TextFault::Link { line });
        };
        self.at += target.len() + 3;
        let is_shown = matches!(&*parts, [Inline::Text(text)] if text == bare || text == target);
        let shown = (!is_shown).then(|| bare.trim_end_matches('/').to_owned());
        Ok(Inline::Link { target: target.to_owned(), shown, parts })
    }
}
