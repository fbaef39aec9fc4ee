//! Which protocol a list is sent under.
//!
//! A tenant with one protocol for lists need not say anything. With several, the file's name says which, by holding
//! the protocol's reference as a word: `OPG-2026-017_kinderen.csv`.

use jiff::civil::Date;

use crate::{
    domain::{
        Clearance, Ground, Kind, Protocol, ProtocolId, Refusal, Rule, Tenant,
        protocol::Route,
        release::{Request, release},
    },
    dropbox::UploadFault,
};

/// Why no protocol was found for a list, or none that allows an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SelectionFault {
    /// The tenant has no protocol for lists.
    NoProtocol,
    /// The file's name has a reference that the tenant does not have.
    Unknown {
        /// That one.
        given: String,
        /// Those of its protocols for lists.
        known: Vec<ProtocolId>,
    },
    /// Several protocols would allow it, and the name says none.
    Ambiguous(Vec<ProtocolId>),
    /// The release gate said no.
    Refused(ProtocolId, Refusal),
}

/// Finds the protocol and asks the gate. `uses` counts the uses so far: of all time, or since a day.
///
/// # Errors
/// [`SelectionFault`].
pub fn select<'tenant>(
    tenant: &'tenant Tenant,
    file_name: &str,
    today: Date,
    uses: impl Fn(&ProtocolId, Option<Date>) -> u32,
) -> Result<(&'tenant Protocol, Clearance), SelectionFault> {
    let ask = |protocol: &'tenant Protocol| {
        let since = protocol.usage.counted_from(today);
        let request = Request {
            tenant,
            ground: Ground::Protocol(&protocol.id),
            kind: Kind::SocialeToeslag,
            columns: None,
            today,
            uses: uses(&protocol.id, since),
        };
        release(request).map(|clearance| (protocol, clearance)).map_err(|refusal| (protocol, refusal))
    };
    let refused = |(protocol, refusal): (&Protocol, Refusal)| SelectionFault::Refused(protocol.id.clone(), refusal);
    let references: Vec<ProtocolId> = tenant.protocols.iter().map(|protocol| protocol.id.clone()).collect();
    if let Some(protocol) = named(&references, file_name).and_then(|reference| tenant.protocol(reference)) {
        return ask(protocol).map_err(refused);
    }
    let for_lists = tenant.protocols.iter().filter(|protocol| protocol.route == Route::Opgroeien);
    if let Some(given) = unknown_reference(file_name) {
        let known = for_lists.map(|protocol| protocol.id.clone()).collect();
        return Err(SelectionFault::Unknown { given, known });
    }
    let mut allowed = Vec::new();
    let mut last_refusal: Option<(&Protocol, Refusal)> = None;
    for protocol in for_lists {
        match ask(protocol) {
            Ok(yes) => allowed.push(yes),
            Err(no) => {
                // Of several that say no, the one that held last tells the tenant most.
                let until = |protocol: &Protocol| protocol.valid.map(|valid| valid.until);
                let later = last_refusal.as_ref().is_none_or(|(known, _)| until(no.0) >= until(known));
                last_refusal = if later { Some(no) } else { last_refusal };
            }
        }
    }
    if allowed.len() > 1 {
        return Err(SelectionFault::Ambiguous(allowed.iter().map(|(protocol, _)| protocol.id.clone()).collect()));
    }
    allowed.pop().ok_or_else(|| last_refusal.map_or(SelectionFault::NoProtocol, refused))
}

/// What can be said of a list by its name and the day, before it is sent; why in full is in the refusal that follows.
/// Whether a use is left is not asked: that a list was answered before tells more.
pub fn fault_of_ground(tenant: &Tenant, file_name: &str, today: Date) -> Option<UploadFault> {
    match select(tenant, file_name, today, |_, _| 0).err()? {
        SelectionFault::Unknown { .. } => Some(UploadFault::UnknownProtocol),
        SelectionFault::Ambiguous(_) => Some(UploadFault::AmbiguousProtocol),
        SelectionFault::Refused(_, refusal) => match refusal.rule {
            Rule::StatusSigned => Some(UploadFault::ProtocolUnsigned),
            Rule::Started => Some(UploadFault::ProtocolNotBegun),
            Rule::NotEnded => Some(UploadFault::ProtocolOver),
            // What is ours to mend is told in more words than a status has.
            _ => None,
        },
        SelectionFault::NoProtocol => None,
    }
}

/// The reference that a name holds. One may begin another, as OPG-2026-017 and OPG-2026-017-2: the longest is meant.
fn named<'a>(references: &'a [ProtocolId], name: &str) -> Option<&'a ProtocolId> {
    let held = references.iter().filter(|reference| has_word(name, reference.as_str()));
    held.max_by_key(|reference| reference.as_str().len())
}

/// Whether `word` stands in a name with no letter or digit beside it, in any case.
fn has_word(name: &str, word: &str) -> bool {
    let (name, word) = (name.to_ascii_lowercase(), word.to_ascii_lowercase());
    name.match_indices(&word).any(|(at, _)| {
        let before = name.get(..at).and_then(|text| text.chars().next_back());
        let after = name.get(at + word.len()..).and_then(|text| text.chars().next());
        [before, after].into_iter().flatten().all(|character| !character.is_alphanumeric())
    })
}

/// A word of the shape that references have (`OPG-2026-017`), when a name holds one.
fn unknown_reference(name: &str) -> Option<String> {
    name.split(|character: char| !character.is_ascii_alphanumeric() && character != '-').find_map(|word| {
        let parts: Vec<&str> = word.split('-').collect();
        let [route, year, number] = parts.as_slice() else { return None };
        let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        let known_route = ["opg", "vutg"].contains(&route.to_ascii_lowercase().as_str());
        (known_route && year.len() == 4 && digits(year) && digits(number) && number.len() <= 6).then(|| word.to_owned())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_reference_that_a_name_holds_is_meant() {
        let names = ["OPG-2026-017", "OPG-2026-017-2"];
        for (file, meant) in [("OPG-2026-017-2_lijst.csv", names[1]), ("OPG-2026-017_lijst-2.csv", names[0])] {
            for order in [names, [names[1], names[0]]] {
                assert_eq!(named(&order.map(|name| name.parse().unwrap()), file).unwrap().as_str(), meant, "{file}");
            }
        }
    }

    #[test]
    fn references_are_found_as_words() {
        assert!(has_word("OPG-2026-017_kinderen.csv", "OPG-2026-017"));
        assert!(has_word("kinderen opg-2026-017.csv", "OPG-2026-017"));
        assert!(!has_word("OPG-2026-0171.csv", "OPG-2026-017"));
        assert_eq!(unknown_reference("OPG-2026-999_x.csv"), Some("OPG-2026-999".to_owned()));
        for name in ["lijst-2026-11.csv", "kinderen_2026-11-21.csv", "x.csv", "OPG-26-1.csv"] {
            assert_eq!(unknown_reference(name), None, "{name}");
        }
    }
}
