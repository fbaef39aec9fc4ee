//! Passwords: making what is kept of one, and trying one against it.
//!
//! A check takes memory and time on purpose, so it runs on a thread that may block, a few at a time. Each source has a
//! line of its own, of which only the first stands in the line of its network, and of that only the first waits for a
//! check with those of other networks: who comes with many connections makes its own line longer, and who has many
//! addresses of one network only that of the network, by one for each. In all no more wait than there are connections that
//! are not logged in.
//!
//! Behind one address nobody can be told from another, so there the bound is the line itself: 32 connections are 32 checks
//! ahead at most, some eight seconds at the cost of a new hash, of the thirty that a login may take. With hashes as dear as
//! they may be, or four passwords to try, it is more than that.
//!
//! What is ours of a password is wiped, the memory of the check with it; the transport's own copy of the packet is not
//! within reach.

use std::{
    collections::HashMap,
    hash::Hash,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use argon2::{Algorithm, Argon2, Block, Params, Version};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use zeroize::{Zeroize, Zeroizing};

use super::penalties::{Network, Source};
use crate::domain::{PasswordHash, tenant::LoginPassword};

/// Checks at one time: two cores' worth, and half a GiB where hashes are as dear as they may be.
const AT_ONCE: usize = 2;

/// Shortest new password, characters: long enough that a stolen hash is not worth trying.
pub const SHORTEST: usize = 14;

/// Longest password, bytes. Hashing reads all of it before anybody is known.
pub const LONGEST: usize = 1024;

/// Cost of a new hash: the second choice of RFC 9106, section 4.
const MEMORY_KIB: u32 = 65_536;
const PASSES: u32 = 3;
const LANES: u32 = 4;

/// Salt and hash of a new one, bytes (RFC 9106, section 4).
const SALT_BYTES: usize = 16;
const HASH_BYTES: usize = 32;

/// Why there is no hash of a new password.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PasswordFault {
    /// Below [`SHORTEST`].
    #[error("the password has fewer than {SHORTEST} characters")]
    TooShort,
    /// Above [`LONGEST`].
    #[error("the password has more than {LONGEST} bytes")]
    TooLong,
    /// There is no memory for it.
    #[error("the password could not be hashed")]
    NotMade,
}

/// Makes what is kept of a new password.
///
/// # Errors
/// [`PasswordFault`].
pub fn hash_password(password: &str) -> Result<PasswordHash, PasswordFault> {
    if password.chars().count() < SHORTEST {
        return Err(PasswordFault::TooShort);
    }
    if password.len() > LONGEST {
        return Err(PasswordFault::TooLong);
    }
    let salt = rand::random::<[u8; SALT_BYTES]>().to_vec();
    let mut made =
        PasswordHash { memory_kib: MEMORY_KIB, passes: PASSES, lanes: LANES, salt, hash: vec![0; HASH_BYTES] };
    made.hash = derive(&made, password.as_bytes()).ok_or(PasswordFault::NotMade)?.to_vec();
    Ok(made)
}

/// Tries passwords, a few at a time.
#[derive(Debug)]
pub(super) struct PasswordChecks {
    places: Arc<Semaphore>,
    sources: Lines<Source>,
    networks: Lines<Network>,
}

/// The lines of those from which somebody waits for a check or has one. Clones are the same lines.
#[derive(Debug, Clone)]
struct Lines<Whose>(Arc<Mutex<HashMap<Whose, Line>>>);

#[derive(Debug)]
struct Line {
    first: Arc<Semaphore>,
    length: usize,
}

/// A place in a line; it is given up when this is dropped.
#[derive(Debug)]
struct InLine<Whose: Eq + Hash> {
    lines: Lines<Whose>,
    whose: Whose,
}

/// The first place of a line. What the line has of it goes first, when it is dropped.
#[derive(Debug)]
struct First<Whose: Eq + Hash> {
    _first: OwnedSemaphorePermit,
    _in_line: InLine<Whose>,
}

/// The turn for one check.
#[derive(Debug)]
struct Turn {
    _place: OwnedSemaphorePermit,
    _of_network: First<Network>,
    _of_source: First<Source>,
}

impl<Whose: Copy + Eq + Hash> Lines<Whose> {
    fn none() -> Self {
        Self(Arc::default())
    }

    fn all(&self) -> MutexGuard<'_, HashMap<Whose, Line>> {
        lock(&self.0)
    }

    /// Joins a line, at its end, and waits to be its first; who stops waiting leaves it.
    async fn first(&self, whose: Whose) -> Option<First<Whose>> {
        let first = {
            let mut all = self.all();
            let line = all.entry(whose).or_insert_with(|| Line { first: Arc::new(Semaphore::new(1)), length: 0 });
            line.length += 1;
            Arc::clone(&line.first)
        };
        let in_line = InLine { lines: self.clone(), whose };
        Some(First { _first: first.acquire_owned().await.ok()?, _in_line: in_line })
    }
}

impl<Whose: Eq + Hash> Drop for InLine<Whose> {
    fn drop(&mut self) {
        let mut all = lock(&self.lines.0);
        if let Some(line) = all.get_mut(&self.whose) {
            line.length -= 1;
            if line.length == 0 {
                all.remove(&self.whose);
            }
        }
    }
}

fn lock<T>(shared: &Mutex<T>) -> MutexGuard<'_, T> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

impl PasswordChecks {
    pub(super) fn new() -> Self {
        Self { places: Arc::new(Semaphore::new(AT_ONCE)), sources: Lines::none(), networks: Lines::none() }
    }

    /// Waits for a turn; who stops waiting leaves the lines.
    async fn turn(&self, source: Source) -> Option<Turn> {
        let of_source = self.sources.first(source).await?;
        let of_network = self.networks.first(source.network()).await?;
        let place = Arc::clone(&self.places).acquire_owned().await.ok()?;
        Some(Turn { _place: place, _of_network: of_network, _of_source: of_source })
    }

    /// The one that was given. Each is tried, so that the time does not tell which.
    pub(super) async fn find(
        &self,
        source: Source,
        passwords: Vec<LoginPassword>,
        given: &str,
    ) -> Option<LoginPassword> {
        if given.len() > LONGEST {
            return None;
        }
        let given = Zeroizing::new(given.to_owned());
        // A check that began is finished, whether or not somebody still waits for it.
        let turn = self.turn(source).await?;
        let tried = tokio::task::spawn_blocking(move || {
            let _until_done = turn;
            passwords.into_iter().fold(None, |found, password| {
                if is_right(&password.hash, given.as_bytes()) { Some(password) } else { found }
            })
        });
        tried.await.ok().flatten()
    }
}

fn is_right(kept: &PasswordHash, given: &[u8]) -> bool {
    let Some(derived) = derive(kept, given) else { return false };
    // Every byte is looked at, whichever differs.
    let differing = derived.iter().zip(&kept.hash).fold(0, |differing, (one, other)| differing | (one ^ other));
    derived.len() == kept.hash.len() && differing == 0
}

/// The hash of a password, with the salt and cost of one that is kept; none without the memory for it.
fn derive(kept: &PasswordHash, password: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
    let params = Params::new(kept.memory_kib, kept.passes, kept.lanes, Some(kept.hash.len())).ok()?;
    let mut memory = Vec::new();
    memory.try_reserve_exact(params.block_count()).ok()?;
    memory.resize(params.block_count(), Block::default());
    let mut derived = Zeroizing::new(vec![0; kept.hash.len()]);
    let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
    let made = argon2.hash_password_into_with_memory(password, &kept.salt, &mut derived, &mut memory);
    memory.iter_mut().for_each(Zeroize::zeroize);
    made.ok().map(|()| derived)
}

#[cfg(test)]
mod tests {
    use tokio::sync::mpsc;

    use super::*;

    /// Made with `argon2 somesaltsomesalt -id -t 2 -k 19456 -p 1 -e` of the reference implementation, from
    /// `correct horse battery`.
    const OF_STOCK_TOOL: &str =
        "$argon2id$v=19$m=19456,t=2,p=1$c29tZXNhbHRzb21lc2FsdA$/HetJC6LZ4lnwgLB+wJSS2a9bFu2Kq4HxwNWzoJq2qU";

    #[test]
    fn what_stock_tools_make_is_understood() {
        let kept: PasswordHash = OF_STOCK_TOOL.parse().unwrap();
        assert!(is_right(&kept, b"correct horse battery"));
        assert!(!is_right(&kept, b"correct horse batterz") && !is_right(&kept, b""));
    }

    #[test]
    fn new_passwords_are_long_and_salted() {
        assert_eq!(hash_password(&"x".repeat(SHORTEST - 1)), Err(PasswordFault::TooShort));
        assert_eq!(hash_password(&"x".repeat(LONGEST + 1)), Err(PasswordFault::TooLong));
        let (one, other) = (hash_password("voorbeeld-éé-zin").unwrap(), hash_password("voorbeeld-éé-zin").unwrap());
        assert_ne!(one, other);
        assert_eq!(one.to_string().parse::<PasswordHash>().unwrap(), one);
        assert!(is_right(&one, "voorbeeld-éé-zin".as_bytes()));
    }

    #[tokio::test]
    async fn the_right_one_of_several_is_found() {
        let password = |label: &str, hash: &str| LoginPassword { label: label.to_owned(), hash: hash.parse().unwrap() };
        let other = OF_STOCK_TOOL.replace("c29tZXNhbHRzb21lc2FsdA", "b3RoZXJzYWx0b3RoZXJzYWx0");
        let both = vec![password("old", &other), password("new", OF_STOCK_TOOL)];
        let checks = PasswordChecks::new();
        let home = source("192.0.2.1");
        assert_eq!(checks.find(home, both.clone(), "correct horse battery").await.as_ref(), both.last());
        assert_eq!(checks.find(home, both.clone(), "wrong").await, None);
        assert_eq!(checks.find(home, both, &"x".repeat(LONGEST + 1)).await, None);
        assert!(checks.nobody_waits());
    }

    fn source(address: &str) -> Source {
        Source::of(address.parse().unwrap())
    }

    impl PasswordChecks {
        fn nobody_waits(&self) -> bool {
            self.sources.all().is_empty() && self.networks.all().is_empty()
        }
    }

    /// Lets every task go on until all wait.
    async fn settle() {
        for _ in 0..100 {
            tokio::task::yield_now().await;
        }
    }

    /// Has those addresses come one after the other while every place is taken; gives those whose turn came, in order.
    async fn turns_of(addresses: Vec<String>, most: usize) -> Vec<String> {
        let checks = Arc::new(PasswordChecks::new());
        let all_taken = Arc::clone(&checks.places).acquire_many_owned(u32::try_from(AT_ONCE).unwrap()).await.unwrap();
        let (told, mut turns) = mpsc::unbounded_channel();
        let mut waiting = Vec::new();
        for address in addresses {
            let (checks, told) = (Arc::clone(&checks), told.clone());
            waiting.push(tokio::spawn(async move {
                let turn = checks.turn(source(&address)).await.unwrap();
                told.send((address, turn)).unwrap();
            }));
            settle().await;
        }
        drop(all_taken);
        let mut came = Vec::new();
        while came.len() < most {
            let (address, _its_turn) = turns.recv().await.unwrap();
            came.push(address);
        }
        // Who stops waiting is in nobody's way.
        waiting.iter().for_each(tokio::task::JoinHandle::abort);
        drop(told);
        while turns.recv().await.is_some() {}
        assert!(checks.nobody_waits());
        came
    }

    #[tokio::test]
    async fn who_comes_with_many_waits_in_its_own_line() {
        let strangers = (0..30).map(|host| format!("192.0.2.{}", 1 + host % 3));
        let came = turns_of(strangers.chain(["198.51.100.1".to_owned()]).collect(), 3).await;
        assert_eq!(came, ["192.0.2.1", "198.51.100.1", "192.0.2.2"]);
    }

    /// A neighbour of the same network who holds many connections with a few addresses.
    #[tokio::test]
    async fn a_neighbour_with_many_connections_is_one_before_each() {
        let strangers = (0..400).map(|host| format!("192.0.2.{}", 1 + host % 4));
        let came = turns_of(strangers.chain(["192.0.2.9".to_owned()]).collect(), 6).await;
        assert_eq!(came, ["192.0.2.1", "192.0.2.2", "192.0.2.3", "192.0.2.4", "192.0.2.9", "192.0.2.1"]);
    }
}
