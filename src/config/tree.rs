//! A YAML file as a tree in which each key and value knows its line and column.
//!
//! `saphyr-parser` tells what stands where; `serde_yaml` decides what a plain scalar is (a number, true, nothing, text).
//! Refused: anchors and aliases (a few lines of them unfold to gigabytes), tags, several documents, keys that are not
//! text, nesting beyond [`MOST_LEVELS`] and more than [`MOST_ENTRIES`] in one place. A key that stands twice is a fault, and its first value counts.

use std::{path::Path, sync::Arc};

use saphyr_parser::{Event, Marker, Parser, ScalarStyle, Span};
use serde_yaml::Value;

use super::fault::{Faults, Position, shown};

/// Levels of nesting at most; the files need seven.
const MOST_LEVELS: usize = 16;

/// Entries of one mapping or items of one list at most, so that comparing each with the others stays quick.
const MOST_ENTRIES: usize = 4096;

/// Characters at most of a plain scalar that may be something else than text: the longest number has 20 digits.
const LONGEST_NUMBER: usize = 32;

/// A value and its place.
#[derive(Debug)]
pub(super) struct Node {
    pub at: Position,
    pub content: Content,
}

/// What a node holds.
#[derive(Debug)]
pub(super) enum Content {
    /// Null, a boolean, a number or text.
    Scalar(Value),
    List(Vec<Node>),
    Mapping(Vec<Entry>),
}

/// A key with its value.
#[derive(Debug)]
pub(super) struct Entry {
    pub key: String,
    pub key_at: Position,
    pub value: Node,
}

impl Node {
    /// Holds nothing yet.
    pub fn nothing(at: &Position) -> Self {
        Self { at: at.clone(), content: Content::Scalar(Value::Null) }
    }

    /// What the node holds, in words for messages.
    pub fn describe(&self) -> &'static str {
        match &self.content {
            Content::List(_) => "a list",
            Content::Mapping(_) => "a mapping",
            Content::Scalar(Value::Null) => "nothing",
            Content::Scalar(Value::Bool(_)) => "true or false",
            Content::Scalar(Value::Number(_)) => "a number",
            Content::Scalar(_) => "text",
        }
    }
}

impl Node {
    /// The value in one form whatever the layout, order of keys or comments around it: JSON, keys sorted.
    pub fn canonical(&self) -> String {
        match &self.content {
            Content::Scalar(value) => serde_json::to_string(value).unwrap_or_default(),
            Content::List(items) => {
                let items: Vec<String> = items.iter().map(Self::canonical).collect();
                format!("[{}]", items.join(","))
            }
            Content::Mapping(entries) => {
                let mut members: Vec<String> = entries
                    .iter()
                    .map(|entry| format!("{}:{}", serde_json::Value::from(entry.key.as_str()), entry.value.canonical()))
                    .collect();
                members.sort_unstable();
                format!("{{{}}}", members.join(","))
            }
        }
    }
}

/// Reads a file's text; none when it is not YAML, or not the YAML that is accepted here.
pub(super) fn parse(file: &Path, text: &str, faults: &Faults) -> Option<Node> {
    let mut builder = Builder { file: Arc::from(file), open: Vec::new(), root: None, faults };
    for event in Parser::new_from_str(text) {
        let outcome = match event {
            Ok((event, span)) => builder.take(event, span),
            Err(error) => {
                let at = builder.position(*error.marker());
                faults.add(&at, format!("not YAML: {}", error.info()));
                return None;
            }
        };
        if let Err(Refused { at, problem, hint }) = outcome {
            faults.add_with_hint(&at, problem, hint);
            return None;
        }
    }
    if builder.root.is_none() {
        faults.add(&Position::start_of(file), "the file is empty");
    }
    builder.root
}

/// Why reading of a file stops.
struct Refused {
    at: Position,
    problem: &'static str,
    hint: &'static str,
}

/// A list or mapping that is not closed yet.
enum Open {
    List(Position, Vec<Node>),
    /// With the key whose value comes next.
    Mapping(Position, Vec<Entry>, Option<(String, Position)>),
}

struct Builder<'a> {
    file: Arc<Path>,
    open: Vec<Open>,
    root: Option<Node>,
    faults: &'a Faults,
}

impl Builder<'_> {
    fn take(&mut self, event: Event<'_>, span: Span) -> Result<(), Refused> {
        let at = self.position(span.start);
        let refused = |problem, hint| Err(Refused { at: at.clone(), problem, hint });
        match &event {
            Event::Alias(_) => return refused("an alias", "write the value out"),
            Event::Scalar(_, _, anchor, _) | Event::SequenceStart(anchor, _) | Event::MappingStart(anchor, _)
                if *anchor != 0 =>
            {
                return refused("an anchor", "write the value out where it is needed");
            }
            Event::Scalar(_, _, _, Some(_)) | Event::SequenceStart(_, Some(_)) | Event::MappingStart(_, Some(_)) => {
                return refused("a tag", "leave it out");
            }
            Event::SequenceStart(..) | Event::MappingStart(..) if self.open.len() == MOST_LEVELS => {
                return refused("nested too deeply", "this is not one of the files of the exchange");
            }
            Event::DocumentStart(_) if self.root.is_some() => {
                return refused("a second document", "put it into a file of its own");
            }
            _ => {}
        }
        match event {
            Event::Scalar(text, style, ..) => self.scalar(&text, style, at),
            Event::SequenceStart(..) => {
                self.open.push(Open::List(at, Vec::new()));
                Ok(())
            }
            Event::MappingStart(..) => {
                self.open.push(Open::Mapping(at, Vec::new(), None));
                Ok(())
            }
            Event::SequenceEnd | Event::MappingEnd => match self.open.pop() {
                Some(Open::List(at, items)) => self.place(Node { at, content: Content::List(items) }),
                Some(Open::Mapping(at, entries, _)) => self.place(Node { at, content: Content::Mapping(entries) }),
                None => Ok(()),
            },
            _ => Ok(()),
        }
    }

    fn scalar(&mut self, text: &str, style: ScalarStyle, at: Position) -> Result<(), Refused> {
        if let Some(Open::Mapping(_, _, key @ None)) = self.open.last_mut() {
            *key = Some((text.to_owned(), at));
            return Ok(());
        }
        let value = if style == ScalarStyle::Plain { resolve(text) } else { Value::String(text.to_owned()) };
        self.place(Node { at, content: Content::Scalar(value) })
    }

    fn place(&mut self, node: Node) -> Result<(), Refused> {
        match self.open.last_mut() {
            None => self.root = Some(node),
            Some(Open::List(_, items)) if items.len() < MOST_ENTRIES => items.push(node),
            Some(Open::Mapping(_, entries, _)) if entries.len() >= MOST_ENTRIES => return too_many(node.at),
            Some(Open::List(..)) => return too_many(node.at),
            Some(Open::Mapping(_, entries, key)) => {
                let Some((key, key_at)) = key.take() else {
                    return Err(Refused { at: node.at, problem: "a key that is not text", hint: "keys are words" });
                };
                if let Some(first) = entries.iter().find(|entry| entry.key == key) {
                    let line = first.key_at.line;
                    self.faults.add(&key_at, format!("key {} stands twice, first on line {line}", shown(&key)));
                } else {
                    entries.push(Entry { key, key_at, value: node });
                }
            }
        }
        Ok(())
    }

    fn position(&self, marker: Marker) -> Position {
        Position { file: self.file.clone(), line: marker.line().max(1), column: marker.col() + 1 }
    }
}

fn too_many(at: Position) -> Result<(), Refused> {
    Err(Refused { at, problem: "too many entries", hint: "this is not one of the files of the exchange" })
}

/// What a plain scalar is.
pub(super) fn resolve(text: &str) -> Value {
    if text.len() > LONGEST_NUMBER {
        return Value::String(text.to_owned());
    }
    match serde_yaml::from_str(text) {
        Ok(value @ (Value::Null | Value::Bool(_) | Value::Number(_))) => value,
        // Read outside its surroundings, text may look like a list or a mapping.
        Ok(_) | Err(_) => Value::String(text.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> (Option<Node>, Vec<String>) {
        let faults = Faults::default();
        let node = parse(Path::new("f"), text, &faults);
        (node, faults.into_sorted().iter().map(ToString::to_string).collect())
    }

    fn entries(node: &Node) -> &[Entry] {
        match &node.content {
            Content::Mapping(entries) => entries,
            content => panic!("{content:?}"),
        }
    }

    #[test]
    fn keys_and_values_know_their_places() {
        let (root, faults) = read("a: 1\nb:\n  - é: \"2\"\n    day: 2027-12-31\n");
        assert!(faults.is_empty());
        let root = root.unwrap();
        let places: Vec<_> = entries(&root)
            .iter()
            .map(|entry| (entry.key.as_str(), entry.key_at.line, entry.value.at.line, entry.value.at.column))
            .collect();
        assert_eq!(places, [("a", 1, 1, 4), ("b", 2, 3, 3)]);
        let Content::List(items) = &entries(&root)[1].value.content else { panic!() };
        let inner = entries(&items[0]);
        assert_eq!((inner[0].value.at.line, inner[0].value.at.column, inner[0].value.describe()), (3, 8, "text"));
        assert_eq!((inner[1].key_at.line, inner[1].key_at.column, inner[1].value.describe()), (4, 5, "text"));
    }

    #[test]
    fn plain_scalars_are_what_serde_yaml_says() {
        for (text, found) in [
            ("a: 12", "a number"),
            ("a: true", "true or false"),
            ("a: yes", "text"),
            ("a: ~", "nothing"),
            ("a:", "nothing"),
            ("a: 'true'", "text"),
            ("a: - b", ""),
            ("a: [-1]", "a list"),
        ] {
            let found_here = read(text).0.map(|root| entries(&root)[0].value.describe());
            assert_eq!(found_here.unwrap_or_default(), found, "{text}");
        }
    }

    #[test]
    fn what_is_not_accepted_is_named() {
        for (text, fault) in [
            ("a: &x 1\n", "f:1:4: an anchor; write the value out where it is needed"),
            ("a: *x\n", "f:1:4: not YAML: while parsing node, found unknown anchor"),
            ("a: !!str 1\n", "f:1:4: a tag; leave it out"),
            ("a: 1\n---\nb: 1\n", "f:2:1: a second document; put it into a file of its own"),
            ("? [a]\n: 1\n", "f:1:3: a key that is not text; keys are words"),
            ("a: 1\na: 2\n", "f:2:1: key `a` stands twice, first on line 1"),
            ("", "f:1:1: the file is empty"),
            ("# nothing\n", "f:1:1: the file is empty"),
            (
                &format!("a:\n{}", "- b\n".repeat(5000)),
                "f:4098:3: too many entries; this is not one of the files of the exchange",
            ),
            (&"[".repeat(40), "f:1:17: nested too deeply; this is not one of the files of the exchange"),
        ] {
            assert_eq!(read(text).1, [fault], "{text}");
        }
    }

    proptest::proptest! {
        #[test]
        fn no_text_makes_it_panic(text in "\\PC*|[-a: \\[\\]{}&*!|>'\"%#?,\n\t]{0,40}") {
            let _ = read(&text);
        }
    }
}
