//! What a path means in a tenant's tree (FORMATS.md, section 1).

use super::Area;
use crate::domain::{TenantKind, VirtualPath};

/// A place of the tree. Whether something stands there is another matter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Place {
    /// A directory that every tenant of the kind has: the names in it.
    Fixed(&'static [&'static str]),
    /// `LEESMIJ.txt`.
    Guide,
    /// An inbox.
    Inbox(Area),
    /// A name in an inbox.
    Upload(Area, String),
    /// An outbox.
    Outbox(Area),
    /// A name in an outbox.
    Delivery(Area, String),
    /// The example list beside the test outbox's files.
    ExampleList,
    /// A tenant's `/log`.
    Log,
    /// A tenant's receipts.
    Receipts,
    /// One of them.
    Receipt(String),
    /// The latest checkpoint.
    Checkpoint,
    /// The log's public key.
    LogKey,
    /// What receipts are packed with.
    ReceiptDictionary,
    /// Somewhere in an auditor's `/log`: the path below it, empty for the directory itself.
    WholeLog(String),
    /// An auditor's `/reports`.
    Reports,
    /// One of them.
    Report(String),
}

/// The name of the guide.
const GUIDE: &str = "LEESMIJ.txt";
/// The name of the example list.
pub(super) const EXAMPLE_LIST: &str = "voorbeeldlijst.csv";
/// The name of the latest checkpoint, as `tlog-tiles` has it.
pub(super) const CHECKPOINT: &str = "checkpoint";
/// The name of the log's public key.
pub(super) const LOG_KEY: &str = "log.vkey";
/// The directory of logs of earlier years in an auditor's `/log`.
pub(super) const LOG_ARCHIVE: &str = "archive";
/// The name of what receipts are packed with.
pub(super) const RECEIPT_DICTIONARY: &str = "receipt.dictionary";
/// The name of the directory of receipts.
pub(super) const RECEIPTS: &str = "receipts";

/// What a path means to a tenant of that kind; none where nothing can be.
pub(super) fn find(kind: TenantKind, path: &VirtualPath) -> Option<Place> {
    let parts: Vec<&str> = path.parts().collect();
    match kind {
        TenantKind::Municipality | TenantKind::Ocmw => match *parts {
            [] => Some(Place::Fixed(&[GUIDE, "inbox", "log", "outbox", "test"])),
            [GUIDE] => Some(Place::Guide),
            ["inbox"] => Some(Place::Inbox(Area::Live)),
            ["inbox", name] => Some(Place::Upload(Area::Live, name.to_owned())),
            ["outbox"] => Some(Place::Outbox(Area::Live)),
            ["outbox", name] => Some(Place::Delivery(Area::Live, name.to_owned())),
            ["test"] => Some(Place::Fixed(&["inbox", "outbox"])),
            ["test", "inbox"] => Some(Place::Inbox(Area::Test)),
            ["test", "inbox", name] => Some(Place::Upload(Area::Test, name.to_owned())),
            ["test", "outbox"] => Some(Place::Outbox(Area::Test)),
            ["test", "outbox", EXAMPLE_LIST] => Some(Place::ExampleList),
            ["test", "outbox", name] => Some(Place::Delivery(Area::Test, name.to_owned())),
            ["log"] => Some(Place::Log),
            ["log", CHECKPOINT] => Some(Place::Checkpoint),
            ["log", LOG_KEY] => Some(Place::LogKey),
            ["log", RECEIPT_DICTIONARY] => Some(Place::ReceiptDictionary),
            ["log", RECEIPTS] => Some(Place::Receipts),
            ["log", RECEIPTS, name] => Some(Place::Receipt(name.to_owned())),
            _ => None,
        },
        TenantKind::PrintPartner => match *parts {
            [] => Some(Place::Fixed(&["outbox"])),
            ["outbox"] => Some(Place::Outbox(Area::Live)),
            ["outbox", name] => Some(Place::Delivery(Area::Live, name.to_owned())),
            _ => None,
        },
        TenantKind::Auditor => match parts.as_slice() {
            [] => Some(Place::Fixed(&["log", "reports"])),
            ["log", LOG_KEY] => Some(Place::LogKey),
            ["log", below @ ..] if is_public_log_path(below) => Some(Place::WholeLog(below.join("/"))),
            ["reports"] => Some(Place::Reports),
            ["reports", name] => Some(Place::Report((*name).to_owned())),
            _ => None,
        },
    }
}

/// The parts of the log's directory that are the log: not its journal, its lock or temporary files.
fn is_public_log_path(below: &[&str]) -> bool {
    match below {
        [] | [LOG_ARCHIVE, _, LOG_KEY] => true,
        [LOG_ARCHIVE] | [LOG_ARCHIVE, _] => below.iter().all(|name| !name.starts_with('.')),
        [LOG_ARCHIVE, name, rest @ ..] => !name.starts_with('.') && is_public_log_path(rest),
        [first, rest @ ..] => matches!(*first, CHECKPOINT | "tile") && rest.iter().all(|name| !name.starts_with('.')),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(kind: TenantKind, path: &str) -> Option<Place> {
        find(kind, &VirtualPath::parse(path.as_bytes()).unwrap())
    }

    #[test]
    fn each_kind_of_tenant_has_its_own_tree() {
        use TenantKind::{Auditor, Municipality, PrintPartner};
        assert_eq!(place(Municipality, "/inbox/x"), Some(Place::Upload(Area::Live, "x".to_owned())));
        assert_eq!(place(Municipality, "/test/outbox/x"), Some(Place::Delivery(Area::Test, "x".to_owned())));
        for path in ["/etc", "/inbox/x/y", "/outbox/../../bree", "/log/tile/0/000", "/reports"] {
            assert_eq!(place(Municipality, path), None, "{path}");
        }
        for path in ["/inbox", "/test", "/log", "/LEESMIJ.txt"] {
            assert_eq!(place(PrintPartner, path), None, "{path}");
        }
        assert_eq!(place(Auditor, "/log/tile/0/000"), Some(Place::WholeLog("tile/0/000".to_owned())));
        for path in ["/log/journal", "/log/.lock", "/log/tile/.x", "/inbox", "/outbox"] {
            assert_eq!(place(Auditor, path), None, "{path}");
        }
    }
}
