//! Tokens of a workbook's XML parts, from bytes that were inflated within bounds.

use quick_xml::{
    Reader, XmlVersion,
    events::{BytesRef, BytesStart, Event},
};

use super::ListFault;

/// What can be wrong with a part.
pub fn damaged(part: &'static str, what: &'static str) -> ListFault {
    ListFault::Workbook { part, what }
}

/// A stream of XML events over one part.
pub struct Xml<'a> {
    reader: Reader<&'a [u8]>,
    part: &'static str,
    /// Elements that are open.
    depth: usize,
}

/// Elements within one another, at most: workbooks have some ten. The reader keeps the name of each.
const DEEPEST: usize = 64;

impl<'a> Xml<'a> {
    /// A stream over a part, which must be UTF-8.
    pub fn new(bytes: &'a [u8], part: &'static str) -> Result<Self, ListFault> {
        let text = simdutf8::basic::from_utf8(bytes).map_err(|_| damaged(part, "not UTF-8"))?;
        let mut reader = Reader::from_str(text.strip_prefix('\u{FEFF}').unwrap_or(text));
        let config = reader.config_mut();
        // Pairs are checked below where they matter; names are compared without their namespace's prefix.
        config.check_end_names = false;
        config.expand_empty_elements = true;
        Ok(Self { reader, part, depth: 0 })
    }

    /// The next event; the end of the part is one.
    pub fn next(&mut self) -> Result<Event<'a>, ListFault> {
        let event = self.reader.read_event().map_err(|_| damaged(self.part, "not well-formed XML"))?;
        match event {
            Event::Start(_) if self.depth == DEEPEST => return Err(damaged(self.part, "elements too deep in others")),
            Event::Start(_) => self.depth += 1,
            Event::End(_) => self.depth = self.depth.saturating_sub(1),
            _ => {}
        }
        Ok(event)
    }

    /// The value of an attribute, by its name without prefix.
    pub fn attribute(&self, element: &BytesStart<'_>, name: &str) -> Result<Option<String>, ListFault> {
        for attribute in element.attributes().with_checks(false) {
            let attribute = attribute.map_err(|_| damaged(self.part, "not well-formed XML"))?;
            if attribute.key.local_name().as_ref() == name {
                let value = attribute.normalized_value(XmlVersion::Implicit1_0);
                return value.map(|value| Some(value.into_owned())).map_err(|_| damaged(self.part, "unknown entity"));
            }
        }
        Ok(None)
    }

    /// Adds the character that a reference such as `&amp;` stands for.
    pub fn reference(&self, reference: &BytesRef<'_>, text: &mut String) -> Result<(), ListFault> {
        let fault = || damaged(self.part, "unknown entity");
        let character = match reference.resolve_char_ref().map_err(|_| fault())? {
            Some(character) => character,
            None => match &*reference.xml10_content() {
                "amp" => '&',
                "lt" => '<',
                "gt" => '>',
                "quot" => '"',
                "apos" => '\'',
                _ => return Err(fault()),
            },
        };
        text.push(character);
        Ok(())
    }
}
