//! Entries of systemd's journal, by its native protocol (systemd.io, "Native Journal Protocol").
//!
//! Written here since the crates for it give `MESSAGE` without the fields and an error without its causes: whoever
//! runs `journalctl` would read that something failed, and not why. An entry is one datagram; one that is too long for
//! that is cut, which no event of this program comes near.

use std::{
    error::Error,
    fmt::{self, Write as _},
    io,
    os::unix::net::UnixDatagram,
    path::Path,
};

use tracing::{
    Event, Level, Subscriber,
    field::{Field, Visit},
};
use tracing_subscriber::{Layer, layer::Context};

/// Where the journal takes entries.
pub(super) const SOCKET: &str = "/run/systemd/journal/socket";

/// A value at most, bytes: with the default send buffer (208 KiB) a dozen of them fit in a datagram.
const LONGEST_VALUE: usize = 16 * 1024;

/// The journal, as a layer of the log.
pub(super) struct Journal {
    socket: UnixDatagram,
}

impl Journal {
    /// Connects to the journal's socket.
    ///
    /// # Errors
    /// There is none, or it may not be used.
    pub fn connect(path: &Path) -> io::Result<Self> {
        let socket = UnixDatagram::unbound()?;
        socket.connect(path)?;
        Ok(Self { socket })
    }
}

impl<S: Subscriber> Layer<S> for Journal {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let mut said = Said::default();
        event.record(&mut said);
        let metadata = event.metadata();
        let line = said.line();
        let mut entry = Vec::with_capacity(512);
        put(&mut entry, "MESSAGE", &line);
        put(&mut entry, "PRIORITY", priority(*metadata.level()));
        put(&mut entry, "SYSLOG_IDENTIFIER", "groeikluis");
        put(&mut entry, "GROEIKLUIS_TARGET", metadata.target());
        for (name, value) in &said.fields {
            put(&mut entry, &format!("GROEIKLUIS_{}", name.to_uppercase()), value);
        }
        if self.socket.send(&entry).is_err() {
            // The journal is being restarted: standard error is kept by systemd until it is there.
            eprintln!("groeikluis: {line}");
        }
    }
}

/// syslog(3): what an operator must look at is an error, the ordinary is informational.
fn priority(level: Level) -> &'static str {
    match level {
        Level::ERROR => "3",
        Level::WARN => "4",
        Level::INFO => "6",
        Level::DEBUG | Level::TRACE => "7",
    }
}

/// Adds a field. A value of several lines is preceded by its length.
fn put(entry: &mut Vec<u8>, name: &str, value: &str) {
    let value = value.get(..value.floor_char_boundary(LONGEST_VALUE)).unwrap_or_default();
    entry.extend(name.bytes().map(|byte| if byte.is_ascii_alphanumeric() { byte } else { b'_' }));
    if value.contains('\n') {
        entry.push(b'\n');
        entry.extend_from_slice(&(value.len() as u64).to_le_bytes());
    } else {
        entry.push(b'=');
    }
    entry.extend_from_slice(value.as_bytes());
    entry.push(b'\n');
}

/// An error with everything that caused it.
pub(super) fn with_causes(error: &(dyn Error + 'static)) -> String {
    let (mut text, mut source) = (error.to_string(), error.source());
    while let Some(cause) = source {
        // Writing to a text does not fail.
        let _ = write!(text, ": {cause}");
        source = cause.source();
    }
    text
}

/// What an event says.
#[derive(Default)]
struct Said {
    message: String,
    fields: Vec<(&'static str, String)>,
}

impl Said {
    /// In one line, as on a terminal: the message, why, and the fields.
    fn line(&self) -> String {
        let mut line = self.message.clone();
        let is_error = |name: &str| name == "error";
        for (_, error) in self.fields.iter().filter(|(name, _)| is_error(name)) {
            // Writing to a text does not fail.
            let _ = write!(line, ": {error}");
        }
        for (name, value) in self.fields.iter().filter(|(name, _)| !is_error(name)) {
            let _ = write!(line, " {name}={value}");
        }
        line
    }

    fn put(&mut self, field: &Field, value: String) {
        if field.name() == "message" {
            self.message = value;
        } else {
            self.fields.push((field.name(), value));
        }
    }
}

impl Visit for Said {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.put(field, value.to_owned());
    }

    fn record_error(&mut self, field: &Field, value: &(dyn Error + 'static)) {
        self.put(field, with_causes(value));
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.put(field, format!("{value:?}"));
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use tracing_subscriber::layer::SubscriberExt;

    use super::*;

    /// The fields of an entry, read as the journal does.
    fn fields(mut entry: &[u8]) -> BTreeMap<String, String> {
        let mut found = BTreeMap::new();
        while !entry.is_empty() {
            let end = entry.iter().position(|byte| matches!(byte, b'=' | b'\n')).unwrap();
            let (name, rest) = entry.split_at(end);
            let (value, rest) = if rest[0] == b'=' {
                rest[1..].split_at(rest[1..].iter().position(|byte| *byte == b'\n').unwrap())
            } else {
                let (length, rest) = rest[1..].split_first_chunk::<8>().unwrap();
                rest.split_at(usize::try_from(u64::from_le_bytes(*length)).unwrap())
            };
            let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
            assert_eq!(rest[0], b'\n');
            found.insert(text(name), text(value));
            entry = &rest[1..];
        }
        found
    }

    #[derive(Debug, thiserror::Error)]
    #[error("the log cannot be written")]
    struct Failed(#[source] io::Error);

    #[test]
    fn an_entry_has_the_reason_in_its_message_and_each_field_apart() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("socket");
        let socket = UnixDatagram::bind(&path).unwrap();
        let journal = Journal::connect(&path).unwrap();
        let (tenant, error) = ("bree", Failed(io::Error::from(io::ErrorKind::StorageFull)));
        tracing::subscriber::with_default(tracing_subscriber::registry().with(journal), || {
            let error: &dyn Error = &error;
            tracing::error!(error, %tenant, rows = 3, "upload waits");
            tracing::info!(text = "two\nlines", "said");
        });
        let mut buffer = [0; 4096];
        let mut next = || {
            let length = socket.recv(&mut buffer).unwrap();
            fields(&buffer[..length])
        };
        let entry = next();
        let of = |name: &str| entry.get(name).map(String::as_str);
        assert_eq!(of("MESSAGE"), Some("upload waits: the log cannot be written: no storage space tenant=bree rows=3"));
        assert_eq!((of("PRIORITY"), of("SYSLOG_IDENTIFIER")), (Some("3"), Some("groeikluis")));
        assert_eq!((of("GROEIKLUIS_TENANT"), of("GROEIKLUIS_ROWS")), (Some("bree"), Some("3")));
        assert_eq!(of("GROEIKLUIS_ERROR"), Some("the log cannot be written: no storage space"));
        let entry = next();
        assert_eq!(entry["GROEIKLUIS_TEXT"], "two\nlines");
        assert_eq!((entry["MESSAGE"].as_str(), entry["PRIORITY"].as_str()), ("said text=two\nlines", "6"));
    }

    #[test]
    fn where_there_is_no_journal_it_says_so() {
        let directory = tempfile::tempdir().unwrap();
        assert!(Journal::connect(&directory.path().join("socket")).is_err());
    }
}
