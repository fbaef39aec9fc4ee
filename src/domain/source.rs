//! The catalogue of the Groeipakket's sources: it grows in `config/sources.yaml`, without a change of code.

use std::fmt;

use super::sepa;

/// The place of a source in the catalogue.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SourceId(u8);

impl SourceId {
    /// The place, from 0.
    pub fn index(self) -> u8 {
        self.0
    }
}

/// One source, as the catalogue describes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source {
    /// The code in extracts and assignments: `[a-z_]{2,40}`.
    pub code: String,
    /// The name in reports, in Dutch.
    pub name: String,
}

/// All sources, in the order of the catalogue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceCatalogue(Vec<Source>);

/// Why sources make no catalogue.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CatalogueFault {
    /// A code of another shape.
    #[error("source code {0:?} is not 2 to 40 of a-z and _")]
    Code(String),
    /// A code that stands twice.
    #[error("source {0:?} stands twice")]
    Twice(String),
    /// More than [`MOST_SOURCES`].
    #[error("more than {MOST_SOURCES} sources")]
    TooMany,
    /// The allowance that lists are answered with is missing.
    #[error("source {SOCIALE_TOESLAG:?} is missing")]
    NoSocialeToeslag,
}

/// Sources at most: the register keeps a set of them in 64 bits.
pub const MOST_SOURCES: usize = 64;

/// The source that lists of the Opgroeien route are answered with.
pub const SOCIALE_TOESLAG: &str = "sociale_toeslag";

impl SourceCatalogue {
    /// Checks the sources of a catalogue.
    ///
    /// # Errors
    /// [`CatalogueFault`], the first that holds.
    pub fn new(sources: Vec<Source>) -> Result<Self, CatalogueFault> {
        if sources.len() > MOST_SOURCES {
            return Err(CatalogueFault::TooMany);
        }
        for (at, source) in sources.iter().enumerate() {
            let shape = source.code.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_');
            if !shape || !(2..=40).contains(&source.code.len()) {
                return Err(CatalogueFault::Code(source.code.clone()));
            }
            if sources.iter().take(at).any(|earlier| earlier.code == source.code) {
                return Err(CatalogueFault::Twice(source.code.clone()));
            }
        }
        let catalogue = Self(sources);
        if catalogue.id(SOCIALE_TOESLAG).is_none() {
            return Err(CatalogueFault::NoSocialeToeslag);
        }
        Ok(catalogue)
    }

    /// The source with that code.
    pub fn id(&self, code: &str) -> Option<SourceId> {
        self.0.iter().position(|source| source.code == code).and_then(|at| u8::try_from(at).ok()).map(SourceId)
    }

    /// What the catalogue says of a source.
    pub fn source(&self, id: SourceId) -> Option<&Source> {
        self.0.get(usize::from(id.0))
    }

    /// The source that a text names by its code or its name, however it is spaced, accented or capitalised.
    pub fn named_in(&self, text: &str) -> Option<&Source> {
        let bare = letters(text);
        self.0.iter().find(|source| {
            let mut names = [&source.code, &source.name].into_iter().map(|name| letters(name));
            names.any(|name| !name.is_empty() && bare.contains(&name))
        })
    }

    /// The sources with their places, in order.
    pub fn iter(&self) -> impl Iterator<Item = (SourceId, &Source)> {
        (0_u8..).map(SourceId).zip(&self.0)
    }
}

/// The letters of a text, in lower case and without accents: `Sociale  Toeslag` and `sociale_toeslag` are one.
fn letters(text: &str) -> String {
    let text = sepa::transliterated(text);
    text.chars().filter(char::is_ascii_alphabetic).map(|letter| letter.to_ascii_lowercase()).collect()
}

impl fmt::Display for Source {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.code)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sources(codes: &[&str]) -> Vec<Source> {
        codes.iter().map(|code| Source { code: (*code).to_owned(), name: String::new() }).collect()
    }

    #[test]
    fn a_catalogue_finds_its_sources() {
        let catalogue = SourceCatalogue::new(sources(&["basisbedrag", "sociale_toeslag"])).unwrap();
        let id = catalogue.id("sociale_toeslag").unwrap();
        assert_eq!((id.index(), catalogue.source(id).unwrap().code.as_str()), (1, "sociale_toeslag"));
        assert_eq!(catalogue.id("zorgtoeslag"), None);
    }

    #[test]
    fn a_catalogue_at_fault_is_refused() {
        let many: Vec<String> = (0..=64).map(|n| format!("x{}", "y".repeat(n % 30 + 1))).collect();
        let many: Vec<&str> = many.iter().map(String::as_str).collect();
        for (codes, fault) in [
            (&["basisbedrag"][..], CatalogueFault::NoSocialeToeslag),
            (&["sociale_toeslag", "Zorg"], CatalogueFault::Code("Zorg".to_owned())),
            (&["sociale_toeslag", "sociale_toeslag"], CatalogueFault::Twice("sociale_toeslag".to_owned())),
            (&many, CatalogueFault::TooMany),
        ] {
            assert_eq!(SourceCatalogue::new(sources(codes)), Err(fault));
        }
    }
}
