//! `groeikluis assignment`: assignments of the VUTG route. The running daemon does what is asked.

pub(super) mod bill;
pub(super) mod simulate;

use std::{
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, bail};

use super::{
    ConfigArgument, load, load_files,
    output::{Table, print_json, progress, say},
};
use crate::{
    config::Settings,
    daemon,
    domain::AssignmentId,
    exchange::assignment::{MadeFile, PlannedFile, RunOrder, RunOutcome, TestFile},
};

/// How soon the daemon has files in force that were saved: it waits until a third of a second has passed without another.
const IN_FORCE_WITHIN: Duration = Duration::from_secs(3);

/// Between two looks at what is in force.
const LOOK_AGAIN: Duration = Duration::from_millis(100);

#[derive(clap::Subcommand)]
pub(super) enum Command {
    /// List the assignments.
    List(List),
    /// Count whom an assignment is about, in numbers that may be shown to anybody.
    Simulate(simulate::Arguments),
    /// Put an onboarding test file, with synthetic data, in the test outbox of the local authority.
    Test(Test),
    /// Deliver what an assignment makes: data, payments, letters, report.
    Run(Run),
    /// Deliver the overview of the last run as it stands now: what was fetched since.
    Report(Report),
    /// Make a local authority's bill for a year.
    Bill(bill::Arguments),
}

#[derive(clap::Args)]
pub(super) struct List {
    #[command(flatten)]
    config: ConfigArgument,
    /// As JSON.
    #[arg(long)]
    json: bool,
}

#[derive(clap::Args)]
pub(super) struct Test {
    /// The assignment.
    id: AssignmentId,
    #[command(flatten)]
    config: ConfigArgument,
    #[command(flatten)]
    file: WhichTest,
    /// As JSON.
    #[arg(long)]
    json: bool,
}

#[derive(clap::Args)]
#[group(required = true, multiple = false)]
struct WhichTest {
    /// A data file of about the size of the real one: fetching it whole passes the technical test.
    #[arg(long)]
    technical: bool,
    /// Payment files to import: record the day on which that went well under `onboarding` in the tenant's file.
    #[arg(long)]
    functional: bool,
}

#[derive(clap::Args)]
pub(super) struct Run {
    /// The assignment.
    id: AssignmentId,
    #[command(flatten)]
    config: ConfigArgument,
    /// Show what would leave, and deliver nothing.
    #[arg(long = "dry-run")]
    only_show: bool,
    /// Run it a second time in its period.
    #[arg(long, requires = "reason")]
    again: bool,
    /// Why it is run again, for the log: a sentence. Name no person in it.
    #[arg(long, requires = "again")]
    reason: Option<String>,
    /// As JSON.
    #[arg(long)]
    json: bool,
}

#[derive(clap::Args)]
pub(super) struct Report {
    /// The assignment.
    id: AssignmentId,
    #[command(flatten)]
    config: ConfigArgument,
    /// As JSON.
    #[arg(long)]
    json: bool,
}

pub(super) fn run(command: &Command) -> anyhow::Result<()> {
    match command {
        Command::List(arguments) => list(arguments),
        Command::Simulate(arguments) => simulate::run(arguments),
        Command::Test(arguments) => test(arguments),
        Command::Run(arguments) => run_assignment(arguments),
        Command::Report(arguments) => report(arguments),
        Command::Bill(arguments) => bill::run(arguments),
    }
}

/// The configuration, which has that assignment.
fn load_with(config: &ConfigArgument, id: &AssignmentId) -> anyhow::Result<Settings> {
    let settings = load(config)?;
    let known = || {
        let names: Vec<String> = settings.assignments.keys().map(ToString::to_string).collect();
        format!("there is no assignment {id}; there are: {}", names.join(", "))
    };
    settings.assignments.get(id).with_context(known)?;
    Ok(settings)
}

fn list(arguments: &List) -> anyhow::Result<()> {
    let settings = load(&arguments.config)?;
    let mut table = Table::new(&["assignment", "tenant", "ground", "unit", "makes", "purpose"]);
    let mut listed = Vec::new();
    for (id, assignment) in &settings.assignments {
        let ground = assignment.protocol.as_ref().or(assignment.agreement.as_ref()).map(ToString::to_string);
        let makes: Vec<&str> = assignment.produce.iter().map(|product| product.name()).collect();
        listed.push(serde_json::json!({
            "assignment": id.as_str(), "tenant": assignment.tenant.as_str(), "ground": ground,
            "unit": assignment.unit.name(), "produce": makes, "purpose": assignment.purpose,
        }));
        table.row(vec![
            id.to_string(),
            assignment.tenant.to_string(),
            ground.unwrap_or_default(),
            assignment.unit.name().to_owned(),
            makes.join(" "),
            assignment.purpose.clone(),
        ]);
    }
    if arguments.json { Ok(print_json(&listed.into())?) } else { Ok(table.print()?) }
}

fn test(arguments: &Test) -> anyhow::Result<()> {
    let settings = load_with(&arguments.config, &arguments.id)?;
    let file = if arguments.file.technical { TestFile::Technical } else { TestFile::Functional };
    let made = daemon::send_test(&settings, &arguments.id, file)?;
    print_made(&made, arguments.json)?;
    if !arguments.json {
        say(match file {
            TestFile::Technical => "The technical test is passed when the local authority has fetched it whole.",
            TestFile::Functional => {
                "When the local authority has imported it, record the day: `onboarding: {functional_test: …}` in its file."
            }
        });
    }
    Ok(())
}

fn run_assignment(arguments: &Run) -> anyhow::Result<()> {
    if !arguments.only_show {
        // What it pays cannot be taken back: not by an older file than the one that somebody has just changed.
        let files = load_files(&arguments.config);
        require_in_force(&files.inspect_err(|_| progress("nothing is run while these files are at fault:"))?)?;
    }
    let settings = load_with(&arguments.config, &arguments.id)?;
    let order = RunOrder { again: arguments.reason.clone(), dry_run: arguments.only_show };
    let outcome = daemon::run(&settings, &arguments.id, order, |text| eprintln!("groeikluis: {text}"))?;
    if arguments.json {
        return Ok(print_json(&serde_json::to_value(&outcome)?)?);
    }
    let RunOutcome { register_month, children, made, planned, unaddressed, unprintable, earlier } = &outcome;
    say(&format!("{children} children of the register of {register_month} meet the criteria"));
    if arguments.only_show {
        for earlier in earlier {
            say(&format!(
                "it was run on {} before, from the register of {}: {} files, {} letters; it needs --again",
                earlier.day, earlier.register_month, earlier.files, earlier.letters
            ));
        }
        say("a run would deliver:");
        return print_planned(planned);
    }
    print_made(made, false)?;
    if *unaddressed > 0 {
        say(&format!("{unaddressed} families got no letter: their address cannot be on an envelope"));
    }
    if *unprintable > 0 {
        say(&format!("{unprintable} families got no letter: a name has a character that no font here has"));
    }
    Ok(())
}

/// Waits a moment until the daemon has put the files in force, which it does when one is saved.
fn require_in_force(files: &Settings) -> anyhow::Result<()> {
    let began = Instant::now();
    // One that never ran, or that keeps nothing to compare with, cannot be asked; what it lacks, it says itself.
    while let Some(last) = daemon::last_configuration(&files.state_dir)? {
        if last.in_force.fingerprint() == files.fingerprint() {
            break;
        }
        if began.elapsed() > IN_FORCE_WITHIN {
            bail!(
                "nothing was run: the daemon has not put these files in force; `groeikluis plan` shows what differs, and whether \
                 it needs a reload or a restart"
            );
        }
        thread::sleep(LOOK_AGAIN);
    }
    Ok(())
}

fn report(arguments: &Report) -> anyhow::Result<()> {
    let settings = load_with(&arguments.config, &arguments.id)?;
    print_made(&daemon::report(&settings, &arguments.id)?, arguments.json)
}

fn print_made(made: &[MadeFile], json: bool) -> anyhow::Result<()> {
    if json {
        return Ok(print_json(&serde_json::to_value(made)?)?);
    }
    let mut table = Table::new(&["tenant", "file", "rows", "euros"]);
    for MadeFile { tenant, file, rows, amount_total } in made {
        table.row(vec![tenant.clone(), file.clone(), rows.to_string(), amount_total.clone().unwrap_or_default()]);
    }
    Ok(table.print()?)
}

fn print_planned(planned: &[PlannedFile]) -> anyhow::Result<()> {
    let mut table = Table::new(&["tenant", "kind", "extension", "rows", "euros"]);
    for PlannedFile { kind, extension, tenant, rows, amount_total } in planned {
        let rows = rows.map(|rows| rows.to_string()).unwrap_or_default();
        let euros = amount_total.clone().unwrap_or_default();
        table.row(vec![tenant.clone(), kind.clone(), extension.clone(), rows, euros]);
    }
    Ok(table.print()?)
}
