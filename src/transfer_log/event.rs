//! What happened: one variant for each event of the log, with its own fields.
//!
//! Fields are integers below 2^53, booleans, or text; there are no floats and no personal data. What identifies an
//! official (address, user name, fingerprint, banner, path) is no field: it is disclosed apart
//! ([`super::Disclosed`]). Text that somebody typed is listed in [`Event::free_text_mut`], so that the guard reads it.

use serde::{Deserialize, Serialize};

use super::{
    fields::{
        AssignmentBilled, AssignmentRun, AssignmentSimulated, AuditExported, AuditRead, ClockStep, ConfigChanged,
        DeliveryCreated, DeliveryStep, DisclosureOpened, DownloadEnd, DownloadStart, FileList, GroundChanged,
        KeyChanged, ListAnswered, ListReceived, ListRefused, ListSetAside, LogKeyRotated, LogRecovered, LogStarted,
        LogStopped, Login, LoginRefused, Logout, MailSent, PolicyRefused, ProtocolUsed, Redacted, RegisterLoaded,
        RegisterRefused, Rename, Upload,
    },
    keeping::{
        BackupMade, BackupRestored, DeliveryExpired, DeliveryWithdrawn, RetentionErased, TenantMerged, UploadRemoved,
    },
};

/// An event with its fields. The name in the log stands in the `event` key of its entry.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "event")]
pub enum Event {
    /// Somebody proved who they are, and may come in.
    #[serde(rename = "auth.login")]
    Login(Login),
    /// Somebody was not let in; the reason says why.
    #[serde(rename = "auth.refused")]
    LoginRefused(LoginRefused),
    /// A session ended.
    #[serde(rename = "auth.logout")]
    Logout(Logout),
    /// An upload was closed; a success means that data and directory are on disk.
    #[serde(rename = "file.upload")]
    Upload(Upload),
    /// A download is about to begin: durable before its first byte leaves.
    #[serde(rename = "file.download.start")]
    DownloadStart(DownloadStart),
    /// A download was closed.
    #[serde(rename = "file.download.end")]
    DownloadEnd(DownloadEnd),
    /// A tenant listed a directory. Only where the configuration asks for it: clients list all the time.
    #[serde(rename = "file.list")]
    FileList(FileList),
    /// A tenant renamed an upload of its own.
    #[serde(rename = "file.rename")]
    Rename(Rename),
    /// A tenant removed a file.
    #[serde(rename = "file.delete")]
    Delete {},
    /// A list was opened and read.
    #[serde(rename = "list.received")]
    ListReceived(ListReceived),
    /// A list was refused as a whole; the reason says why.
    #[serde(rename = "list.refused")]
    ListRefused(ListRefused),
    /// A list was answered.
    #[serde(rename = "list.answered")]
    ListAnswered(ListAnswered),
    /// A list is not tried any more by itself, since the process died over it or over others of its tenant; the reason
    /// says which.
    #[serde(rename = "list.set_aside")]
    ListSetAside(ListSetAside),
    /// An operator had a list tried again that was set aside: durable before it is.
    #[serde(rename = "list.retried")]
    ListRetried {},
    /// A file for a tenant was sealed; it cannot be seen yet.
    #[serde(rename = "delivery.created")]
    DeliveryCreated(DeliveryCreated),
    /// A delivery can be fetched.
    #[serde(rename = "delivery.available")]
    DeliveryAvailable(DeliveryStep),
    /// A delivery was fetched, whole.
    #[serde(rename = "delivery.fetched")]
    DeliveryFetched(DeliveryStep),
    /// A delivery's time in the outbox is over: durable before its file goes.
    #[serde(rename = "delivery.expired")]
    DeliveryExpired(DeliveryExpired),
    /// An operator took a delivery back: durable before its file goes.
    #[serde(rename = "delivery.withdrawn")]
    DeliveryWithdrawn(DeliveryWithdrawn),
    /// An upload was kept long enough after its answer: durable before its files go.
    #[serde(rename = "upload.removed")]
    UploadRemoved(UploadRemoved),
    /// A tenant ended, and another has what was its own: durable before its files are moved.
    #[serde(rename = "tenant.merged")]
    TenantMerged(TenantMerged),
    /// An operator had an assignment simulated: durable before its counts are shown.
    #[serde(rename = "assignment.simulated")]
    AssignmentSimulated(AssignmentSimulated),
    /// An assignment was run.
    #[serde(rename = "assignment.run")]
    AssignmentRun(AssignmentRun),
    /// An operator made a local authority's bill: durable before it is written.
    #[serde(rename = "assignment.billed")]
    AssignmentBilled(AssignmentBilled),
    /// A rule of the release gate was not met.
    #[serde(rename = "policy.refused")]
    PolicyRefused(PolicyRefused),
    /// The configuration in force changed.
    #[serde(rename = "config.changed")]
    ConfigChanged(ConfigChanged),
    /// A protocol or agreement is signed from now on, or says something else.
    #[serde(rename = "protocol.opened")]
    GroundOpened(GroundChanged),
    /// A protocol or agreement is gone from the configuration, or signed no more.
    #[serde(rename = "protocol.closed")]
    GroundClosed(GroundChanged),
    /// A key or password of a tenant is configured from now on.
    #[serde(rename = "key.added")]
    KeyAdded(KeyChanged),
    /// A key or password of a tenant is configured no more.
    #[serde(rename = "key.removed")]
    KeyRemoved(KeyChanged),
    /// An answered list, or a run of an assignment, used up one use of a protocol.
    #[serde(rename = "protocol.used")]
    ProtocolUsed(ProtocolUsed),
    /// A register is in use from now on.
    #[serde(rename = "register.loaded")]
    RegisterLoaded(RegisterLoaded),
    /// A register was at fault; the one in use stays.
    #[serde(rename = "register.refused")]
    RegisterRefused(RegisterRefused),
    /// An auditor's session reads the log: durable before its first byte leaves.
    #[serde(rename = "audit.read")]
    AuditRead(AuditRead),
    /// An operator made a report on the log: durable before it is written.
    #[serde(rename = "audit.exported")]
    AuditExported(AuditExported),
    /// Disclosures were opened: durable before they are shown.
    #[serde(rename = "disclosure.opened")]
    DisclosureOpened(DisclosureOpened),
    /// The key to a month's disclosures is destroyed: durable before it is.
    #[serde(rename = "retention.erased")]
    Erased(RetentionErased),
    /// A mail server took a mail, refused it, or may have taken it; the reason says why.
    #[serde(rename = "mail.sent")]
    MailSent(MailSent),
    /// An operator made a backup.
    #[serde(rename = "backup.made")]
    BackupMade(BackupMade),
    /// An operator put a backup in place.
    #[serde(rename = "backup.restored")]
    BackupRestored(BackupRestored),
    /// A number of a person was taken out of the entry just before this one.
    #[serde(rename = "privacy.redacted")]
    Redacted(Redacted),
    /// The log was opened.
    #[serde(rename = "log.started")]
    LogStarted(LogStarted),
    /// The log was closed.
    #[serde(rename = "log.stopped")]
    LogStopped(LogStopped),
    /// The log was not closed the last time; what the journal held was kept.
    #[serde(rename = "log.recovered")]
    LogRecovered(LogRecovered),
    /// Other keys sign the log's checkpoints.
    #[serde(rename = "log.key_rotated")]
    LogKeyRotated(LogKeyRotated),
    /// The clock was set.
    #[serde(rename = "clock.step")]
    ClockStep(ClockStep),
}

/// The names of all events in the log.
pub const EVENT_NAMES: [&str; 46] = [
    "auth.login",
    "auth.refused",
    "auth.logout",
    "file.upload",
    "file.download.start",
    "file.download.end",
    "file.list",
    "file.rename",
    "file.delete",
    "list.received",
    "list.refused",
    "list.answered",
    "list.set_aside",
    "list.retried",
    "delivery.created",
    "delivery.available",
    "delivery.fetched",
    "delivery.expired",
    "delivery.withdrawn",
    "upload.removed",
    "tenant.merged",
    "assignment.simulated",
    "assignment.run",
    "assignment.billed",
    "policy.refused",
    "config.changed",
    "protocol.opened",
    "protocol.closed",
    "key.added",
    "key.removed",
    "protocol.used",
    "register.loaded",
    "register.refused",
    "audit.read",
    "audit.exported",
    "disclosure.opened",
    "retention.erased",
    "mail.sent",
    "backup.made",
    "backup.restored",
    "privacy.redacted",
    "log.started",
    "log.stopped",
    "log.recovered",
    "log.key_rotated",
    "clock.step",
];

impl Event {
    /// The name in the log.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Login(_) => "auth.login",
            Self::LoginRefused(_) => "auth.refused",
            Self::Logout(_) => "auth.logout",
            Self::Upload(_) => "file.upload",
            Self::DownloadStart(_) => "file.download.start",
            Self::DownloadEnd(_) => "file.download.end",
            Self::FileList(_) => "file.list",
            Self::Rename(_) => "file.rename",
            Self::Delete {} => "file.delete",
            Self::ListReceived(_) => "list.received",
            Self::ListRefused(_) => "list.refused",
            Self::ListAnswered(_) => "list.answered",
            Self::ListSetAside(_) => "list.set_aside",
            Self::ListRetried {} => "list.retried",
            Self::DeliveryCreated(_) => "delivery.created",
            Self::DeliveryAvailable(_) => "delivery.available",
            Self::DeliveryFetched(_) => "delivery.fetched",
            Self::DeliveryExpired(_) => "delivery.expired",
            Self::DeliveryWithdrawn(_) => "delivery.withdrawn",
            Self::UploadRemoved(_) => "upload.removed",
            Self::TenantMerged(_) => "tenant.merged",
            Self::AssignmentSimulated(_) => "assignment.simulated",
            Self::AssignmentRun(_) => "assignment.run",
            Self::AssignmentBilled(_) => "assignment.billed",
            Self::PolicyRefused(_) => "policy.refused",
            Self::ConfigChanged(_) => "config.changed",
            Self::GroundOpened(_) => "protocol.opened",
            Self::GroundClosed(_) => "protocol.closed",
            Self::KeyAdded(_) => "key.added",
            Self::KeyRemoved(_) => "key.removed",
            Self::ProtocolUsed(_) => "protocol.used",
            Self::RegisterLoaded(_) => "register.loaded",
            Self::RegisterRefused(_) => "register.refused",
            Self::AuditRead(_) => "audit.read",
            Self::AuditExported(_) => "audit.exported",
            Self::DisclosureOpened(_) => "disclosure.opened",
            Self::Erased(_) => "retention.erased",
            Self::MailSent(_) => "mail.sent",
            Self::BackupMade(_) => "backup.made",
            Self::BackupRestored(_) => "backup.restored",
            Self::Redacted(_) => "privacy.redacted",
            Self::LogStarted(_) => "log.started",
            Self::LogStopped(_) => "log.stopped",
            Self::LogRecovered(_) => "log.recovered",
            Self::LogKeyRotated(_) => "log.key_rotated",
            Self::ClockStep(_) => "clock.step",
        }
    }

    /// Whether the tenant that it concerns gets a receipt for it.
    pub fn is_receipted(&self) -> bool {
        match self {
            Self::Upload(_) | Self::DeliveryCreated(_) => true,
            Self::Rename(rename) => rename.complete,
            _ => false,
        }
    }

    /// Text that came from a person or a configuration file, for the guard to read.
    ///
    /// Ids, digests and codes are not among it: a digest's digits look like a person's number once in 200 times.
    pub(super) fn free_text_mut(&mut self) -> Vec<&mut String> {
        match self {
            Self::DeliveryCreated(created) => {
                let mut texts = vec![&mut created.file, &mut created.purpose, &mut created.legal_basis];
                texts.extend(created.columns.iter_mut());
                texts
            }
            Self::ListRefused(refused) => vec![&mut refused.file],
            Self::DisclosureOpened(opened) => vec![&mut opened.motive],
            Self::DeliveryWithdrawn(withdrawn) => vec![&mut withdrawn.motive],
            Self::AssignmentRun(run) => run.again.iter_mut().chain(&mut run.authority).collect(),
            Self::Login(_)
            | Self::LoginRefused(_)
            | Self::Logout(_)
            | Self::Upload(_)
            | Self::DownloadStart(_)
            | Self::DownloadEnd(_)
            | Self::FileList(_)
            | Self::Rename(_)
            | Self::Delete {}
            | Self::ListReceived(_)
            | Self::ListAnswered(_)
            | Self::ListSetAside(_)
            | Self::ListRetried {}
            | Self::DeliveryAvailable(_)
            | Self::DeliveryFetched(_)
            | Self::DeliveryExpired(_)
            | Self::UploadRemoved(_)
            | Self::TenantMerged(_)
            | Self::AssignmentSimulated(_)
            | Self::AssignmentBilled(_)
            | Self::PolicyRefused(_)
            | Self::ConfigChanged(_)
            | Self::GroundOpened(_)
            | Self::GroundClosed(_)
            | Self::KeyAdded(_)
            | Self::KeyRemoved(_)
            | Self::ProtocolUsed(_)
            | Self::RegisterLoaded(_)
            | Self::RegisterRefused(_)
            | Self::AuditRead(_)
            | Self::AuditExported(_)
            | Self::Erased(_)
            | Self::MailSent(_)
            | Self::BackupMade(_)
            | Self::BackupRestored(_)
            | Self::Redacted(_)
            | Self::LogStarted(_)
            | Self::LogStopped(_)
            | Self::LogRecovered(_)
            | Self::LogKeyRotated(_)
            | Self::ClockStep(_) => Vec::new(),
        }
    }
}
