//! Where tiles and bundles of entries are (C2SP tlog-tiles), and what is in a bundle.

use super::merkle::{Hash, TILE_WIDTH};

/// Bytes of a hash.
const HASH_BYTES: usize = 32;

/// The most that a tile's file can hold, bytes.
pub(super) const MAX_TILE_BYTES: u64 = (TILE_WIDTH * HASH_BYTES) as u64;

/// The most that a bundle's file can hold, bytes: 256 of the longest entries with their lengths.
pub(super) const MAX_BUNDLE_BYTES: u64 = (TILE_WIDTH * (super::MAX_ENTRY_BYTES + 2)) as u64;

/// Hashes at a level of a tree of `size` leaves.
pub(super) fn hashes_at(level: u8, size: u64) -> u64 {
    size.checked_shr(8 * u32::from(level)).unwrap_or(0)
}

/// Of so many hashes, those in the tile that is not full.
pub(super) fn in_last(hashes: u64) -> usize {
    hashes.to_le_bytes().first().copied().map_or(0, usize::from)
}

/// The tile `index` of a level, as it is in a tree of `size` leaves: its path and how many hashes it has. `None`
/// where the tree has no such tile.
pub(super) fn tile(level: u8, index: u64, size: u64) -> Option<(String, usize)> {
    let width = width(index, hashes_at(level, size))?;
    Some((format!("tile/{level}/{}", place(index, width)), width))
}

/// The bundle `index`, as [`tile`] does.
pub(super) fn bundle(index: u64, size: u64) -> Option<(String, usize)> {
    let width = width(index, size)?;
    Some((format!("tile/entries/{}", place(index, width)), width))
}

fn width(index: u64, hashes: u64) -> Option<usize> {
    let before = index.checked_mul(TILE_WIDTH as u64)?;
    let width = usize::try_from(hashes.checked_sub(before)?).ok()?.min(TILE_WIDTH);
    (width > 0).then_some(width)
}

/// The directories of partial tiles, at that level, and of partial bundles, of the tile or bundle `index`.
pub(super) fn partial_directories(level: u8, index: u64) -> Vec<String> {
    let place = place(index, TILE_WIDTH);
    let mut directories = vec![format!("tile/{level}/{place}.p")];
    if level == 0 {
        directories.push(format!("tile/entries/{place}.p"));
    }
    directories
}

/// `1234067` is `x001/x234/067`; a tile that is not full has `.p/` and its width behind it.
fn place(index: u64, width: usize) -> String {
    let mut place = format!("{:03}", index % 1000);
    let mut rest = index / 1000;
    while rest > 0 {
        place = format!("x{:03}/{place}", rest % 1000);
        rest /= 1000;
    }
    if width < TILE_WIDTH { format!("{place}.p/{width}") } else { place }
}

/// What a name in a directory of tiles or bundles stands for.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Named {
    /// A directory of others, the first of which has this index.
    Directory(u64),
    /// The directory of the partial ones with this index.
    Partials(u64),
    /// A full one.
    Full(u64),
}

/// Reads a name in a directory whose first tile has the index `first`. None where [`place`] writes no such name: so no
/// directories lie deeper than there are indexes, and the entries up to any index can be counted.
pub(super) fn named(name: &str, first: u64) -> Option<Named> {
    let index = |digits: &str| {
        let number = digits.parse::<u64>().ok().filter(|_| digits.len() == 3 && !digits.starts_with('+'))?;
        first.checked_add(number).filter(|index| *index < u64::MAX / TILE_WIDTH as u64)
    };
    if let Some(digits) = name.strip_prefix('x') {
        index(digits).filter(|index| *index > 0)?.checked_mul(1000).map(Named::Directory)
    } else if let Some(digits) = name.strip_suffix(".p") {
        index(digits).map(Named::Partials)
    } else {
        index(name).map(Named::Full)
    }
}

/// A tile's bytes.
pub(super) fn tile_bytes(hashes: &[Hash]) -> Vec<u8> {
    hashes.concat()
}

/// A tile's hashes; `None` when it has not exactly `width` of them.
pub(super) fn tile_hashes(bytes: &[u8], width: usize) -> Option<Vec<Hash>> {
    let (hashes, rest) = bytes.as_chunks::<HASH_BYTES>();
    (rest.is_empty() && hashes.len() == width).then(|| hashes.to_vec())
}

/// A bundle's bytes: each entry after its length, 16 bits, big-endian. Entries are no longer than that can say.
pub(super) fn bundle_bytes(entries: &[Vec<u8>]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(entries.iter().map(|entry| entry.len() + 2).sum());
    for entry in entries {
        let length = u16::try_from(entry.len()).unwrap_or(u16::MAX);
        bytes.extend_from_slice(&length.to_be_bytes());
        bytes.extend_from_slice(entry);
    }
    bytes
}

/// A bundle's entries; `None` when it has not exactly `width` of them.
pub(super) fn bundle_entries(bytes: &[u8], width: usize) -> Option<Vec<Vec<u8>>> {
    Some(bundle_slices(bytes, width)?.into_iter().map(<[u8]>::to_vec).collect())
}

/// As [`bundle_entries`], where they stand.
pub(super) fn bundle_slices(mut bytes: &[u8], width: usize) -> Option<Vec<&[u8]>> {
    let mut entries = Vec::with_capacity(width);
    while !bytes.is_empty() {
        let (length, rest) = bytes.split_first_chunk()?;
        let (entry, rest) = rest.split_at_checked(usize::from(u16::from_be_bytes(*length)))?;
        entries.push(entry);
        bytes = rest;
    }
    (entries.len() == width).then_some(entries)
}

/// The bytes of a bundle's first entries; `None` when it has not so many.
pub(super) fn bundle_start(bytes: &[u8], entries: usize) -> Option<&[u8]> {
    let mut end = 0;
    for _ in 0..entries {
        let length = bytes.get(end..)?.first_chunk()?;
        end += 2 + usize::from(u16::from_be_bytes(*length));
    }
    bytes.get(..end)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn paths_are_those_of_the_standard() {
        for (found, path, width) in [
            (tile(0, 1_234_067, u64::MAX), "tile/0/x001/x234/067", 256),
            (tile(0, 0, 1), "tile/0/000.p/1", 1),
            (tile(0, 273, 70_000), "tile/0/273.p/112", 112),
            (tile(1, 1, 70_000), "tile/1/001.p/17", 17),
            (tile(2, 0, 70_000), "tile/2/000.p/1", 1),
            (bundle(273, 70_000), "tile/entries/273.p/112", 112),
            (bundle(1000, 1_000_000), "tile/entries/x001/000", 256),
        ] {
            assert_eq!(found, Some((path.to_owned(), width)));
        }
        assert_eq!(tile(0, 1, 256), None);
        assert_eq!(tile(1, 0, 255), None);
        assert_eq!(tile(8, 0, u64::MAX), None);
    }

    #[test]
    fn names_are_read_as_they_are_written() {
        assert_eq!(named("x001", 0), Some(Named::Directory(1_000)));
        assert_eq!(named("x234", 1_000), Some(Named::Directory(1_234_000)));
        assert_eq!(named("067", 1_234_000), Some(Named::Full(1_234_067)));
        assert_eq!(named("067.p", 1_234_000), Some(Named::Partials(1_234_067)));
        for other in ["x000", "x1", "+12", "12", "x+12", "0067", "067.p.p", "", "é1"] {
            assert_eq!(named(other, 0), None, "{other}");
        }
        // However deep directories lie, a few levels are as far as indexes go.
        let deeper = |first: &u64| match named("x999", *first) {
            Some(Named::Directory(first)) => Some(first),
            _ => None,
        };
        assert_eq!(std::iter::successors(Some(0), deeper).count(), 6);
        assert_eq!(named("999", u64::MAX - 1), None);
    }

    proptest! {
        #[test]
        fn bundles_are_read_as_they_are_written(entries in prop::collection::vec(any::<Vec<u8>>(), 0..20)) {
            let bytes = bundle_bytes(&entries);
            prop_assert_eq!(bundle_entries(&bytes, entries.len()), Some(entries.clone()));
            prop_assert_eq!(bundle_entries(&bytes, entries.len() + 1), None);
        }

        #[test]
        fn any_bytes_are_read_without_panic(bytes in any::<Vec<u8>>(), width in 0_usize..300) {
            let _ = (bundle_entries(&bytes, width), tile_hashes(&bytes, width));
        }
    }
}
