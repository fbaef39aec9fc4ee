//! What a file is by its first bytes, whatever its name says.

use std::fmt;

/// A sort of file that is no list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Seems {
    /// A workbook of Excel 97–2003.
    Xls,
    /// A binary workbook of Excel.
    Xlsb,
    /// A spreadsheet of `LibreOffice`.
    Ods,
    /// A text document.
    WordDocument,
    /// A PDF document.
    Pdf,
    /// A picture.
    Picture,
    /// A ZIP file that is no workbook, or another archive.
    Archive,
    /// A web page, or a "workbook" that is one inside.
    Html,
    /// Another XML file.
    Xml,
    /// JSON.
    Json,
    /// A file sealed with age inside the one that was opened.
    Sealed,
    /// A file encrypted with `OpenPGP`.
    Pgp,
    /// A database of Access or dBase.
    Database,
    /// None of the above.
    Binary,
}

/// Bytes looked at for text markers: enough for a declaration and a comment before the first tag.
const MARKER_BYTES: usize = 1024;

/// The container of Office 97–2003, and of Office documents with a password ([MS-CFB], section 2.2).
const COMPOUND_FILE: &[u8] = b"\xD0\xCF\x11\xE0\xA1\xB1\x1A\xE1";

/// First bytes that give a file away. Workbooks and ZIP files are told apart elsewhere.
const MAGIC: [(&[u8], Seems); 20] = [
    (b"%PDF", Seems::Pdf),
    (b"\x89PNG\r\n\x1A\n", Seems::Picture),
    (b"\xFF\xD8\xFF", Seems::Picture),
    (b"GIF8", Seems::Picture),
    (b"II*\0", Seems::Picture),
    (b"MM\0*", Seems::Picture),
    (b"BM", Seems::Picture),
    (b"7z\xBC\xAF\x27\x1C", Seems::Archive),
    (b"Rar!\x1A\x07", Seems::Archive),
    (b"\x1F\x8B\x08", Seems::Archive),
    (b"\x28\xB5\x2F\xFD", Seems::Archive),
    (b"BZh", Seems::Archive),
    (b"\xFD7zXZ\0", Seems::Archive),
    (b"age-encryption.org/v1", Seems::Sealed),
    (b"-----BEGIN AGE ENCRYPTED FILE-----", Seems::Sealed),
    (b"-----BEGIN PGP", Seems::Pgp),
    (b"{\\rtf", Seems::WordDocument),
    (b"\0\x01\0\0Standard Jet DB", Seems::Database),
    (b"\0\x01\0\0Standard ACE DB", Seems::Database),
    (b"\x09\x08\x10\0\0\x06\x05\0", Seems::Xls),
];

impl Seems {
    /// What the bytes are, when they are surely no text and no ZIP file.
    pub fn by_magic(bytes: &[u8]) -> Option<Self> {
        let (_, seems) = MAGIC.iter().find(|(magic, _)| bytes.starts_with(magic))?;
        // Two letters are too few to condemn a text that begins with them.
        let sure = *seems != Self::Picture || !bytes.starts_with(b"BM") || bytes.contains(&0);
        sure.then_some(*seems)
    }

    /// What a text is, when it is no list.
    pub fn by_markup(text: &str) -> Option<Self> {
        let start = text.trim_start();
        let head: String = start.chars().take(MARKER_BYTES).collect::<String>().to_ascii_lowercase();
        if head.starts_with("<!doctype html") || head.contains("<html") || head.contains("<table") {
            Some(Self::Html)
        } else if head.starts_with("<?xml") {
            Some(Self::Xml)
        } else if head.starts_with('{') || head.starts_with("[{") {
            Some(Self::Json)
        } else {
            None
        }
    }

    /// What the ending of a name says of bytes that say nothing.
    pub fn by_name(name: &str) -> Self {
        let ending = name.rsplit_once('.').map(|(_, ending)| ending.to_ascii_lowercase());
        match ending.as_deref() {
            Some("xls") => Self::Xls,
            Some("xlsb") => Self::Xlsb,
            Some("ods") => Self::Ods,
            Some("doc" | "docx" | "odt") => Self::WordDocument,
            Some("mdb" | "accdb" | "dbf") => Self::Database,
            Some("pgp" | "gpg" | "asc") => Self::Pgp,
            Some("age") => Self::Sealed,
            Some("zip" | "7z" | "rar" | "gz" | "tar") => Self::Archive,
            Some("heic" | "webp" | "jpg" | "png" | "bmp") => Self::Picture,
            _ => Self::Binary,
        }
    }

    /// The sort of file, in Dutch, after "het lijkt … te zijn".
    pub fn name_nl(self) -> &'static str {
        match self {
            Self::Xls => "een oud Excel-bestand (.xls)",
            Self::Xlsb => "een binair Excel-bestand (.xlsb)",
            Self::Ods => "een rekenblad van LibreOffice (.ods)",
            Self::WordDocument => "een tekstdocument (zoals van Word)",
            Self::Pdf => "een PDF-document",
            Self::Picture => "een afbeelding",
            Self::Archive => "een gecomprimeerd archief (zoals .zip)",
            Self::Html => "een webpagina (HTML)",
            Self::Xml => "een XML-bestand",
            Self::Json => "een JSON-bestand",
            Self::Sealed => "een bestand dat twee keer met age verzegeld is",
            Self::Pgp => "een bestand dat met PGP versleuteld is",
            Self::Database => "een databank",
            Self::Binary => "een binair bestand",
        }
    }

    /// What to do instead, a Dutch sentence.
    pub fn remedy_nl(self) -> &'static str {
        match self {
            Self::Xls | Self::Xlsb | Self::Ods | Self::Html => {
                "Open het in Excel of LibreOffice, bewaar het als .xlsx of als CSV en stuur het opnieuw."
            }
            Self::Archive => "Pak het uit en stuur de lijst zelf: .csv, .txt of .xlsx.",
            Self::Sealed => "Verzegel de lijst één keer met age, of stuur ze zonder age, en stuur ze opnieuw.",
            Self::Pgp => {
                "Gebruik age in plaats van PGP, zoals LEESMIJ.txt uitlegt, of stuur de lijst zonder versleuteling."
            }
            Self::WordDocument | Self::Pdf | Self::Picture | Self::Xml | Self::Json | Self::Database | Self::Binary => {
                "Stuur een lijst als .csv, .txt of .xlsx, met één rijksregister- of bisnummer per regel."
            }
        }
    }
}

/// What is in a compound file of Office.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Compound {
    /// A document with a password, of whatever sort.
    Encrypted,
    /// A document of that sort.
    Plain(Seems),
}

/// What a compound file of Office is; none for other bytes.
pub fn compound_file(bytes: &[u8]) -> Option<Compound> {
    if !bytes.starts_with(COMPOUND_FILE) {
        return None;
    }
    let named = |name: &str| {
        let wide: Vec<u8> = name.encode_utf16().flat_map(u16::to_le_bytes).collect();
        memchr::memmem::find(bytes, &wide).is_some()
    };
    Some(if named("EncryptedPackage") {
        Compound::Encrypted
    } else if named("WordDocument") {
        Compound::Plain(Seems::WordDocument)
    } else if named("Workbook") || named("Book") {
        Compound::Plain(Seems::Xls)
    } else {
        Compound::Plain(Seems::Binary)
    })
}

impl fmt::Display for Seems {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Xls => "an .xls workbook",
            Self::Xlsb => "an .xlsb workbook",
            Self::Ods => "an .ods spreadsheet",
            Self::WordDocument => "a text document",
            Self::Pdf => "a PDF document",
            Self::Picture => "a picture",
            Self::Archive => "an archive",
            Self::Html => "HTML",
            Self::Xml => "XML",
            Self::Json => "JSON",
            Self::Sealed => "sealed twice with age",
            Self::Pgp => "encrypted with OpenPGP",
            Self::Database => "a database",
            Self::Binary => "binary data",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_known_by_their_first_bytes() {
        for (bytes, seems) in [
            (&b"%PDF-1.7\n"[..], Some(Seems::Pdf)),
            (b"\x89PNG\r\n\x1A\n\0\0", Some(Seems::Picture)),
            (b"BM\x36\0", Some(Seems::Picture)),
            (b"BMnummer;naam", None),
            (b"age-encryption.org/v1\n-> X25519 x", Some(Seems::Sealed)),
            (b"\x1F\x8B\x08\0", Some(Seems::Archive)),
            (b"niss\n", None),
            (b"", None),
        ] {
            assert_eq!(Seems::by_magic(bytes), seems, "{bytes:?}");
        }
    }

    #[test]
    fn markup_is_no_list() {
        assert_eq!(Seems::by_markup(" <!DOCTYPE html><html>"), Some(Seems::Html));
        assert_eq!(Seems::by_markup("<?xml version='1.0'?><x/>"), Some(Seems::Xml));
        assert_eq!(Seems::by_markup("<?xml version='1.0'?><html>"), Some(Seems::Html));
        assert_eq!(Seems::by_markup("[{\"niss\": 1}]"), Some(Seems::Json));
        assert_eq!(Seems::by_markup("niss\n"), None);
    }

    #[test]
    fn compound_files_are_told_apart() {
        let file = |name: &str| {
            let mut bytes = COMPOUND_FILE.to_vec();
            bytes.extend(name.encode_utf16().flat_map(u16::to_le_bytes));
            bytes
        };
        assert_eq!(compound_file(&file("EncryptedPackage")), Some(Compound::Encrypted));
        assert_eq!(compound_file(&file("Workbook")), Some(Compound::Plain(Seems::Xls)));
        assert_eq!(compound_file(&file("WordDocument")), Some(Compound::Plain(Seems::WordDocument)));
        assert_eq!(compound_file(&file("")), Some(Compound::Plain(Seems::Binary)));
        assert_eq!(compound_file(b"niss"), None);
    }
}
