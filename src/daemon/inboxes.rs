//! Whose uploads take nearly all that they may have on disk: then the tenant is refused what it sends, and is told so by
//! the status of its client alone.

use std::time::{Duration, Instant};

use crate::{
    config::Settings,
    domain::{ByteSize, TenantId},
    dropbox,
};

/// An inbox is nearly full when less than this part of it is left …
const LEAST_PART: u64 = 10;

/// … or less than one upload at its limit; but not for as long as half of it is left, however small it is.
const HALF: u64 = 2;

/// A tenant with little room left.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FullInbox {
    /// Whose it is.
    pub tenant: TenantId,
    /// What its uploads take on disk, those that were answered and are kept among them, bytes.
    pub taken: u64,
    /// What they may take, bytes.
    pub limit: u64,
}

impl FullInbox {
    /// What is taken and what may be, as people read it: rounded down to mebibytes, where there are many.
    pub fn sizes(&self) -> (ByteSize, ByteSize) {
        const MIB: u64 = 1 << 20;
        let rounded = |bytes: u64| ByteSize(if bytes < 10 * MIB { bytes } else { bytes / MIB * MIB });
        (rounded(self.taken), rounded(self.limit))
    }
}

/// How long a look at all uploads stands for who looks again and again: hundreds of tenants have some 100,000 files, and an
/// inbox does not fill unseen within it.
const STANDS: Duration = Duration::from_mins(1);

/// What stands of the last look.
#[derive(Debug, Default)]
pub struct KnownInboxes(Option<(Instant, Vec<FullInbox>)>);

impl KnownInboxes {
    /// Those that are nearly full, as they were a minute ago at most.
    pub fn full(&mut self, settings: &Settings) -> &[FullInbox] {
        self.0.take_if(|(at, _)| at.elapsed() >= STANDS);
        let (_, full) = self.0.get_or_insert_with(|| (Instant::now(), full_inboxes(settings)));
        full
    }
}

/// Those that are nearly full, as the disk says; for any process that may look there.
pub fn full_inboxes(settings: &Settings) -> Vec<FullInbox> {
    let mut found = Vec::new();
    for tenant in settings.tenants.values().filter(|tenant| tenant.kind.uploads()) {
        let limit = tenant.limits.inbox_bytes;
        match dropbox::uploads_bytes(&settings.state_dir, &tenant.id) {
            Ok(taken) if is_nearly_full(taken, limit, tenant.limits.upload_bytes) => {
                found.push(FullInbox { tenant: tenant.id.clone(), taken, limit });
            }
            Ok(_) => {}
            Err(error) => {
                let error: &dyn std::error::Error = &error;
                tracing::warn!(error, tenant = %tenant.id, "its uploads cannot be measured");
            }
        }
    }
    found
}

/// Whether the next upload at its limit may not fit any more; all are bytes.
pub(super) fn is_nearly_full(taken: u64, limit: u64, upload: u64) -> bool {
    let least = (limit / LEAST_PART).max(upload.min(limit / HALF));
    limit.saturating_sub(taken) < least
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_inbox_is_nearly_full_when_the_next_upload_may_not_fit() {
        const MIB: u64 = 1 << 20;
        for (taken, limit, upload, full) in [
            (0, 2048, 64, false),
            (1843, 2048, 64, false),
            (1844, 2048, 64, true),
            (2048, 2048, 64, true),
            (4096, 2048, 64, true),
            // One upload may be a large part of it.
            (30, 100, 64, false),
            (60, 100, 64, true),
            (0, 64, 64, false),
            (33, 64, 64, true),
        ] {
            let found = is_nearly_full(taken * MIB, limit * MIB, upload * MIB);
            assert_eq!(found, full, "{taken} of {limit} MiB, uploads of {upload} MiB");
        }
    }
}
