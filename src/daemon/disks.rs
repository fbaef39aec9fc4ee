//! Whether the disks that the exchange writes to are nearly full: then it stops taking lists before long.

use std::path::{Path, PathBuf};

use crate::{config::Settings, domain::ByteSize, durable::DiskSpace};

/// So much of a disk must be free, in percent …
const LEAST_PERCENT: u64 = 5;

/// … or so many bytes, whatever the size of the disk: the uploads of a day with every municipality sending at its limit.
const ENOUGH_BYTES: u64 = 20 << 30;

/// Below this a disk is nearly full however small it is: one upload at its limit, its answer, and the log of a day.
const LEAST_BYTES: u64 = 512 << 20;

/// A disk that is nearly full.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FullDisk {
    /// The directory of the configuration that lies on it.
    pub directory: PathBuf,
    /// What may still be written, bytes.
    pub free: u64,
    /// All of it, bytes.
    pub total: u64,
}

impl FullDisk {
    /// What is free and all of it, rounded down to what people read.
    pub fn room(&self) -> (ByteSize, ByteSize) {
        const MIB: u64 = 1 << 20;
        const GIB: u64 = 1 << 30;
        let rounded = |bytes: u64| {
            let unit = if bytes < 10 * GIB { MIB } else { GIB };
            ByteSize(bytes / unit * unit)
        };
        (rounded(self.free), rounded(self.total))
    }
}

/// The room on the disks of the state directory and the high-water mark, as far as the system tells.
pub fn disks(settings: &Settings) -> impl Iterator<Item = (&Path, DiskSpace)> {
    [settings.state_dir.as_path(), &settings.high_water_dir].into_iter().filter_map(|directory| {
        DiskSpace::of(directory)
            .inspect_err(
                |error| tracing::warn!(%error, directory = %directory.display(), "its disk cannot be asked for room"),
            )
            .ok()
            .map(|space| (directory, space))
    })
}

/// Those of the disks of the state directory and the high-water mark that are nearly full, each once.
pub fn full_disks(settings: &Settings) -> Vec<FullDisk> {
    let mut found: Vec<FullDisk> = Vec::new();
    for (directory, DiskSpace { free, total }) in
        disks(settings).filter(|(_, disk)| is_nearly_full(disk.free, disk.total))
    {
        // Two directories of one disk have the same room.
        if !found.iter().any(|other| (other.free, other.total) == (free, total)) {
            found.push(FullDisk { directory: directory.to_owned(), free, total });
        }
    }
    found
}

fn is_nearly_full(free: u64, total: u64) -> bool {
    free < LEAST_BYTES || (free < ENOUGH_BYTES && free < total / 100 * LEAST_PERCENT)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_disk_is_nearly_full_by_its_share_and_by_what_is_left() {
        const GIB: u64 = 1 << 30;
        for (free, total, full) in [
            (GIB / 4, GIB, true),
            (GIB, 10 * GIB, false),
            (2 * GIB, 100 * GIB, true),
            (6 * GIB, 100 * GIB, false),
            (19 * GIB, 1000 * GIB, true),
            (21 * GIB, 1000 * GIB, false),
            (0, 0, true),
        ] {
            assert_eq!(is_nearly_full(free, total), full, "{free} of {total}");
        }
    }
}
