//! Names of uploads: which are temporary, and which are those of lists.

/// Endings that clients give a file until it is complete.
const TEMPORARY_ENDINGS: [&str; 4] = [".filepart", ".part", ".partial", ".tmp"];

/// Endings of lists; each also with `.age` after it.
const LIST_ENDINGS: [&str; 3] = [".csv", ".txt", ".xlsx"];

/// Whether a client will rename the file when it is complete: it is never taken under this name.
pub fn is_temporary(name: &str) -> bool {
    let lower = name.to_lowercase();
    name.starts_with('.') || TEMPORARY_ENDINGS.iter().any(|ending| lower.ends_with(ending))
}

/// The name of a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListName {
    /// The name without `.age`, for what depends on the ending.
    pub bare: String,
    /// Whether the name says that the file is sealed.
    pub sealed: bool,
}

impl ListName {
    /// Reads a name; none when its ending is not that of a list.
    pub fn parse(name: &str) -> Option<Self> {
        let lower = name.to_lowercase();
        let bare_length = lower.strip_suffix(".age").map_or(lower.len(), str::len);
        let sealed = bare_length != lower.len();
        let bare = lower.get(..bare_length)?.to_owned();
        LIST_ENDINGS.iter().any(|ending| bare.ends_with(ending)).then_some(Self { bare, sealed })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn temporary_names_are_those_that_clients_use() {
        for name in ["x.csv.filepart", "x.csv.a1b2c3d4.partial", "x.part", "X.TMP", ".x.csv", ".in.x.csv."] {
            assert!(is_temporary(name), "{name}");
        }
        for name in ["x.csv", "x.csv.age", "partial.csv", "tmp", "x.parts"] {
            assert!(!is_temporary(name), "{name}");
        }
    }

    #[test]
    fn list_names_are_told_by_their_ending() {
        for (name, sealed) in [("x.csv", false), ("X.CSV.AGE", true), ("a.b.xlsx", false), ("x.txt.age", true)] {
            assert_eq!(ListName::parse(name).map(|list| list.sealed), Some(sealed), "{name}");
        }
        for name in ["x", "x.pdf", "x.age", "x.csv.gz", "x.xls", ""] {
            assert_eq!(ListName::parse(name), None, "{name}");
        }
    }
}
