//! Addresses as the post wants them (DOMAIN section 7).
//!
//! The name, the street with its number and `bus`, the postcode with the municipality; for addresses abroad the
//! country last, in capitals. Seven lines at most: what the window of an envelope shows.

use zeroize::Zeroize;

use crate::register::Address;

/// The most lines.
pub const MOST_LINES: usize = 7;

/// The most characters on a line: in eleven points they fit the 80 mm of the window; longer lines are folded.
pub const LINE_CHARACTERS: usize = 36;

/// The country that mail leaves from.
const HOME: &str = "BE";

/// The lines of an address on an envelope. Wiped when it is dropped.
#[derive(Clone, PartialEq, Eq)]
pub struct AddressBlock(Vec<String>);

/// Why an address cannot be on an envelope. It names nobody.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AddressFault {
    /// It lacks a part without which nothing arrives.
    #[error("the address has no {part}")]
    Missing {
        /// What it lacks.
        part: &'static str,
    },
    /// It has too many lines.
    #[error("the address has {lines} lines, which is more than {MOST_LINES}")]
    Lines {
        /// How many.
        lines: usize,
    },
    /// Its country is in no list here.
    #[error("the country {code:?} is not in the list of countries")]
    Country {
        /// Its code.
        code: String,
    },
}

impl AddressBlock {
    /// The lines for somebody at an address.
    pub fn new(name: &str, address: &Address<'_>) -> Result<Self, AddressFault> {
        let [name, street, house_number, postcode, municipality] =
            [name, address.street, address.house_number, address.postcode, address.municipality].map(tidy);
        for (value, part) in [(&name, "name"), (&postcode, "postcode"), (&municipality, "municipality")] {
            if value.is_empty() {
                return Err(AddressFault::Missing { part });
            }
        }
        if street.is_empty() && house_number.is_empty() {
            return Err(AddressFault::Missing { part: "street" });
        }
        let box_number = box_number(address.box_number);
        let mut lines = folded(&name);
        lines.extend(folded(&tidy(&format!("{street} {house_number} {box_number}"))));
        let is_home = address.country.eq_ignore_ascii_case(HOME);
        let postcode = if is_home { without_prefix(&postcode) } else { &postcode };
        lines.extend(folded(&format!("{postcode} {municipality}")));
        if !is_home {
            lines.push(country(address.country)?.to_uppercase());
        }
        if lines.len() > MOST_LINES { Err(AddressFault::Lines { lines: lines.len() }) } else { Ok(Self(lines)) }
    }

    /// The lines, from the top.
    pub fn lines(&self) -> &[String] {
        &self.0
    }
}

impl std::fmt::Debug for AddressBlock {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "AddressBlock({} lines)", self.0.len())
    }
}

impl Drop for AddressBlock {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

/// A text with single spaces and no control characters.
pub(super) fn tidy(text: &str) -> String {
    let words: Vec<&str> = text.split(|sign: char| sign.is_whitespace() || sign.is_control()).collect();
    words.into_iter().filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" ")
}

/// `bus 12`, whatever stood before the number: `b12`, `/12`, `Bus 12`.
fn box_number(text: &str) -> String {
    let text = tidy(text);
    let lower = text.to_lowercase();
    let mark = ["boîte", "bte", "bus", "box", "b", "/"].into_iter().find(|mark| {
        lower
            .strip_prefix(mark)
            .is_some_and(|rest| rest.trim_start_matches([' ', '.']).starts_with(|sign: char| sign.is_ascii_digit()))
    });
    // Marks are as long in capitals, so that the place is the same in both.
    let number = mark.and_then(|mark| text.get(mark.len()..)).unwrap_or(&text).trim_start_matches([' ', '.']);
    if number.is_empty() { String::new() } else { format!("bus {number}") }
}

/// A Belgian postcode without the `B-` that the post no longer wants.
fn without_prefix(postcode: &str) -> &str {
    let digits = postcode.trim_start_matches(['B', 'b', 'E', 'e', '-', ' ']);
    if digits.is_empty() { postcode } else { digits }
}

/// Lines of at most [`LINE_CHARACTERS`], broken between words; a longer word keeps a line of its own.
fn folded(text: &str) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in text.split(' ') {
        match lines.last_mut() {
            Some(line) if line.chars().count() + 1 + word.chars().count() <= LINE_CHARACTERS => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    lines
}

/// The Dutch name of a country.
fn country(code: &str) -> Result<&'static str, AddressFault> {
    let upper = code.to_ascii_uppercase();
    let found = COUNTRIES.iter().find(|(known, _)| *known == upper);
    found.map(|(_, name)| *name).ok_or_else(|| AddressFault::Country { code: code.chars().take(8).collect() })
}

/// Countries that beneficiaries of the Groeipakket live in: those of the European Economic Area and its neighbours,
/// and those with which there are agreements on child benefit or many families.
const COUNTRIES: [(&str, &str); 70] = [
    ("AD", "Andorra"),
    ("AE", "Verenigde Arabische Emiraten"),
    ("AL", "Albanië"),
    ("AM", "Armenië"),
    ("AT", "Oostenrijk"),
    ("AU", "Australië"),
    ("BA", "Bosnië en Herzegovina"),
    ("BG", "Bulgarije"),
    ("BI", "Burundi"),
    ("BR", "Brazilië"),
    ("BY", "Belarus"),
    ("CA", "Canada"),
    ("CD", "Democratische Republiek Congo"),
    ("CH", "Zwitserland"),
    ("CM", "Kameroen"),
    ("CN", "China"),
    ("CY", "Cyprus"),
    ("CZ", "Tsjechië"),
    ("DE", "Duitsland"),
    ("DK", "Denemarken"),
    ("DZ", "Algerije"),
    ("EE", "Estland"),
    ("EG", "Egypte"),
    ("ES", "Spanje"),
    ("FI", "Finland"),
    ("FR", "Frankrijk"),
    ("GB", "Verenigd Koninkrijk"),
    ("GE", "Georgië"),
    ("GH", "Ghana"),
    ("GR", "Griekenland"),
    ("HR", "Kroatië"),
    ("HU", "Hongarije"),
    ("IE", "Ierland"),
    ("IL", "Israël"),
    ("IN", "India"),
    ("IS", "IJsland"),
    ("IT", "Italië"),
    ("JP", "Japan"),
    ("LB", "Libanon"),
    ("LI", "Liechtenstein"),
    ("LT", "Litouwen"),
    ("LU", "Luxemburg"),
    ("LV", "Letland"),
    ("MA", "Marokko"),
    ("MC", "Monaco"),
    ("MD", "Moldavië"),
    ("ME", "Montenegro"),
    ("MK", "Noord-Macedonië"),
    ("MT", "Malta"),
    ("NG", "Nigeria"),
    ("NL", "Nederland"),
    ("NO", "Noorwegen"),
    ("NP", "Nepal"),
    ("PH", "Filipijnen"),
    ("PK", "Pakistan"),
    ("PL", "Polen"),
    ("PT", "Portugal"),
    ("RO", "Roemenië"),
    ("RS", "Servië"),
    ("RU", "Rusland"),
    ("RW", "Rwanda"),
    ("SE", "Zweden"),
    ("SI", "Slovenië"),
    ("SK", "Slowakije"),
    ("SR", "Suriname"),
    ("TN", "Tunesië"),
    ("TR", "Turkije"),
    ("UA", "Oekraïne"),
    ("US", "Verenigde Staten van Amerika"),
    ("XK", "Kosovo"),
];

#[cfg(test)]
mod tests {
    use super::*;

    const NAME: &str = "Els Peeters";

    const HOME_ADDRESS: Address<'_> = Address {
        street: "Markt",
        house_number: "1",
        box_number: "",
        postcode: "8820",
        municipality: "Torhout",
        country: "BE",
    };

    fn lines(address: Address<'_>) -> Vec<String> {
        AddressBlock::new(NAME, &address).unwrap().lines().to_vec()
    }

    #[test]
    fn belgian_addresses_have_no_country_and_no_prefix() {
        assert_eq!(lines(HOME_ADDRESS), ["Els Peeters", "Markt 1", "8820 Torhout"]);
        for postcode in ["B-8820", "B 8820", "BE-8820"] {
            assert_eq!(lines(Address { postcode, ..HOME_ADDRESS })[2], "8820 Torhout");
        }
    }

    #[test]
    fn a_box_is_written_bus() {
        for (given, written) in [
            ("12", "bus 12"),
            ("b12", "bus 12"),
            ("Bus 12", "bus 12"),
            ("bte. 3", "bus 3"),
            ("A", "bus A"),
            ("/2", "bus 2"),
            ("B", "bus B"),
        ] {
            assert_eq!(
                lines(Address { box_number: given, ..HOME_ADDRESS })[1],
                format!("Markt 1 {written}"),
                "{given}"
            );
        }
    }

    #[test]
    fn a_country_abroad_comes_last_in_capitals() {
        let abroad = Address { postcode: "10115", municipality: "Berlin", country: "DE", ..HOME_ADDRESS };
        assert_eq!(lines(abroad)[2..], ["10115 Berlin", "DUITSLAND"]);
        assert_eq!(lines(Address { country: "ro", ..abroad })[3], "ROEMENIË");
        let fault = AddressBlock::new(NAME, &Address { country: "ZZ", ..abroad }).unwrap_err();
        assert_eq!(fault, AddressFault::Country { code: "ZZ".to_owned() });
        assert!(COUNTRIES.is_sorted());
    }

    #[test]
    fn long_lines_are_folded_and_too_many_refused() {
        let name = "Maria Antonia Josephina van den Bossche de la Vallée Poussin";
        assert_eq!(
            AddressBlock::new(name, &HOME_ADDRESS).unwrap().lines()[..2],
            ["Maria Antonia Josephina van den", "Bossche de la Vallée Poussin"]
        );
        let fault = AddressBlock::new(&name.repeat(4), &HOME_ADDRESS).unwrap_err();
        assert!(matches!(fault, AddressFault::Lines { .. }));
        let fault = AddressBlock::new(NAME, &Address { street: " ", house_number: "", ..HOME_ADDRESS }).unwrap_err();
        assert_eq!(fault.to_string(), "the address has no street");
    }
}
