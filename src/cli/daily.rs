//! `groeikluis daily`: what systemd's timer has done once a day.

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
};

use anyhow::{Context, bail};
use jiff::{ToSpan, civil::Date};

use super::{ConfigArgument, audit, load, output::say};
use crate::{
    config::Settings,
    daemon::{self, DaemonError},
    dropbox::REPORTS,
    durable::{Clock, Directory, refuse_root_in},
};

#[derive(clap::Args)]
pub(super) struct Arguments {
    #[command(flatten)]
    config: ConfigArgument,
    /// Where the reports go; left out: `reports` in the state directory, which auditors see as `/reports`.
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
}

/// Reports that are kept: those of a year, and a month to look back on it. Each is a few hundred kilobytes.
const MOST_REPORTS: usize = 400;

/// Days back from yesterday of which a report that is missing is made: a machine may be off, or a fault last, for weeks.
const MADE_UP_FOR_DAYS: i64 = 31;

/// The name of a report, around its day.
const REPORT: (&str, &str) = ("auditverslag-", ".html");

pub(super) fn run(arguments: &Arguments) -> anyhow::Result<()> {
    let settings = load(&arguments.config)?;
    // The timer's next run could not replace what root leaves among the reports.
    if arguments.out.is_none() {
        let state = &settings.state_dir;
        refuse_root_in(state)
            .with_context(|| format!("cannot put reports in {}, which the timer's service can", state.display()))?;
    }
    let removed = remove(&settings);
    if let Err(error) = &removed
        && let Some(DaemonError::NoDaemon(_)) = error.downcast_ref()
    {
        // A report is an entry of the log, which only the daemon has the keys for where they are credentials.
        return removed;
    }
    // What cannot be removed is no reason for auditors to go without their reports.
    let place = arguments.out.clone().unwrap_or_else(|| settings.state_dir.join(REPORTS));
    let reported = report(&arguments.config.config, &place);
    match (removed, reported) {
        (Err(removed), Err(reported)) => {
            eprintln!("groeikluis: {removed:#}");
            Err(reported)
        }
        (removed, reported) => removed.and(reported),
    }
}

/// Has the running daemon remove what was kept long enough, where its own night did not.
fn remove(settings: &Settings) -> anyhow::Result<()> {
    // A timer is no operator who knows that the clock is right.
    if let Some(last) = daemon::retention_doubtful_since(&settings.state_dir, Clock::system().now()) {
        bail!(
            "nothing was removed: retention was last finished in the night of {last}, long ago or in the future; if the \
             clock is right, run `groeikluis retention`"
        );
    }
    // The night's own run has done it most often; then there is nothing to remove.
    let fulfilled = daemon::apply_retention(settings, false, |text| eprintln!("groeikluis: {text}"))?;
    let removed = &fulfilled.done.removed;
    let (files, uploads) = (removed.deliveries.len(), removed.uploads.len());
    say(&format!("{files} files of outboxes and {uploads} uploads removed"));
    fulfilled.whole()?;
    Ok(())
}

/// Makes the report of yesterday, and those of days before it that are missing. One that cannot be made keeps no other
/// from being made; the first such fault is given in the end.
fn report(config: &Path, place: &Path) -> anyhow::Result<()> {
    let yesterday = Clock::system().today().yesterday().context("there is no yesterday")?;
    let directory = Directory::create(place)?;
    let mut first_fault = None;
    for day in due(&directory.names()?, yesterday) {
        let made = audit::report_of(config, day, &place.join(name_of(day)));
        if let Err(error) = made.with_context(|| format!("no report of {day} could be made")) {
            match first_fault {
                None => first_fault = Some(error),
                Some(_) => eprintln!("groeikluis: {error:#}"),
            }
        }
    }
    let removed = keep_newest(&directory, MOST_REPORTS)?;
    if removed > 0 {
        say(&format!("{removed} reports older than the newest {MOST_REPORTS} removed from {}", place.display()));
    }
    first_fault.map_or(Ok(()), Err)
}

/// The days to report on, the oldest first: yesterday, and each day since the first report that has none.
fn due(names: &[String], yesterday: Date) -> Vec<Date> {
    let made: BTreeSet<Date> = names.iter().filter_map(|name| day_of(name)).collect();
    let begun = made.first().copied().unwrap_or(yesterday).min(yesterday);
    let first = begun.max(yesterday.saturating_sub(MADE_UP_FOR_DAYS.days()));
    let days = first.series(1.day()).take_while(|day| *day <= yesterday);
    days.filter(|day| *day == yesterday || !made.contains(day)).collect()
}

fn name_of(day: Date) -> String {
    format!("{}{day}{}", REPORT.0, REPORT.1)
}

/// The day that a file of this name reports on; none of a file that is no report.
fn day_of(name: &str) -> Option<Date> {
    let day = name.strip_prefix(REPORT.0)?.strip_suffix(REPORT.1)?.parse().ok()?;
    (name_of(day) == name).then_some(day)
}

/// Removes all reports but so many of the newest; other files stay.
fn keep_newest(directory: &Directory, most: usize) -> anyhow::Result<usize> {
    let mut reports: Vec<String> = directory.names()?.into_iter().filter(|name| day_of(name).is_some()).collect();
    reports.sort_unstable();
    let old = reports.len().saturating_sub(most);
    for name in reports.iter().take(old) {
        directory.remove_if_there(name)?;
    }
    directory.sync()?;
    Ok(old)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_reports_are_kept_and_nothing_else_is_touched() {
        let root = tempfile::tempdir().unwrap();
        let directory = Directory::create(root.path()).unwrap();
        let names = ["auditverslag-2026-11-20.html", "auditverslag-2026-11-21.html", "auditverslag-2025-12-31.html"];
        for name in names.into_iter().chain(["auditverslag-mijn.html", "nota.txt"]) {
            directory.write(name, b"x").unwrap();
        }
        assert_eq!(keep_newest(&directory, 2).unwrap(), 1);
        let mut left = directory.names().unwrap();
        left.sort();
        assert_eq!(left, [names[0], names[1], "auditverslag-mijn.html", "nota.txt"]);
        assert_eq!(keep_newest(&directory, 2).unwrap(), 0);
        assert_eq!(name_of("2026-11-20".parse().unwrap()), names[0]);
    }

    #[test]
    fn days_without_a_report_are_made_up_for() {
        let yesterday = jiff::civil::date(2026, 11, 23);
        let due = |days: &[&str]| {
            let names: Vec<String> = days.iter().map(|day| format!("auditverslag-{day}.html")).collect();
            due(&names, yesterday).iter().map(ToString::to_string).collect::<Vec<_>>()
        };
        assert_eq!(due(&[]), ["2026-11-23"], "the first report of all");
        assert_eq!(due(&["2026-11-22"]), ["2026-11-23"]);
        // Off over a weekend.
        assert_eq!(due(&["2026-11-19", "2026-11-20"]), ["2026-11-21", "2026-11-22", "2026-11-23"]);
        assert_eq!(due(&["2026-11-20", "2026-11-22", "2026-11-23"]), ["2026-11-21", "2026-11-23"]);
        let of_a_month = due(&["2025-01-01"]);
        assert_eq!((of_a_month.len(), of_a_month[0].as_str()), (32, "2026-10-23"));
        // A clock that was wrong.
        assert_eq!(due(&["2027-11-20"]), ["2026-11-23"]);
        assert_eq!(due(&["20261120", "2026-11-20T10:00", "mijn"]), ["2026-11-23"]);
    }
}
