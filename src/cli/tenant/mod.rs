//! `groeikluis tenant`: what ops do for one tenant, and ask about it.

mod add;
mod address;
mod advice;
mod guide;
mod merge;
mod refuse;
mod retry;
mod why;

use anyhow::{anyhow, bail};
use clap::Subcommand;

use crate::{
    config::Settings,
    daemon,
    domain::{TenantId, brussels_date},
    transfer_log::{self, Event, LogError},
};

#[derive(Subcommand)]
pub(super) enum Command {
    /// Write the file of a new tenant, from options or from answers on a terminal.
    ///
    /// What is not given is asked for when standard input is a terminal. The file is checked together with the whole
    /// configuration before it is written (keys, recipients, the municipality, keys of other tenants), with a comment
    /// at each key; nothing is overwritten. A running daemon takes it at once.
    Add(Box<add::Arguments>),
    /// Print how a tenant begins, in Dutch: to be mailed to its contact before the first login.
    ///
    /// How to make the keys, which parts of them to send, where the server is, and the fingerprints of its host keys to
    /// compare at the first connection. The rest is in LEESMIJ.txt, which the tenant finds after that.
    Guide(guide::Arguments),
    /// Give a tenant what others had, since their municipalities were merged: files, uploads, protocols, keys.
    ///
    /// Run it twice. While the former tenants are in the configuration, it drafts the file of the new one from theirs, for
    /// you to review: keys, recipients, contacts, protocols and former NIS codes of all. When the draft is in place and
    /// the files of the former are gone, the same command has the running daemon carry their drop-boxes over. It is in
    /// the log first; a stop in between is finished at the next start. What was delivered stays sealed to the recipients
    /// of that time, so the former tenants keep their secret keys; protocols keep what was used up; what identifies
    /// officials in the log stays under the former names.
    Merge(merge::Arguments),
    /// Refuse a list that cannot be processed, since it was set aside for good or is damaged on the disk.
    ///
    /// A list that waits is kept, however long. Once it is refused its sender finds a refusal in the outbox, with the
    /// request to send the list again, and retention removes it after its days. It uses up nothing. Try it again first
    /// (`tenant retry`): a refusal is for good.
    Refuse(refuse::Arguments),
    /// Try lists again that were set aside, since the service died repeatedly over them.
    ///
    /// A list that ends the process, for want of memory for one, would stop the service for everybody. It is tried a second
    /// time with nothing beside it, and then not any more; `status` names it. Look at the service's messages first, and
    /// update the program or give it more memory (`MemoryMax=`). One more death sets the list aside again.
    Retry(retry::Arguments),
    /// Explain the last failed logins, and what can be done; also while the daemon runs.
    ///
    /// Reads what the daemon keeps for this, for 31 days: the last connections under the tenant's name, or from the address,
    /// with clients that speak nothing that is spoken here, user names that are nobody's, and whether the address is slowed
    /// down. It is sealed to the exchange's own key, which must be readable here.
    Why(why::Arguments),
}

pub(super) fn run(command: &Command) -> anyhow::Result<()> {
    match command {
        Command::Add(arguments) => add::run(arguments),
        Command::Guide(arguments) => guide::run(arguments),
        Command::Merge(arguments) => merge::run(arguments),
        Command::Refuse(arguments) => refuse::run(arguments),
        Command::Retry(arguments) => retry::run(arguments),
        Command::Why(arguments) => why::run(arguments),
    }
}

/// Sees that a tenant has not become another: what was its own is that one's.
fn require_unmerged(settings: &Settings, id: &TenantId) -> anyhow::Result<()> {
    if settings.tenants.contains_key(id) {
        return Ok(());
    }
    merged_into(settings, id)?.map_or(Ok(()), |told| bail!(told))
}

/// Why a name is no tenant's: the tenant was merged into another, as the log tells, or its file is missing.
fn no_tenant(settings: &Settings, name: &str) -> anyhow::Error {
    let merged = name.parse().ok().and_then(|id| merged_into(settings, &id).ok()?);
    let missing = || {
        format!("{name} is no tenant of this configuration: its file in {} is missing", settings.tenants_dir.display())
    };
    anyhow!(merged.unwrap_or_else(missing))
}

/// What became of a tenant that was merged into another, also where that one was merged in turn.
fn merged_into(settings: &Settings, id: &TenantId) -> Result<Option<String>, LogError> {
    let mut logs = transfer_log::archived(&daemon::archive_dir(settings))?;
    logs.extend(Some(daemon::log_dir(settings)).filter(|log| log.is_dir()));
    let mut found = None;
    for log in logs {
        for entry in transfer_log::entries(&log)? {
            let entry = entry?;
            let Event::TenantMerged(merged) = &entry.event else { continue };
            let current = found.as_ref().map_or(id, |(into, _)| into);
            if merged.former == *current {
                found = entry.context.tenant.map(|into| (into, brussels_date(entry.at)));
            }
        }
    }
    Ok(found.map(|(into, day)| {
        format!(
            "{id} was merged into {into} on {day}: its files, lists and keys are {into}'s, which is the user name that logs \
             in; see `groeikluis tenant why {into}`"
        )
    }))
}
