//! The world of one document: some files in memory, the fonts, and a day.

use std::sync::LazyLock;

use jiff::civil::Date;
use typst::{
    Library, LibraryExt, World,
    diag::{FileError, FileResult},
    foundations::{Binding, Bytes, Datetime, Duration, Value},
    syntax::{FileId, RootedPath, Source, VirtualPath, VirtualRoot},
    text::{Font, FontBook},
    utils::LazyHash,
};

use super::fonts;

/// Functions that templates are not given: `eval` runs text as source, `plugin` runs machine code.
const WITHHELD: [&str; 2] = ["eval", "plugin"];

/// How the names of sources end.
const SOURCE: &str = ".typ";

/// Typst's library, the same for every document.
static LIBRARY: LazyLock<LazyHash<Library>> = LazyLock::new(|| {
    let mut library = Library::default();
    for name in WITHHELD {
        let value = library.global.scope_mut().get_mut(name).and_then(|binding| binding.write().ok());
        if let Some(value) = value {
            *value = Value::None;
        }
    }
    library.std = Binding::detached(library.global.clone());
    LazyHash::new(library)
});

/// A file of a world.
pub struct File {
    name: &'static str,
    bytes: Vec<u8>,
    is_from_elsewhere: bool,
}

impl File {
    /// A file that this program makes.
    ///
    /// Names are fixed: Typst keeps each for as long as the process lives.
    pub fn own(name: &'static str, bytes: impl Into<Vec<u8>>) -> Self {
        Self { name, bytes: bytes.into(), is_from_elsewhere: false }
    }

    /// A file that comes from elsewhere: faults are shown at their place in it.
    pub fn from_elsewhere(name: &'static str, bytes: impl Into<Vec<u8>>) -> Self {
        Self { is_from_elsewhere: true, ..Self::own(name, bytes) }
    }
}

/// A file as Typst wants it.
struct Placed {
    id: FileId,
    bytes: Bytes,
    /// There where it is text.
    source: Option<Source>,
    is_from_elsewhere: bool,
}

/// The world of one document.
pub(super) struct OwnWorld {
    main: FileId,
    files: Vec<Placed>,
    day: Date,
}

impl OwnWorld {
    /// None where a name is no path, which names of this program are.
    pub(super) fn new(main: &str, files: Vec<File>, day: Date) -> Option<Self> {
        let files = files.into_iter().map(|file| {
            let File { name, bytes, is_from_elsewhere } = file;
            let id = id(name)?;
            let text = if name.ends_with(SOURCE) { std::str::from_utf8(&bytes).ok() } else { None };
            let source = text.map(|text| Source::new(id, text.to_owned()));
            Some(Placed { id, bytes: Bytes::new(bytes), source, is_from_elsewhere })
        });
        Some(Self { main: id(main)?, files: files.collect::<Option<_>>()?, day })
    }

    /// Whether a file came from elsewhere.
    pub(super) fn is_from_elsewhere(&self, id: FileId) -> bool {
        self.placed(id).is_ok_and(|file| file.is_from_elsewhere)
    }

    fn placed(&self, id: FileId) -> FileResult<&Placed> {
        let missing = || FileError::NotFound(id.vpath().get_without_slash().into());
        self.files.iter().find(|file| file.id == id).ok_or_else(missing)
    }
}

/// The identity of a file at the root.
fn id(name: &str) -> Option<FileId> {
    let path = VirtualPath::new(name).ok()?;
    Some(RootedPath::new(VirtualRoot::Project, path).intern())
}

impl World for OwnWorld {
    fn library(&self) -> &LazyHash<Library> {
        &LIBRARY
    }

    fn book(&self) -> &LazyHash<FontBook> {
        fonts::book()
    }

    fn main(&self) -> FileId {
        self.main
    }

    fn source(&self, id: FileId) -> FileResult<Source> {
        self.placed(id)?.source.clone().ok_or(FileError::NotSource)
    }

    fn file(&self, id: FileId) -> FileResult<Bytes> {
        self.placed(id).map(|file| file.bytes.clone())
    }

    fn font(&self, index: usize) -> Option<Font> {
        fonts::font(index)
    }

    fn today(&self, _: Option<Duration>) -> Option<Datetime> {
        let (month, day) = (u8::try_from(self.day.month()).ok()?, u8::try_from(self.day.day()).ok()?);
        Datetime::from_ymd(i32::from(self.day.year()), month, day)
    }
}
