//! A path as an SFTP client names it, brought to its one form.
//!
//! Absolute, without `.`, `..`, empty parts or a slash at the end. It names a place in a tenant's tree and never one
//! of the machine: what it means is decided by the drop-box, which has no notion of a path outside.

use std::fmt;

/// A path in a drop-box, beginning with `/`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct VirtualPath(String);

/// Longest path, in bytes: the usual limit of POSIX systems (`PATH_MAX`), far above what the tree needs.
pub const LONGEST_PATH_BYTES: usize = 4096;

/// Longest name of one file, in bytes: what Linux file systems take (`NAME_MAX`).
pub const LONGEST_NAME_BYTES: usize = 255;

/// Why bytes from a client are no path.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PathFault {
    /// Not UTF-8, which SFTP clients of today send.
    #[error("the path is not UTF-8")]
    Encoding,
    /// A control character, NUL and line ends included, or one that changes the direction of writing.
    #[error("the path holds a control character")]
    Control,
    /// Above [`LONGEST_PATH_BYTES`] or [`LONGEST_NAME_BYTES`].
    #[error("the path is too long")]
    TooLong,
}

impl VirtualPath {
    /// The top of the tree.
    pub fn root() -> Self {
        Self("/".to_owned())
    }

    /// Brings a client's bytes to a path; what does not begin with `/` starts at the top, the home directory. `..`
    /// at the top stays there, as in POSIX.
    ///
    /// # Errors
    /// [`PathFault`].
    pub fn parse(bytes: &[u8]) -> Result<Self, PathFault> {
        if bytes.len() > LONGEST_PATH_BYTES {
            return Err(PathFault::TooLong);
        }
        let text = std::str::from_utf8(bytes).map_err(|_| PathFault::Encoding)?;
        if text.chars().any(is_control) {
            return Err(PathFault::Control);
        }
        let mut parts: Vec<&str> = Vec::new();
        for part in text.split('/') {
            match part {
                "" | "." => {}
                ".." => {
                    parts.pop();
                }
                name if name.len() > LONGEST_NAME_BYTES => return Err(PathFault::TooLong),
                name => parts.push(name),
            }
        }
        Ok(Self(format!("/{}", parts.join("/"))))
    }

    /// The path as text, beginning with `/`.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The names from the top down; none for the top itself.
    pub fn parts(&self) -> impl Iterator<Item = &str> {
        self.0.split('/').filter(|part| !part.is_empty())
    }

    /// The last name, none for the top.
    pub fn name(&self) -> Option<&str> {
        self.0.rsplit_once('/').map(|(_, name)| name).filter(|name| !name.is_empty())
    }

    /// The directory above; the top's is the top.
    #[must_use]
    pub fn parent(&self) -> Self {
        match self.0.rsplit_once('/') {
            None | Some(("", _)) => Self::root(),
            Some((parent, _)) => Self(parent.to_owned()),
        }
    }
}

/// Control characters of Unicode, and those that reverse the direction of text to disguise a name.
pub fn is_control(character: char) -> bool {
    character.is_control() || matches!(character, '\u{202A}'..='\u{202E}' | '\u{2066}'..='\u{2069}')
}

impl fmt::Display for VirtualPath {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl fmt::Debug for VirtualPath {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{:?}", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn parsed(text: &str) -> String {
        VirtualPath::parse(text.as_bytes()).unwrap().0
    }

    #[test]
    fn every_spelling_comes_to_one_form() {
        for (text, form) in [
            ("", "/"),
            (".", "/"),
            ("/", "/"),
            ("//", "/"),
            ("inbox", "/inbox"),
            ("/inbox/", "/inbox"),
            ("./inbox/./x.csv", "/inbox/x.csv"),
            ("/inbox/../outbox/x", "/outbox/x"),
            ("../../../etc/passwd", "/etc/passwd"),
            ("/inbox/...", "/inbox/..."),
        ] {
            assert_eq!(parsed(text), form, "{text}");
        }
    }

    #[test]
    fn names_and_parents() {
        let path = VirtualPath::parse(b"/test/inbox/x.csv").unwrap();
        assert_eq!(path.name(), Some("x.csv"));
        assert_eq!(path.parent().as_str(), "/test/inbox");
        assert_eq!(path.parts().collect::<Vec<_>>(), ["test", "inbox", "x.csv"]);
        assert_eq!((VirtualPath::root().name(), VirtualPath::root().parent()), (None, VirtualPath::root()));
    }

    #[test]
    fn what_is_no_path_is_refused() {
        let long = vec![b'a'; LONGEST_NAME_BYTES + 1];
        let longer = b"a/".repeat(LONGEST_PATH_BYTES);
        for (bytes, fault) in [
            (&b"/inbox/\xff"[..], PathFault::Encoding),
            (b"/inbox/a\0b", PathFault::Control),
            (b"/inbox/a\nb", PathFault::Control),
            ("/inbox/\u{202E}vsc.x".as_bytes(), PathFault::Control),
            (&long, PathFault::TooLong),
            (&longer, PathFault::TooLong),
        ] {
            assert_eq!(VirtualPath::parse(bytes), Err(fault));
        }
    }

    proptest! {
        #[test]
        fn a_path_never_leaves_and_reads_back_as_itself(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            if let Ok(path) = VirtualPath::parse(&bytes) {
                prop_assert!(path.as_str().starts_with('/'));
                prop_assert!(path.parts().all(|part| part != ".." && part != "."));
                prop_assert_eq!(VirtualPath::parse(path.as_str().as_bytes()), Ok(path));
            }
        }
    }
}
