//! A file of the spool by its place, and what may be said of it.
//!
//! Whoever names directories and files there may put a number of a person in a name. No such number goes out in a message
//! or a reason.

use crate::{
    daemon::orders,
    documents::repeatable,
    domain::{Kind, ProtocolId, TenantId, niss},
    durable::DurableError,
    exchange::DeliveryId,
};

/// A name at most, bytes: with its tenant, protocol, kind and a delivery's id it is one name of the file system.
pub(super) const LONGEST_NAME_BYTES: usize = 100;

/// A name in `.refused` at most, bytes: the file system's 255, without what makes it the only one, the end of its reason's
/// name, and what a file is called while it is written.
const LONGEST_FLAT_BYTES: usize = 200;

/// Between the parts of a path in `.taken` and `.refused`; no id has one.
const BETWEEN: char = '~';

/// A file of the spool, by the parts of its path.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct Handed {
    pub tenant: String,
    pub protocol: String,
    pub kind: String,
    pub file: String,
}

/// What a place asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Asked {
    pub tenant: TenantId,
    pub protocol: ProtocolId,
    pub kind: Kind,
}

impl Handed {
    /// Below the spool.
    pub fn directory(&self) -> String {
        format!("{}/{}/{}", self.tenant, self.protocol, self.kind)
    }

    /// What its place asks for; else why it is no place for a file.
    pub fn asked(&self) -> Result<Asked, String> {
        fn part<T: std::str::FromStr<Err: std::fmt::Display>>(text: &str) -> Result<T, String> {
            text.parse().map_err(|fault| format!("{:?} is {fault}", repeatable(text)))
        }
        let asked = Asked { tenant: part(&self.tenant)?, protocol: part(&self.protocol)?, kind: part(&self.kind)? };
        if niss::find_in(&self.file).is_some() {
            return Err("its name has an identification number in it".to_owned());
        }
        if self.file.len() > LONGEST_NAME_BYTES {
            return Err(format!("its name is longer than {LONGEST_NAME_BYTES} bytes"));
        }
        Ok(asked)
    }

    /// Its path as one name, for messages.
    pub fn shown(&self) -> String {
        repeatable(&self.flat())
    }

    /// The name in `.taken` while it is delivered under that id. Only of what is [`Handed::asked`] is it short enough.
    pub fn taken_as(&self, delivery: &DeliveryId) -> String {
        format!("{}{BETWEEN}{}", delivery.as_str(), self.flat())
    }

    /// The delivery and the file of a name in `.taken`.
    pub fn of_taken(name: &str) -> Option<(DeliveryId, Self)> {
        let mut parts = name.splitn(5, BETWEEN);
        let id = parts.next()?.parse().ok()?;
        let mut part = || parts.next().filter(|part| !part.is_empty()).map(str::to_owned);
        Some((id, Self { tenant: part()?, protocol: part()?, kind: part()?, file: part()? }))
    }

    /// The name in `.refused`; the next ones where others have it.
    pub fn refused_as(&self) -> impl Iterator<Item = String> {
        let mut flat = self.flat();
        flat.truncate(flat.floor_char_boundary(LONGEST_FLAT_BYTES));
        numbered(flat)
    }

    /// The name where it was handed over; the next ones where others have it.
    pub fn back_as(&self) -> impl Iterator<Item = String> {
        numbered(self.file.clone())
    }

    fn flat(&self) -> String {
        [&*self.tenant, &self.protocol, &self.kind, &self.file].join(&BETWEEN.to_string())
    }
}

fn numbered(name: String) -> impl Iterator<Item = String> {
    (1_u64..).map(move |number| if number == 1 { name.clone() } else { format!("{name}{BETWEEN}{number}") })
}

/// A fault of a file with its causes, for messages: it tells the path.
pub(super) fn told(fault: &DurableError) -> String {
    repeatable(&orders::whole(fault))
}

#[cfg(test)]
mod tests {
    use std::io::ErrorKind;

    use super::*;

    fn handed(parts: [&str; 4]) -> Handed {
        let [tenant, protocol, kind, file] = parts.map(str::to_owned);
        Handed { tenant, protocol, kind, file }
    }

    #[test]
    fn a_name_in_taken_tells_where_a_file_was() {
        let handed = handed(["torhout", "VUTG-2026-004", "gegevens", "een~twee.csv"]);
        let id = DeliveryId::draw();
        assert_eq!(Handed::of_taken(&handed.taken_as(&id)), Some((id.clone(), handed)));
        for other in [format!("{}~torhout~gegevens~x.csv", id.as_str()), "00ff~a~b~c~d".to_owned(), "x".to_owned()] {
            assert_eq!(Handed::of_taken(&other), None, "{other}");
        }
    }

    #[test]
    fn no_number_is_told() {
        let fault = |parts| handed(parts).asked().unwrap_err();
        assert!(handed(["torhout", "VUTG-1", "gegevens", "x.csv"]).asked().is_ok());
        assert_eq!(fault(["Tor 17073003384", "V", "gegevens", "x"]), "\"Tor …\" is not 2 to 32 of a-z, 0-9 and -");
        assert!(fault(["torhout", "VUTG-1", "gegevens", "17.07.30-033.84"]).contains("identification number"));
        assert!(fault(["torhout", "VUTG-1", "gegevens", &"x".repeat(101)]).contains("longer than 100 bytes"));
        assert_eq!(handed(["t", "p", "k", "17073003384.csv"]).shown(), "t~p~k~….csv");
        let fault =
            DurableError { action: "rename", path: "s/17073003384".to_owned(), source: ErrorKind::NotFound.into() };
        assert_eq!(told(&fault), "could not rename s/…: entity not found");
    }

    #[test]
    fn every_name_fits_the_file_system() {
        let long = "é".repeat(127);
        let handed = handed([&long, &long, &long, &long]);
        let third = handed.refused_as().nth(2).unwrap();
        assert!(third.ends_with("é~3") && third.len() <= LONGEST_FLAT_BYTES + 2, "{third}");
        assert_eq!(handed.back_as().nth(1).unwrap(), format!("{long}~2"));
    }
}
