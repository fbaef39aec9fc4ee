//! What identifies an official, kept out of the entry (RFC 9901, section 4.2).
//!
//! A disclosure is base64url of `["salt","name","value"]` with 128 bits of salt; the entry holds its SHA-256,
//! base64url too, among at least one decoy, sorted, so that nothing shows how many there are or in which order.
//! Without the disclosure a digest tells nothing; destroying the disclosures erases the data, and every proof holds.
//!
//! The disclosures themselves are kept apart, sealed ([`super::DisclosureKeeper`]).

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use sha2::{Digest, Sha256};

use super::{Disclosed, StoredEntry, jcs};

/// What an entry discloses: those of the encoded `disclosures` whose digest it holds, as name and value. Others belong
/// to an entry that was never written, or to another.
pub fn opened(entry: &StoredEntry, disclosures: &[String]) -> Vec<(String, String)> {
    let of_entry = disclosures.iter().filter(|text| entry.digests.contains(&digest(text)));
    of_entry.filter_map(|text| decode(text)).collect()
}

/// The name of an encoded disclosure; none where it is none.
pub fn disclosed_name(disclosure: &str) -> Option<String> {
    decode(disclosure).map(|(name, _)| name)
}

/// The encoded disclosures, and the digests for the entry with a decoy among them.
pub(super) fn encode(disclosed: &[Disclosed]) -> (Vec<String>, Vec<String>) {
    let disclosures: Vec<String> = disclosed.iter().map(encode_one).collect();
    let mut digests: Vec<String> = disclosures.iter().map(|disclosure| digest(disclosure)).collect();
    digests.push(digest_of(&random::<32>()));
    digests.sort_unstable();
    (disclosures, digests)
}

fn encode_one(disclosed: &Disclosed) -> String {
    let mut json = vec![b'['];
    jcs::write_string(&URL_SAFE_NO_PAD.encode(random::<16>()), &mut json);
    json.push(b',');
    jcs::write_string(disclosed.name, &mut json);
    json.push(b',');
    jcs::write_string(&disclosed.value, &mut json);
    json.push(b']');
    URL_SAFE_NO_PAD.encode(json)
}

/// Name and value of an encoded disclosure.
fn decode(text: &str) -> Option<(String, String)> {
    let json = URL_SAFE_NO_PAD.decode(text).ok()?;
    let (_salt, name, value): (String, String, String) = serde_json::from_slice(&json).ok()?;
    Some((name, value))
}

/// The digest of an encoded disclosure, as an entry has it.
pub fn digest(disclosure: &str) -> String {
    digest_of(disclosure.as_bytes())
}

fn digest_of(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(Sha256::digest(bytes))
}

fn random<const LENGTH: usize>() -> [u8; LENGTH] {
    let mut bytes = [0; LENGTH];
    rand::fill(&mut bytes);
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digests_are_those_of_the_disclosures_and_a_decoy() {
        let disclosed = [("ip", "192.0.2.7"), ("path", "/inbox/\"lijst\".csv")]
            .map(|(name, value)| Disclosed { name, value: value.to_owned() });
        let (disclosures, digests) = encode(&disclosed);
        assert_eq!((disclosures.len(), digests.len()), (2, 3));
        assert!(digests.is_sorted());
        for (disclosure, disclosed) in disclosures.iter().zip(&disclosed) {
            assert!(digests.contains(&digest(disclosure)));
            let json = URL_SAFE_NO_PAD.decode(disclosure).unwrap();
            let [salt, name, value]: [String; 3] = serde_json::from_slice(&json).unwrap();
            assert_eq!(URL_SAFE_NO_PAD.decode(salt).unwrap().len(), 16);
            assert_eq!((name.as_str(), &value), (disclosed.name, &disclosed.value));
        }
        assert_eq!(encode(&[]).1.len(), 1);
        assert_ne!(encode(&disclosed).1, digests);
    }

    #[test]
    fn a_digest_is_that_of_the_standard() {
        // RFC 9901, section 4.2.3.
        let disclosure = "WyJfMjZiYzRMVC1hYzZxMktJNmNCVzVlcyIsICJmYW1pbHlfbmFtZSIsICJNw7ZiaXVzIl0";
        assert_eq!(digest(disclosure), "X9yH0Ajrdm1Oij4tWso9UzzKJvPoDxwmuEcO3XAdRC0");
    }
}
