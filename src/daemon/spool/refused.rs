//! Files that may not leave, each with the reason beside it.
//!
//! A reason is there before its file, and nothing is ever replaced. Personal data lies here in clear, so a file goes after
//! [`FILES_STAY`]; its reason stays longer, for who comes back from leave.

use std::{
    collections::HashSet,
    fs,
    path::Path,
    time::{Duration, SystemTime},
};

use jiff::Timestamp;

use super::handed::Handed;
use crate::{
    documents::repeatable,
    durable::{Directory, DurableError},
};

/// How the name of a file's reason ends.
const REASON: &str = ".reason";

/// How long a file may lie there: who hands files over looks within a week, and the system that made it has it still.
const FILES_STAY: Duration = Duration::from_hours(7 * 24);

/// How long a reason stays.
const REASONS_STAY: Duration = Duration::from_hours(31 * 24);

/// Where such files are.
pub(super) struct Refused(pub Directory);

impl Refused {
    /// Moves a file there, with the reason, and gives its name there.
    pub fn set_aside(
        &self,
        from: &Directory,
        name: &str,
        handed: &Handed,
        reason: &str,
    ) -> Result<String, DurableError> {
        let is_free = |name: &String| !self.0.contains(name) && !self.0.contains(&reason_of(name));
        let place = handed.refused_as().find(is_free).unwrap_or_default();
        self.0.write_new(&reason_of(&place), format!("{reason}\n").as_bytes())?;
        if let Err(error) = from.rename_new(name, &self.0, &place) {
            // Of no file.
            self.0.remove_if_there(&reason_of(&place))?;
            return Err(error);
        }
        self.0.sync()?;
        from.sync()?;
        Ok(place)
    }

    /// Removes what lay there long enough.
    pub fn remove_old(&self, now: Timestamp) -> Result<(), DurableError> {
        let now = SystemTime::from(now);
        for name in self.0.names()?.into_iter().filter(|name| !name.starts_with('.')) {
            let written =
                |name: &str| fs::symlink_metadata(self.0.path().join(name)).and_then(|found| found.modified());
            let (stays, written) = if is_reason(&name, |other| self.0.contains(other)) {
                (REASONS_STAY, written(&name))
            } else {
                // When it was set aside; it may have been written long before.
                (FILES_STAY, written(&reason_of(&name)).or_else(|_| written(&name)))
            };
            if written.is_ok_and(|written| now.duration_since(written).is_ok_and(|age| age > stays)) {
                self.0.remove_if_there(&name)?;
                if stays == FILES_STAY {
                    tracing::info!(file = repeatable(&name), "a file that may not leave was removed from .refused");
                }
            }
        }
        self.0.sync()
    }
}

/// How many files are in that directory, without their reasons.
pub(super) fn count(directory: &Path) -> usize {
    let names = fs::read_dir(directory).into_iter().flatten().flatten();
    let names: HashSet<String> = names.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
    names.iter().filter(|name| !is_reason(name, |other| names.contains(other))).count()
}

/// Whether it tells of a file, and is not one that was handed over under such a name: of that, another tells.
fn is_reason(name: &str, is_there: impl Fn(&str) -> bool) -> bool {
    name.ends_with(REASON) && !is_there(&reason_of(name))
}

fn reason_of(name: &str) -> String {
    format!("{name}{REASON}")
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Place(tempfile::TempDir);

    impl Place {
        fn from(&self) -> Directory {
            Directory::create(&self.0.path().join("from")).unwrap()
        }

        fn refused(&self) -> Refused {
            Refused(Directory::create(&self.0.path().join("refused")).unwrap())
        }

        fn names(&self) -> Vec<String> {
            let mut names = self.refused().0.names().unwrap();
            names.sort();
            names
        }
    }

    fn handed(file: &str) -> Handed {
        let [tenant, protocol, kind, file] = ["t", "p", "k", file].map(str::to_owned);
        Handed { tenant, protocol, kind, file }
    }

    #[test]
    fn each_refused_file_keeps_its_content_and_its_reason() {
        let place = Place(tempfile::tempdir().unwrap());
        for (text, reason) in [("one", "first"), ("two", "second")] {
            place.from().write("x.csv", text.as_bytes()).unwrap();
            place.refused().set_aside(&place.from(), "x.csv", &handed("x.csv"), reason).unwrap();
        }
        assert_eq!(place.names(), ["t~p~k~x.csv", "t~p~k~x.csv.reason", "t~p~k~x.csv~2", "t~p~k~x.csv~2.reason"]);
        let text = |name| String::from_utf8(place.refused().0.read(name, 99).unwrap().unwrap()).unwrap();
        assert_eq!([text("t~p~k~x.csv"), text("t~p~k~x.csv~2")], ["one", "two"]);
        assert_eq!([text("t~p~k~x.csv.reason"), text("t~p~k~x.csv~2.reason")], ["first\n", "second\n"]);
        assert_eq!(count(place.refused().0.path()), 2);
        // Of a file that is not there any more no reason stays.
        assert!(place.refused().set_aside(&place.from(), "x.csv", &handed("y.csv"), "x").is_err());
        assert_eq!(place.names().len(), 4);
        // The longest name that a directory can have.
        let long = "x".repeat(255);
        place.from().write_new("x", b"x").unwrap();
        place.refused().set_aside(&place.from(), "x", &handed(&long), "x").unwrap();
        assert_eq!(place.names().len(), 6);
    }

    #[test]
    fn a_file_goes_after_a_week_and_its_reason_later() {
        let place = Place(tempfile::tempdir().unwrap());
        place.from().write("x.csv", b"x").unwrap();
        place.refused().set_aside(&place.from(), "x.csv", &handed("x.csv"), "x").unwrap();
        let written = fs::metadata(place.refused().0.path().join("t~p~k~x.csv.reason")).unwrap().modified().unwrap();
        let after = |days: u64| {
            let now = Timestamp::try_from(written + Duration::from_hours(days * 24 + 1)).unwrap();
            place.refused().remove_old(now).unwrap();
            place.names()
        };
        assert_eq!(after(6), ["t~p~k~x.csv", "t~p~k~x.csv.reason"]);
        assert_eq!(after(7), ["t~p~k~x.csv.reason"]);
        assert_eq!(after(31), [] as [&str; 0]);
        // Also one that is called as a reason is.
        place.from().write("lijst.reason", b"x").unwrap();
        place.refused().set_aside(&place.from(), "lijst.reason", &handed("lijst.reason"), "x").unwrap();
        assert_eq!(count(place.refused().0.path()), 1);
        assert_eq!(after(7), ["t~p~k~lijst.reason.reason"]);
        assert_eq!(count(place.refused().0.path()), 0);
    }
}
