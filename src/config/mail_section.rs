//! The main file's `mail`: where mail goes, how it gets there, and when.
//!
//! Mail holds no personal data, but names local authorities and files: it goes in clear to this machine only.

use std::{fs, net::IpAddr, path::Path, time::Duration};

use super::{
    Fault, LARGEST_FILE_BYTES, Language, MailSettings, MailTls, SecretFile, Settings,
    fault::{Faults, Position, shown},
    fields::{Fields, Item},
    keys,
    main_file::{self, seconds},
    tenant_file::mail_address,
    tree::{self, Content, Node},
};

/// What happens within this time goes into one mail where the file says nothing: longer than an answered list and its
/// report need, and short enough for who waits.
const GATHER: Duration = Duration::from_mins(2);

/// After how many days a tenant hears that it did not fetch a file, where the file says nothing: a working week.
const UNFETCHED_AFTER_DAYS: u32 = 7;

/// Reads the section; none when it is absent, or lacks what is required.
pub(super) fn read(main: &Fields<'_>, secret: impl FnOnce(&Item<'_>) -> Option<SecretFile>) -> Option<MailSettings> {
    let mail = main.mapping("mail", &keys::MAIL)?;
    let from = mail.item("from").and_then(|item| mail_address(&item));
    let ops: Vec<String> = mail.list("ops").iter().filter_map(mail_address).collect();
    let server = mail.item("smtp").and_then(|item| host_and_port(&item));
    let is_local = server.as_ref().is_some_and(|(host, _)| is_local(host));
    let tls = mail.word("tls").unwrap_or(if is_local { MailTls::None } else { MailTls::StartTls });
    if tls == MailTls::None
        && let (Some((host, _)), Some(item), false) = (&server, mail.item("tls"), is_local)
    {
        let problem = format!("`tls` is none, but {} is not this machine", shown(host));
        item.fault(problem, Some("write starttls or tls, or name localhost"));
    }
    let login = login(&mail, secret);
    let gather = seconds(Some(&mail), "gather_seconds", 1..=3600, GATHER);
    let unfetched_after_days = mail.number("unfetched_after_days", 1..=365, UNFETCHED_AFTER_DAYS);
    let ca = mail.path("ca");
    let (host, port) = server?;
    Some(MailSettings { host, port, from: from?, ops, tls, ca, login, gather, unfetched_after_days })
}

/// Where mail goes and in which language, by the main file alone, whatever else is at fault in it or beside it: for who
/// has to tell of that. None where it does not say.
pub fn mail_of(main: &Path) -> Option<(MailSettings, Language)> {
    let is_small = fs::metadata(main).is_ok_and(|found| found.is_file() && found.len() <= LARGEST_FILE_BYTES);
    let text = fs::read_to_string(main).ok().filter(|_| is_small)?;
    let faults = Faults::default();
    let root = tree::parse(main, &text, &faults)?;
    let read = main_file::read(&root, &faults)?;
    Some((read.mail?, read.language))
}

/// The fault that the certificates for mail cannot be used, at the place that names them.
pub fn fault_of_certificates(main: &Path, settings: &Settings, problem: String) -> Fault {
    let root = settings.text_of(main).and_then(|text| tree::parse(main, text, &Faults::default()));
    let at = root.as_ref().and_then(|root| value(value(root, "mail")?, "ca")).map(|node| node.at.clone());
    let Position { file, line, column } = at.unwrap_or_else(|| Position::start_of(main));
    let hint = Some("name a file with the certificates of who signed the mail server's, PEM".to_owned());
    Fault { file: file.to_path_buf(), line, column, problem, hint }
}

fn value<'a>(node: &'a Node, key: &str) -> Option<&'a Node> {
    let Content::Mapping(entries) = &node.content else { return None };
    entries.iter().find(|entry| entry.key == key).map(|entry| &entry.value)
}

fn login(mail: &Fields<'_>, secret: impl FnOnce(&Item<'_>) -> Option<SecretFile>) -> Option<(String, SecretFile)> {
    match (mail.item("user"), mail.item("password")) {
        (None, None) => None,
        (Some(user), Some(password)) => Some((user.text()?, secret(&password)?)),
        (Some(user), None) => {
            user.fault("`user` is there, and `password` is not", Some("name a file that has the password"));
            None
        }
        (None, Some(password)) => {
            password.fault("`password` is there, and `user` is not", Some("leave both out where nobody logs in"));
            None
        }
    }
}

/// Whether the server is on this machine.
fn is_local(host: &str) -> bool {
    host == "localhost" || host.parse().is_ok_and(|address: IpAddr| address.is_loopback())
}

fn host_and_port(item: &Item<'_>) -> Option<(String, u16)> {
    let text = item.text()?;
    let parts = text.rsplit_once(':').and_then(|(host, port)| {
        let host = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
        let port: u16 = port.parse().ok().filter(|port| *port != 0)?;
        (!host.is_empty() && !host.contains(char::is_whitespace)).then(|| (host.to_owned(), port))
    });
    if parts.is_none() {
        item.fault(format!("`{}` {} is not host:port", item.key, shown(&text)), Some("write it as localhost:25"));
    }
    parts
}
