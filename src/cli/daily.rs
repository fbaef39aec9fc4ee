//! `groeikluis daily`: what systemd's timer has done once a day.

use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use jiff::civil::Date;

use super::{ConfigArgument, audit, load, output::say};
use crate::{
    daemon,
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
    // A timer is no operator who knows that the clock is right.
    let doubtful = daemon::retention_doubtful_since(&settings.state_dir, Clock::system().now());
    if doubtful.is_none() {
        // The night's own run has done it most often; then there is nothing to remove.
        let report = daemon::apply_retention(&settings, false, |text| eprintln!("groeikluis: {text}"))?.whole()?;
        let (files, uploads) = (report.removed.deliveries.len(), report.removed.uploads.len());
        say(&format!("{files} files of outboxes and {uploads} uploads removed"));
    }
    let place = arguments.out.clone().unwrap_or_else(|| settings.state_dir.join(REPORTS));
    let yesterday = Clock::system().today().yesterday().context("there is no yesterday")?;
    let directory = Directory::create(&place)?;
    let path = place.join(name_of(yesterday));
    audit::report_of(&arguments.config.config, yesterday, &path)?;
    let removed = keep_newest(&directory, MOST_REPORTS)?;
    if removed > 0 {
        say(&format!("{removed} reports older than the newest {MOST_REPORTS} removed from {}", place.display()));
    }
    if let Some(last) = doubtful {
        bail!(
            "nothing was removed: retention was last finished in the night of {last}, long ago or in the future; if the \
             clock is right, run `groeikluis retention`"
        );
    }
    Ok(())
}

fn name_of(day: Date) -> String {
    format!("{}{day}{}", REPORT.0, REPORT.1)
}

/// Removes all reports but so many of the newest; other files stay.
fn keep_newest(directory: &Directory, most: usize) -> anyhow::Result<usize> {
    let mut reports: Vec<String> = directory.names()?.into_iter().filter(|name| is_report(name)).collect();
    reports.sort_unstable();
    let old = reports.len().saturating_sub(most);
    for name in reports.iter().take(old) {
        directory.remove_if_there(name)?;
    }
    directory.sync()?;
    Ok(old)
}

fn is_report(name: &str) -> bool {
    let day = name.strip_prefix(REPORT.0).and_then(|rest| rest.strip_suffix(REPORT.1));
    day.is_some_and(|day| day.parse::<Date>().is_ok()) && Path::new(name).components().count() == 1
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
}
