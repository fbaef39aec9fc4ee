//! Whether the memory that the service may have is enough for what its configuration allows.
//!
//! A service manager ends a service that goes beyond its memory, in the middle of whatever it does, and so ends everybody's
//! sessions; that the limits do not fit is better told at the start.

use crate::{
    config::Settings,
    documents::letters::PRINTING_BYTES,
    domain::ByteSize,
    durable::memory_limit_bytes,
    exchange::MOST_HANDED_BYTES,
    sftp::{most_listed_bytes, most_queued_bytes},
};

/// The register twice, while it is replaced: 1.6 million children take some 200 MiB.
const REGISTERS_BYTES: u64 = 400 << 20;

/// Two lists at once, each in clear, opened, read and answered: measured at most, in lengths of an upload.
const UPLOADS_OF_TWO_LISTS: u64 = 8;

/// A session with its channels and buffers, at work.
const SESSION_BYTES: u64 = 400 << 10;

/// A run of an assignment with letters.
const RUN_BYTES: u64 = PRINTING_BYTES;

/// A file that is handed over on the socket, and one in the spool, each whole in memory.
const HANDED_BYTES: u64 = 2 * MOST_HANDED_BYTES;

/// What the limits of these settings come to, bytes.
fn needed_bytes(settings: &Settings) -> u64 {
    let limits = &settings.limits;
    let uploads = settings.tenants.values().map(|tenant| tenant.limits.upload_bytes);
    let longest = uploads.max().unwrap_or_default().max(limits.upload_bytes);
    let parts = [
        limits.upload_memory_bytes,
        longest.saturating_mul(UPLOADS_OF_TWO_LISTS),
        SESSION_BYTES.saturating_mul(limits.connections.into()),
        most_queued_bytes(limits.connections.into()),
        // One tenant that leaves directories open in all of its sessions: a client reads one at a time and closes it.
        most_listed_bytes(limits.sessions_per_tenant.min(limits.connections).into()),
        REGISTERS_BYTES,
        RUN_BYTES,
        HANDED_BYTES,
    ];
    parts.into_iter().fold(0, u64::saturating_add)
}

/// Warns when the control group of this process allows it less memory than the limits of these settings come to. To be
/// called before [`super::enter_sandbox`], from within which the group cannot be read.
pub fn warn_of_little_memory(settings: &Settings) {
    let (needed, allowed) = (needed_bytes(settings), memory_limit_bytes());
    if let Some(allowed) = allowed.filter(|allowed| *allowed < needed) {
        let (needed, allowed) = (rounded(needed), rounded(allowed));
        let help =
            "raise `MemoryMax=` of the service, or lower `limits.upload_memory`, `upload_bytes` or `connections`";
        tracing::warn!(%needed, %allowed, help, "the service may have less memory than its limits come to");
    }
}

fn rounded(bytes: u64) -> ByteSize {
    const MIB: u64 = 1 << 20;
    ByteSize(bytes / MIB * MIB)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::config;

    #[test]
    fn the_memory_of_the_unit_is_enough_for_the_usual_limits() {
        let unit = include_str!("../../systemd/groeikluis.service");
        let most: ByteSize =
            unit.lines().find_map(|line| line.strip_prefix("MemoryMax=")).unwrap().replace('G', "GiB").parse().unwrap();
        let mut settings = config::load(&Path::new(env!("CARGO_MANIFEST_DIR")).join("config/groeikluis.yaml")).unwrap();
        assert!(needed_bytes(&settings) < most.0, "{}", ByteSize(needed_bytes(&settings)));
        settings.limits.upload_memory_bytes = 4 << 30;
        assert!(needed_bytes(&settings) > most.0);
    }
}
