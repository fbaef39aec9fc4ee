//! Looking at pages that were set: the text on them, and where marks came to stand.

use typst::{
    foundations::{NativeElement, Selector, Value},
    introspection::{Introspector, MetadataElem},
    layout::{Frame, FrameItem},
};
use typst_layout::PagedDocument;

/// What stands on a page: its text in the order in which it was set, without spaces and ends of lines, which are
/// not what a search should hang on. Personal data where the document has them.
pub struct PageText(String);

impl PageText {
    /// The text without white space.
    pub fn text(&self) -> &str {
        &self.0
    }

    /// Whether a text stands on the page, wherever its lines end.
    pub fn shows(&self, text: &str) -> bool {
        self.0.contains(&without_space(text.chars()))
    }
}

impl Drop for PageText {
    fn drop(&mut self) {
        zeroize::Zeroize::zeroize(&mut self.0);
    }
}

/// A marked place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Mark {
    /// The number that the source gave it.
    pub number: usize,
    /// Its page, from 1.
    pub page: usize,
}

pub(super) fn texts(document: &PagedDocument) -> Vec<PageText> {
    let pages = document.pages().iter();
    pages
        .map(|page| {
            let mut text = String::new();
            gather(&page.frame, &mut text);
            PageText(text)
        })
        .collect()
}

pub(super) fn marks(document: &PagedDocument) -> Vec<Mark> {
    let introspector = document.introspector();
    let found = introspector.query(&Selector::Elem(MetadataElem::ELEM, None));
    let marks = found.iter().filter_map(|content| {
        let Value::Int(number) = content.to_packed::<MetadataElem>()?.value else { return None };
        let page = introspector.page(content.location()?)?;
        Some(Mark { number: usize::try_from(number).ok()?, page: page.get() })
    });
    marks.collect()
}

/// Frames nest no deeper than Typst's own limit on layouts.
fn gather(frame: &Frame, text: &mut String) {
    for (_, item) in frame.items() {
        match item {
            FrameItem::Group(group) => gather(&group.frame, text),
            FrameItem::Text(run) => text.push_str(&without_space(run.text.chars())),
            FrameItem::Shape(..) | FrameItem::Image(..) | FrameItem::Link(..) | FrameItem::Tag(_) => {}
        }
    }
}

fn without_space(characters: impl Iterator<Item = char>) -> String {
    characters.filter(|character| !character.is_whitespace()).collect()
}
