//! HTML that cannot be broken by what stands in a log: every text is escaped, attributes too.

use jiff::Timestamp;

use super::{
    tables::{Cell, Sheet},
    words,
};
use crate::documents::figures;

/// A document that grows.
#[derive(Debug, Default)]
pub(super) struct Markup(String);

impl Markup {
    /// Adds markup of ours.
    pub fn raw(&mut self, markup: &str) -> &mut Self {
        self.0.push_str(markup);
        self
    }

    /// Adds text.
    pub fn text(&mut self, text: &str) -> &mut Self {
        for character in text.chars() {
            match character {
                '&' => self.0.push_str("&amp;"),
                '<' => self.0.push_str("&lt;"),
                '>' => self.0.push_str("&gt;"),
                '"' => self.0.push_str("&quot;"),
                '\'' => self.0.push_str("&#39;"),
                // Neither control characters nor those that turn the direction of text.
                '\u{200e}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => self.0.push('\u{fffd}'),
                character if character.is_control() => self.0.push(' '),
                character => self.0.push(character),
            }
        }
        self
    }

    /// Adds an element with text: `<name>text</name>`; `name` may have attributes of ours.
    pub fn element(&mut self, name: &str, text: &str) -> &mut Self {
        let tag = name.split(' ').next().unwrap_or(name);
        self.raw("<").raw(name).raw(">").text(text).raw("</").raw(tag).raw(">")
    }

    /// Adds a table with a caption; on a narrow screen each row becomes a card with the column's names.
    pub fn table(&mut self, sheet: &Sheet) -> &mut Self {
        self.raw("<div class=\"sheet\"><table>").element("caption", &sheet.caption).raw("<thead><tr>");
        for (column, is_number) in sheet.columns.iter().zip(sheet.numbers()) {
            self.element(if is_number { "th scope=\"col\" class=\"number\"" } else { "th scope=\"col\"" }, column);
        }
        self.raw("</tr></thead>\n<tbody>\n");
        for row in &sheet.rows {
            self.raw("<tr>");
            for (cell, column) in row.iter().zip(&sheet.columns) {
                self.cell(column, cell);
            }
            self.raw("</tr>\n");
        }
        self.raw("</tbody></table></div>\n")
    }

    fn cell(&mut self, column: &str, cell: &Cell) {
        let class = match cell {
            Cell::Number(_) => " class=\"number\"",
            Cell::Mark(_) => " class=\"mark\"",
            _ => "",
        };
        self.raw("<td data-label=\"").text(column).raw("\"").raw(class);
        match cell {
            Cell::Text(text) => {
                self.raw(">").text(text);
            }
            Cell::Noted(text, note) => {
                self.raw(">").text(text);
                self.note(note);
            }
            Cell::Number(number) => {
                // Sorted as a number, not as it is written.
                self.raw(&format!(" data-sort=\"{number}\">")).text(&figures::number(*number));
            }
            Cell::Moment(at) => self.moment(*at),
            Cell::MomentNoted(at, note) => {
                self.moment(*at);
                self.note(note);
            }
            Cell::Mark(text) => {
                self.raw(" data-sort=\"\">").element("strong", text);
            }
            Cell::Ids(ids) => {
                self.raw(">");
                for (at, id) in ids.iter().enumerate() {
                    self.raw(if at > 0 { " " } else { "" });
                    self.raw("<code title=\"").text(id).raw("\">").text(&words::short(id)).raw("</code>");
                }
            }
        }
        self.raw("</td>");
    }

    fn note(&mut self, note: &str) {
        if !note.is_empty() {
            self.raw(" ").element("small", note);
        }
    }

    fn moment(&mut self, at: Timestamp) {
        let iso = words::iso(at);
        self.raw(&format!(" data-sort=\"{at}\"><time datetime=\"{iso}\">")).text(&words::moment(at)).raw("</time>");
    }

    /// The whole of it.
    pub fn into_text(self) -> String {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_in_a_text_is_markup() {
        let mut out = Markup::default();
        let hostile = "<script>\"'&\u{202e}\n\u{0}</script>";
        out.element("p class=\"x\"", hostile);
        let cells = vec![
            Cell::Text(hostile.to_owned()),
            Cell::Noted(hostile.to_owned(), hostile.to_owned()),
            Cell::Ids(vec![hostile.to_owned()]),
        ];
        let columns = vec!["Tekst", "Noot", "Nummers"];
        out.table(&Sheet { caption: hostile.to_owned(), columns, rows: vec![cells] });
        let text = out.into_text();
        assert!(
            text.starts_with("<p class=\"x\">&lt;script&gt;&quot;&#39;&amp;\u{fffd}  &lt;/script&gt;</p>"),
            "{text}"
        );
        assert!(!text.contains("<script") && !text.contains('\u{0}') && !text.contains('\u{202e}'), "{text}");
    }
}
