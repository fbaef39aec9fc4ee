//! Taking typed values out of a tree: what does not fit is noted at its place, and reading goes on.
//!
//! Each method gives none both for what is absent and for what is at fault. That is enough: settings with a fault are
//! never used, so it does not matter which default stands in for a value at fault.

use std::{fmt::Display, ops::RangeInclusive, path::PathBuf, str::FromStr};

use jiff::civil::Date;
use serde::de::DeserializeOwned;
use serde_yaml::Value;

use super::{
    fault::{Faults, Position, shown},
    keys::{Keys, Word, nearest},
    tree::{Content, Entry, Node},
};
use crate::domain::{ByteSize, path::is_control};

/// Characters of a text at most: several times the longest recipient, or a purpose with its whole ground. What stands in the
/// configuration stands in entries of the transfer log, which have a limit of their own.
const LONGEST_TEXT: usize = 4_000;

/// A scalar that `serde_yaml` reads.
pub(super) trait Leaf: DeserializeOwned {
    /// What is expected, for messages.
    const EXPECTED: &'static str;
}

impl Leaf for String {
    const EXPECTED: &'static str = "text";
}

impl Leaf for bool {
    const EXPECTED: &'static str = "true or false";
}

impl Leaf for u32 {
    const EXPECTED: &'static str = "a whole number of 0 or more";
}

/// A value with its place.
pub(super) struct Item<'a> {
    pub node: &'a Node,
    /// The key that it stands under, for messages.
    pub key: &'static str,
    pub faults: &'a Faults,
}

/// A mapping whose keys were checked.
pub(super) struct Fields<'a> {
    pub at: &'a Position,
    keys: &'static Keys,
    entries: &'a [Entry],
    faults: &'a Faults,
}

impl<'a> Fields<'a> {
    /// Opens a file's outermost mapping.
    pub fn of_file(root: &'a Node, keys: &'static Keys, faults: &'a Faults) -> Option<Self> {
        if !matches!(root.content, Content::Mapping(_)) {
            faults.add(&root.at, format!("the file is {}, not a mapping", root.describe()));
            return None;
        }
        Item { node: root, key: "the file", faults }.mapping(keys)
    }

    /// The value under a key, if it is there.
    pub fn item(&self, key: &'static str) -> Option<Item<'a>> {
        debug_assert!(self.keys.all().any(|known| known == key), "{key} is not in the table");
        let entry = self.entries.iter().find(|entry| entry.key == key)?;
        Some(Item { node: &entry.value, key, faults: self.faults })
    }

    /// The place of a key's value, or of the mapping where the key is absent.
    pub fn place(&self, key: &'static str) -> &'a Position {
        self.item(key).map_or(self.at, |item| &item.node.at)
    }

    /// A scalar.
    pub fn leaf<T: Leaf>(&self, key: &'static str) -> Option<T> {
        self.item(key)?.leaf()
    }

    /// Text that says something.
    pub fn text(&self, key: &'static str) -> Option<String> {
        self.item(key)?.text()
    }

    /// Text that means something.
    pub fn parsed<T: FromStr<Err: Display>>(&self, key: &'static str) -> Option<T> {
        self.item(key)?.parsed()
    }

    /// One of a few words.
    pub fn word<T: Word>(&self, key: &'static str) -> Option<T> {
        self.item(key)?.word()
    }

    /// A day.
    pub fn date(&self, key: &'static str) -> Option<Date> {
        self.item(key)?.date()
    }

    /// A whole number within bounds, or the default.
    pub fn number(&self, key: &'static str, bounds: RangeInclusive<u32>, default: u32) -> u32 {
        let Some(number) = self.leaf(key) else { return default };
        if !bounds.contains(&number) {
            let problem = format!("`{key}` is {number}, outside {} to {}", bounds.start(), bounds.end());
            self.faults.add(self.place(key), problem);
        }
        number
    }

    /// A size in bytes within bounds, or the default.
    pub fn size(&self, key: &'static str, bounds: RangeInclusive<ByteSize>, default: ByteSize) -> u64 {
        let Some(item) = self.item(key) else { return default.0 };
        let size = match &item.node.content {
            Content::Scalar(Value::Number(number)) => number.as_u64().map(ByteSize),
            Content::Scalar(Value::String(text)) => text.parse().ok(),
            _ => None,
        };
        match size {
            None => item.fault(format!("`{key}` is not a size"), Some("write it as 64MiB, 1GiB or 500KiB")),
            Some(size) if !bounds.contains(&size) => {
                item.fault(format!("`{key}` is {size}, outside {} to {}", bounds.start(), bounds.end()), None);
            }
            Some(size) => return size.0,
        }
        default.0
    }

    /// A mapping.
    pub fn mapping(&self, key: &'static str, keys: &'static Keys) -> Option<Fields<'a>> {
        self.item(key)?.mapping(keys)
    }

    /// The items of a list; none where it is absent.
    pub fn list(&self, key: &'static str) -> Vec<Item<'a>> {
        self.item(key).and_then(|item| item.list()).unwrap_or_default()
    }

    /// A path, relative to the file that names it, made absolute.
    pub fn path(&self, key: &'static str) -> Option<PathBuf> {
        self.item(key)?.path()
    }
}

impl<'a> Item<'a> {
    /// Notes a fault at this value.
    pub fn fault(&self, problem: impl Into<String>, hint: Option<&str>) {
        match hint {
            Some(hint) => self.faults.add_with_hint(&self.node.at, problem, hint),
            None => self.faults.add(&self.node.at, problem),
        }
    }

    pub fn leaf<T: Leaf>(&self) -> Option<T> {
        if let Content::Scalar(value) = &self.node.content
            && let Ok(leaf) = serde_yaml::from_value(value.clone())
        {
            return Some(leaf);
        }
        let found = self.node.describe();
        let hint = match &self.node.content {
            Content::Scalar(Value::Null) => Some("give a value or leave the key out"),
            Content::Scalar(_) if T::EXPECTED == String::EXPECTED => Some("put it between quotes"),
            _ => None,
        };
        self.fault(format!("`{}` is {found}, not {}", self.key, T::EXPECTED), hint);
        None
    }

    pub fn text(&self) -> Option<String> {
        let text: String = self.leaf()?;
        if text.trim().is_empty() {
            self.fault(format!("`{}` is empty", self.key), None);
            return None;
        }
        let length = text.chars().count();
        if length > LONGEST_TEXT {
            self.fault(format!("`{}` has {length} characters; {LONGEST_TEXT} at most", self.key), None);
            return None;
        }
        // They would go into mail, guides and what terminals show.
        if text.chars().any(|character| is_control(character) && !matches!(character, '\n' | '\t')) {
            let problem = format!("`{}` has control characters, or such as turn the direction of text", self.key);
            self.fault(problem, Some("write it anew, without what was pasted along"));
            return None;
        }
        Some(text)
    }

    pub fn parsed<T: FromStr<Err: Display>>(&self) -> Option<T> {
        let text = self.text()?;
        text.parse().map_err(|error| self.fault(format!("`{}` {}: {error}", self.key, shown(&text)), None)).ok()
    }

    pub fn word<T: Word>(&self) -> Option<T> {
        let text: String = self.leaf()?;
        if let Some((_, value)) = T::WORDS.iter().find(|(word, _)| *word == text) {
            return Some(*value);
        }
        let words: Vec<&str> = T::WORDS.iter().map(|(word, _)| *word).collect();
        let hint = match nearest(&text, words.iter().copied()) {
            Some(meant) => format!("did you mean `{meant}`?"),
            None => format!("known: {}", words.join(", ")),
        };
        self.fault(format!("`{}` {} is not known", self.key, shown(&text)), Some(&hint));
        None
    }

    pub fn date(&self) -> Option<Date> {
        let hint = Some("write it as 2027-12-31");
        let Content::Scalar(Value::String(text)) = &self.node.content else {
            self.fault(format!("`{}` is {}, not a day", self.key, self.node.describe()), hint);
            return None;
        };
        // The parser takes other ISO forms too; files that people review have one.
        let day = text.parse().ok().filter(|day: &Date| day.to_string() == *text);
        if day.is_none() {
            self.fault(format!("`{}` {} is not a day", self.key, shown(text)), hint);
        }
        day
    }

    pub fn mapping(&self, keys: &'static Keys) -> Option<Fields<'a>> {
        let Content::Mapping(entries) = &self.node.content else {
            let (key, found) = (self.key, self.node.describe());
            let hint = (found == "nothing").then_some("write {} or leave the key out");
            self.fault(format!("`{key}` is {found}, not a mapping"), hint);
            return None;
        };
        for entry in entries.iter().filter(|entry| !keys.all().any(|key| key == entry.key)) {
            let problem = format!("unknown key {} in {}", shown(&entry.key), keys.name);
            match nearest(&entry.key, keys.all()) {
                Some(meant) => self.faults.add_with_hint(&entry.key_at, problem, format!("did you mean `{meant}`?")),
                None => self.faults.add(&entry.key_at, problem),
            }
        }
        for key in keys.required().filter(|key| !entries.iter().any(|entry| entry.key == *key)) {
            self.fault(format!("{} has no `{key}`", keys.name), None);
        }
        Some(Fields { at: &self.node.at, keys, entries, faults: self.faults })
    }

    /// The entries of a mapping whose keys are not fixed.
    pub fn entries(&self) -> &'a [Entry] {
        let Content::Mapping(entries) = &self.node.content else {
            self.fault(format!("`{}` is {}, not a mapping", self.key, self.node.describe()), None);
            return &[];
        };
        entries
    }

    pub fn list(&self) -> Option<Vec<Item<'a>>> {
        let Content::List(items) = &self.node.content else {
            let (key, found) = (self.key, self.node.describe());
            let hint = match found {
                "nothing" => "write [] or leave the key out",
                _ => "write it between [ and ]",
            };
            self.fault(format!("`{key}` is {found}, not a list"), Some(hint));
            return None;
        };
        Some(items.iter().map(|node| Item { node, key: self.key, faults: self.faults }).collect())
    }

    pub fn path(&self) -> Option<PathBuf> {
        self.text().map(|text| self.beside(&text))
    }

    /// A path as that file means it: relative to itself, made absolute.
    pub fn beside(&self, path: &str) -> PathBuf {
        let path = self.node.at.file.parent().unwrap_or(std::path::Path::new("")).join(path);
        std::path::absolute(&path).unwrap_or(path)
    }
}
