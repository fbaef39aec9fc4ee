//! Entries: their bytes, and what is read back from them.
//!
//! An entry is one object in canonical form (RFC 8785): the envelope (`v`, `@timestamp`, `seq`, `event`, `outcome`,
//! `reason`, `tenant`, `protocol`, `actor`, `key`, `session`, `correlation`, `sw`, `_sd`), and the event's own fields
//! beside it. A key without a value is left out.

use std::str::FromStr;

use jiff::Timestamp;
use serde_json::{Map, Value};

use super::{Actor, Context, Event, LogError, Outcome, Record, disclosure, jcs, keeper::MAX_DISCLOSURES_BYTES};

/// The longest entry, bytes: what the length of a bundle's entry can say (C2SP tlog-tiles, "Log entries").
pub const MAX_ENTRY_BYTES: usize = 65_535;

/// The version of the format.
const VERSION: u64 = 1;

/// The program that writes.
const SOFTWARE: &str = concat!("groeikluis/", env!("CARGO_PKG_VERSION"));

/// What the timestamp and the place add to an entry at most: 27 bytes, and 16 digits.
const STAMP_BYTES: usize = 27 + 16;

/// An entry as it stands in the log, with what it says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredEntry {
    /// Its place: the index of its leaf, from 0.
    pub seq: u64,
    /// When it was written, UTC, whole microseconds.
    pub at: Timestamp,
    /// What happened.
    pub event: Event,
    /// How it ended.
    pub outcome: Outcome,
    /// Why.
    pub reason: Option<String>,
    /// Whom and what it concerns.
    pub context: Context,
    /// The program that wrote it.
    pub software: String,
    /// The salted digests of its disclosures and decoys, base64url, sorted.
    pub digests: Vec<String>,
    /// Its bytes, canonical: what the leaf's hash is taken of.
    pub bytes: Vec<u8>,
}

/// An entry that only lacks its place and time.
#[derive(Debug)]
pub(super) struct Prepared {
    /// From after the timestamp to before the place's digits.
    head: Vec<u8>,
    /// From after the place's digits.
    tail: Vec<u8>,
    record: Record,
    digests: Vec<String>,
    /// The encoded disclosures, to be kept apart.
    pub disclosures: Vec<String>,
    /// Whether the log added it by itself, so that nobody waits for its place.
    pub added: bool,
}

impl Prepared {
    /// Makes all of an entry that can be made before its turn has come.
    pub fn new(record: Record) -> Result<Self, LogError> {
        let (disclosures, digests) = disclosure::encode(&record.disclosed);
        let disclosed_bytes = disclosures.iter().map(|text| text.len() + 1).sum();
        if disclosed_bytes > MAX_DISCLOSURES_BYTES {
            return Err(LogError::EntryTooLong { length: disclosed_bytes });
        }
        let mut members = event_members(&record.event)?;
        let Context { tenant, protocol, actor, key, session, correlation } = &record.context;
        let mut put = |name: &str, value: Option<Value>| {
            if let Some(value) = value {
                members.insert(name.to_owned(), value);
            }
        };
        put("v", Some(VERSION.into()));
        put("sw", Some(SOFTWARE.into()));
        put("outcome", Some(record.outcome.name().into()));
        put("actor", Some(actor.name().into()));
        put("reason", record.reason.map(Value::from));
        put("tenant", tenant.as_ref().map(|tenant| tenant.as_str().into()));
        put("protocol", protocol.as_ref().map(|protocol| protocol.as_str().into()));
        put("key", key.clone().map(Value::from));
        put("session", session.clone().map(Value::from));
        put("correlation", correlation.clone().map(Value::from));
        put("_sd", Some(digests.clone().into()));
        let (head, tail) = around_place(&members)?;
        let length = head.len() + tail.len() + STAMP_BYTES + b"{\"@timestamp\":\"\"".len();
        if length > MAX_ENTRY_BYTES {
            return Err(LogError::EntryTooLong { length });
        }
        Ok(Self { head, tail, record, digests, disclosures, added: false })
    }

    /// Gives the entry its place and time.
    pub fn stamp(&self, seq: u64, at: Timestamp) -> StoredEntry {
        let mut bytes = Vec::with_capacity(self.head.len() + self.tail.len() + 64);
        bytes.extend_from_slice(format!("{{\"@timestamp\":\"{at:.6}\"").as_bytes());
        bytes.extend_from_slice(&self.head);
        bytes.extend_from_slice(seq.to_string().as_bytes());
        bytes.extend_from_slice(&self.tail);
        let Record { event, outcome, reason, context, .. } = &self.record;
        StoredEntry {
            seq,
            at,
            event: event.clone(),
            outcome: *outcome,
            reason: reason.map(str::to_owned),
            context: context.clone(),
            software: SOFTWARE.to_owned(),
            digests: self.digests.clone(),
            bytes,
        }
    }

    /// The tenant that it concerns.
    pub fn tenant(&self) -> Option<&crate::domain::TenantId> {
        self.record.context.tenant.as_ref()
    }
}

/// The time as entries give it: whole microseconds.
pub(super) fn whole_microseconds(at: Timestamp) -> Timestamp {
    Timestamp::from_microsecond(at.as_microsecond()).unwrap_or(at)
}

fn event_members(event: &Event) -> Result<Map<String, Value>, LogError> {
    match serde_json::to_value(event) {
        Ok(Value::Object(members)) => Ok(members),
        _ => Err(LogError::EntryValue { problem: "an event that is no object" }),
    }
}

/// The canonical bytes before and after the place, without the opening brace and timestamp: `@` sorts before `_` and
/// before every letter, so the timestamp comes first.
fn around_place(members: &Map<String, Value>) -> Result<(Vec<u8>, Vec<u8>), LogError> {
    let (mut head, mut tail) = (Vec::with_capacity(512), Vec::with_capacity(128));
    let mut names: Vec<_> = members.iter().collect();
    names.sort_by(|(one, _), (other, _)| one.as_bytes().cmp(other.as_bytes()));
    for (name, value) in names {
        let out = if name.as_str() < "seq" { &mut head } else { &mut tail };
        out.push(b',');
        jcs::write_string(name, out);
        out.push(b':');
        jcs::write(value, out).map_err(|_| LogError::EntryValue { problem: "a number of 2^53 or more" })?;
    }
    head.extend_from_slice(b",\"seq\":");
    tail.push(b'}');
    Ok((head, tail))
}

impl StoredEntry {
    /// Reads an entry's bytes; `seq` is where they were found.
    ///
    /// # Errors
    /// [`LogError::StoredEntry`]: not canonical, another place, or an event that this version does not know.
    pub fn parse(seq: u64, bytes: Vec<u8>) -> Result<Self, LogError> {
        parse_members(seq, bytes).map_err(|problem| LogError::StoredEntry { seq, problem })
    }
}

/// That an entry is in canonical form and belongs at that place.
pub(super) fn check_place(seq: u64, bytes: &[u8]) -> Result<(), String> {
    if jcs::seq_at_a_glance(bytes) == Some(seq) { Ok(()) } else { check(seq, bytes).map(|_| ()) }
}

/// The members of an entry in canonical form that belongs at that place; its event is not looked at.
pub(super) fn check(seq: u64, bytes: &[u8]) -> Result<Map<String, Value>, String> {
    let Value::Object(members) = jcs::read(bytes).map_err(|fault| fault.to_string())? else {
        return Err("it is no object".to_owned());
    };
    match members.get("seq").and_then(Value::as_u64) {
        Some(found) if found == seq => Ok(members),
        Some(found) => Err(format!("it says that it is entry {found}")),
        None => Err("it does not say which entry it is".to_owned()),
    }
}

fn parse_members(seq: u64, bytes: Vec<u8>) -> Result<StoredEntry, String> {
    let mut members = check(seq, &bytes)?;
    members.remove("seq");
    if members.remove("v").and_then(|version| version.as_u64()) != Some(VERSION) {
        return Err("its version is not known".to_owned());
    }
    let digests = match members.remove("_sd") {
        Some(Value::Array(digests)) => {
            digests.into_iter().map(text).collect::<Option<_>>().ok_or("its digests are no texts")?
        }
        _ => return Err("it has no digests".to_owned()),
    };
    let at = needed(&mut members, "@timestamp")?;
    let outcome = needed(&mut members, "outcome")?;
    let context = Context {
        tenant: given(&mut members, "tenant")?,
        protocol: given(&mut members, "protocol")?,
        actor: needed::<Actor>(&mut members, "actor")?,
        key: given(&mut members, "key")?,
        session: given(&mut members, "session")?,
        correlation: given(&mut members, "correlation")?,
    };
    let reason = given(&mut members, "reason")?;
    let software = needed(&mut members, "sw")?;
    let event = serde_json::from_value(Value::Object(members)).map_err(|fault| fault.to_string())?;
    Ok(StoredEntry { seq, at, event, outcome, reason, context, software, digests, bytes })
}

fn text(value: Value) -> Option<String> {
    if let Value::String(text) = value { Some(text) } else { None }
}

/// The envelope's value of that name, when there is one.
fn given<T: FromStr>(members: &mut Map<String, Value>, name: &str) -> Result<Option<T>, String> {
    let Some(value) = members.remove(name) else { return Ok(None) };
    let parsed = text(value).and_then(|text| text.parse().ok());
    parsed.map(Some).ok_or_else(|| format!("its {name} makes no sense"))
}

fn needed<T: FromStr>(members: &mut Map<String, Value>, name: &str) -> Result<T, String> {
    given(members, name)?.ok_or_else(|| format!("it has no {name}"))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::transfer_log::{Disclosed, EVENT_NAMES, support};

    fn at() -> Timestamp {
        whole_microseconds(support::clock().now())
    }

    #[test]
    fn every_event_is_read_as_it_was_written() {
        let mut names = BTreeSet::new();
        for (seq, event) in (40..).zip(support::every_event()) {
            for record in [
                Record::success(event.clone(), support::context()),
                Record::failure(event, "no-protocol", Context::daemon()),
            ] {
                let members = event_members(&record.event).unwrap();
                let envelope = ["v", "@timestamp", "seq", "outcome", "reason", "tenant", "protocol", "actor", "key"];
                for name in envelope.iter().chain(&["session", "correlation", "sw", "_sd"]) {
                    assert!(!members.contains_key(*name), "{name} is a field of its own");
                }
                names.insert(members["event"].as_str().unwrap().to_owned());
                let stored = Prepared::new(record).unwrap().stamp(seq, at());
                assert_eq!(StoredEntry::parse(seq, stored.bytes.clone()).unwrap(), stored);
                assert!(StoredEntry::parse(seq + 1, stored.bytes).is_err());
            }
        }
        let all: BTreeSet<String> = EVENT_NAMES.into_iter().map(str::to_owned).collect();
        assert_eq!(names, all);
    }

    #[test]
    fn bytes_are_these() {
        let mut record = Record::success(support::upload(), support::context());
        record.disclosed.push(Disclosed { name: "ip", value: "192.0.2.7".to_owned() });
        let stored = Prepared::new(record).unwrap().stamp(12, at());
        let [one, two] = stored.digests.as_slice() else { panic!("a digest and a decoy") };
        assert_eq!(
            String::from_utf8(stored.bytes.clone()).unwrap(),
            format!(
                "{{\"@timestamp\":\"2026-11-21T11:00:00.123456Z\",\"_sd\":[\"{one}\",\"{two}\"],\"actor\":\"tenant\",\
                 \"ciphertext_sha256\":\"{}\",\"complete\":true,\"correlation\":\"{}\",\
                 \"duration_ms\":12,\"event\":\"file.upload\",\"file_kind\":\"plain\",\
                 \"key\":\"ict-bree\",\"outcome\":\"success\",\
                 \"protocol\":\"OPG-2026-017\",\"seq\":12,\"session\":\"5f0c8a1e\",\"size\":2048,\
                 \"sw\":\"groeikluis/{}\",\"tenant\":\"bree\",\"test\":false,\"v\":1}}",
                "02".repeat(32),
                "01".repeat(16),
                env!("CARGO_PKG_VERSION"),
            )
        );
    }

    #[test]
    fn whole_seconds_have_six_decimals_too() {
        let stored = Prepared::new(support::any_record()).unwrap().stamp(0, "2026-01-02T03:04:05Z".parse().unwrap());
        assert!(stored.bytes.starts_with(b"{\"@timestamp\":\"2026-01-02T03:04:05.000000Z\","));
    }

    #[test]
    fn what_has_no_place_is_refused() {
        let mut long = support::delivery();
        long.purpose = "x".repeat(65_535);
        let record = Record::success(Event::DeliveryCreated(long), Context::daemon());
        assert!(matches!(Prepared::new(record), Err(LogError::EntryTooLong { .. })));
        let mut large = support::delivery();
        large.rows = 1 << 53;
        let record = Record::success(Event::DeliveryCreated(large), Context::daemon());
        assert!(matches!(Prepared::new(record), Err(LogError::EntryValue { .. })));
    }

    #[test]
    fn entries_of_another_format_are_refused() {
        let text = String::from_utf8(Prepared::new(support::any_record()).unwrap().stamp(0, at()).bytes).unwrap();
        for (old, new) in [
            ("\"v\":1", "\"v\":2"),
            ("list.received", "list.unknown"),
            ("\"outcome\":\"success\"", "\"outcome\":\"perhaps\""),
            ("\"rows\":3", "\"rows\":3,\"rows_more\":3"),
            ("\"tenant\":\"bree\"", "\"tenant\":\"../x\""),
            ("\"seq\":0", "\"seq\":0 "),
        ] {
            let changed = text.replace(old, new);
            assert_ne!(changed, text);
            assert!(StoredEntry::parse(0, changed.clone().into_bytes()).is_err(), "{changed}");
        }
    }
}
