//! The command line: a file per command. Tables for people, `--json` for programs, exit codes for scripts.
//!
//! Exit codes follow `sysexits.h`: 64 for a wrong command, 78 for a configuration at fault, 1 for the rest; and 2 is for
//! `status --exit-code` where something is urgent.

mod alert;
mod assignment;
mod audit;
mod backup;
mod check;
mod console;
mod daily;
mod deliver;
mod delivery;
mod demo;
mod generate;
mod keys;
mod ledger;
mod operator_log;
mod output;
mod overview;
mod plan;
mod register;
mod retention;
mod rotate;
mod serve;
mod signals;
mod status;
mod tenant;

use std::{
    error::Error,
    path::{Path, PathBuf},
    process::ExitCode,
};

use anyhow::bail;
use clap::{Parser, Subcommand};

use crate::{
    config::{Fault, SecretError},
    daemon::DaemonError,
};

/// Secure file exchange between the Flemish child-benefit agency and local authorities.
#[derive(Parser)]
#[command(name = "groeikluis", version, max_term_width = 100, after_long_help = EXIT_STATUS)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Run the daemon in the foreground until SIGTERM.
    Serve(serve::Arguments),
    /// Lay out a deployment with synthetic data, run it, and perform the whole route as a municipality would.
    Demo(demo::Arguments),
    /// Report every fault of every configuration file, and of the keys and letters that they name.
    Check(check::Arguments),
    /// Show what a reload of these files would change for the running daemon.
    ///
    /// Compares them with what the daemon put in force last, also while it does not run: who gains or loses access,
    /// which protocols and agreements start, change or end, whose drop-box loses its tenant, which settings wait for a
    /// restart, and what ends soon. Nothing is changed.
    Plan(plan::Arguments),
    /// Show where each tenant stands, and what needs a hand.
    Status(status::Arguments),
    /// Serve pages to look at, on this machine only: what needs a hand, tenants, traffic, refusals, the log.
    ///
    /// A process of its own that changes nothing and has no logins: it listens on loopback or on a socket, and who may
    /// reach that is for the machine, or a proxy in front, to decide. Pages are in Dutch and English.
    Console(console::Arguments),
    /// List local authorities per route, concluded and interested, and what each protocol lacks.
    Overview(overview::Arguments),
    /// One tenant.
    #[command(subcommand)]
    Tenant(tenant::Command),
    /// Assignments of the VUTG route: count, test, deliver, report, bill.
    #[command(subcommand)]
    Assignment(assignment::Command),
    /// One delivery.
    #[command(subcommand)]
    Delivery(delivery::Command),
    /// Deliver a table that another system made, from standard input, on the ground of a protocol.
    Deliver(deliver::Arguments),
    /// Remove what was kept long enough, now. The daemon does it every night.
    Retention(retention::Arguments),
    /// The extract of the Groeipakket that lists are answered from.
    #[command(subcommand)]
    Register(register::Command),
    /// Read and verify the transfer log.
    #[command(subcommand)]
    Audit(audit::Command),
    /// Make a backup while the daemon runs: one sealed file with everything but the keys and the register.
    Backup(backup::BackupArguments),
    /// Put a backup in place of a state directory that is lost. The daemon must not run.
    ///
    /// The log in it is verified, and compared with the high-water mark: a backup that is older than the log had come is
    /// refused, with what to do. That it was restored is an entry of the log, whose keys it reads. Where those are
    /// credentials, as in the package's service, give them with `systemd-run --pipe --wait -p User=groeikluis
    /// -p LoadCredential=NAME:FILE … groeikluis restore …`.
    Restore(backup::RestoreArguments),
    /// Make keys.
    #[command(subcommand)]
    Keys(keys::Command),
    /// The index of the transfer log.
    #[command(subcommand)]
    Ledger(ledger::Command),
    /// What is done once a day, by a timer: retention, and the audit report of yesterday and of days that have none. The daemon
    /// must run.
    Daily(daily::Arguments),
    /// Tell those who run the exchange by mail that a unit of systemd failed. No daemon is needed, and nothing is logged.
    Alert(alert::Arguments),
    /// Make man pages, completions and schemas for editors.
    #[command(subcommand)]
    Generate(generate::Command),
}

/// Where the main configuration file lies where no other is named: that of the package.
const MAIN_FILE: &str = "/etc/groeikluis/groeikluis.yaml";

/// The configuration file, for commands that need one.
#[derive(clap::Args, Clone)]
struct ConfigArgument {
    /// The main configuration file.
    #[arg(long, value_name = "FILE", default_value = MAIN_FILE)]
    config: PathBuf,
}

/// Faults of the configuration: exit code 78.
#[derive(Debug, thiserror::Error)]
#[error("{}", listed(.0))]
struct ConfigFaults(Vec<Fault>);

fn listed(faults: &[Fault]) -> String {
    let lines: Vec<String> = faults.iter().map(ToString::to_string).collect();
    lines.join("\n")
}

/// What a command lacks that the parser of arguments cannot see: exit code 64.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct UsageFault(String);

/// Something needs a hand at once, which was told in full: exit code 2 where a script asked for it.
#[derive(Debug, thiserror::Error)]
#[error("something needs a hand at once")]
struct Urgent;

/// What scripts can rely on.
const EXIT_STATUS: &str = "Exit status: 0 when it is done; 1 when it is not; 2 when something is urgent, of `status \
    --exit-code` alone; 64 for a wrong command; 78 for a configuration at fault, or a key that it names.";

const EXIT_URGENT: u8 = 2;
const EXIT_USAGE: u8 = 64;
const EXIT_CONFIG: u8 = 78;

/// Runs the program with the arguments of the process.
pub fn main() -> ExitCode {
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) => {
            // Nothing is left to do when the terminal is gone.
            let _ = error.print();
            return if error.use_stderr() { ExitCode::from(EXIT_USAGE) } else { ExitCode::SUCCESS };
        }
    };
    let outcome = match arguments.command {
        Command::Serve(arguments) => serve::run(&arguments),
        Command::Demo(arguments) => demo::run(&arguments),
        Command::Check(arguments) => check::run(&arguments),
        Command::Plan(arguments) => plan::run(&arguments),
        Command::Status(arguments) => status::run(&arguments),
        Command::Console(arguments) => console::run(&arguments),
        Command::Overview(arguments) => overview::run(&arguments),
        Command::Tenant(command) => tenant::run(&command),
        Command::Assignment(command) => assignment::run(&command),
        Command::Delivery(command) => delivery::run(&command),
        Command::Deliver(arguments) => deliver::run(&arguments),
        Command::Retention(arguments) => retention::run(&arguments),
        Command::Register(command) => register::run(&command),
        Command::Audit(command) => audit::run(&command),
        Command::Backup(arguments) => backup::back_up(&arguments),
        Command::Restore(arguments) => backup::restore(&arguments),
        Command::Keys(command) => keys::run(&command),
        Command::Ledger(command) => ledger::run(&command),
        Command::Daily(arguments) => daily::run(&arguments),
        Command::Alert(arguments) => alert::run(&arguments),
        Command::Generate(command) => generate::run(&command),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        // Whoever read the output has seen enough.
        Err(error) if is_broken_pipe(&error) => ExitCode::SUCCESS,
        Err(error) if error.is::<Urgent>() => ExitCode::from(EXIT_URGENT),
        Err(error) => {
            report(&error);
            exit_code(&error)
        }
    }
}

fn is_broken_pipe(error: &anyhow::Error) -> bool {
    let kind = error.downcast_ref::<std::io::Error>().map(std::io::Error::kind);
    kind == Some(std::io::ErrorKind::BrokenPipe)
}

/// Faults of a configuration are a list; other errors are told with what caused them, and what to do about a secret.
fn report(error: &anyhow::Error) {
    let faults = error.chain().find_map(|cause| match daemon_error(cause) {
        Some(DaemonError::Configuration(faults)) => Some(listed(faults)),
        _ => cause.downcast_ref::<ConfigFaults>().map(ToString::to_string),
    });
    let secret = error.chain().find_map(|cause| cause.downcast_ref::<SecretError>());
    match (faults, secret) {
        (Some(faults), _) => eprintln!("{faults}"),
        (None, Some(secret)) => eprintln!("groeikluis: {error:#}; {}", secret.hint()),
        (None, None) => eprintln!("groeikluis: {error:#}"),
    }
}

/// What a cause is of the daemon's, also where another error has it in a box.
fn daemon_error<'a>(cause: &'a (dyn Error + 'static)) -> Option<&'a DaemonError> {
    let boxed = || cause.downcast_ref::<Box<DaemonError>>().map(AsRef::as_ref);
    cause.downcast_ref().or_else(boxed)
}

fn exit_code(error: &anyhow::Error) -> ExitCode {
    let is_config = error.chain().any(|cause| {
        let daemon = matches!(
            daemon_error(cause),
            Some(
                DaemonError::Configuration(_)
                    | DaemonError::Secret(_)
                    | DaemonError::Identity { .. }
                    | DaemonError::HostKey { .. }
                    | DaemonError::LogKey { .. }
            )
        );
        daemon || cause.is::<ConfigFaults>() || cause.is::<SecretError>()
    });
    let is_usage = error.chain().any(<dyn Error + 'static>::is::<UsageFault>);
    ExitCode::from(match (is_config, is_usage) {
        (true, _) => EXIT_CONFIG,
        (false, true) => EXIT_USAGE,
        (false, false) => 1,
    })
}

/// A day that was typed.
fn day(text: &str) -> Result<jiff::civil::Date, String> {
    text.parse().map_err(|_| "not a day; write it as 2027-12-31".to_owned())
}

/// Reads the configuration. Where its files are at fault it tells the faults, and goes on with what the daemon has in
/// force: a slip in one tenant's file is no reason not to look at the others, or to withdraw what went wrong. Passwords
/// are not in it.
fn load(argument: &ConfigArgument) -> anyhow::Result<crate::config::Settings> {
    let faults = match crate::config::load(&argument.config) {
        Ok(settings) => return Ok(settings),
        Err(faults) => faults,
    };
    let Some(settings) = in_force(&argument.config) else { bail!(ConfigFaults(faults)) };
    eprintln!("{}", listed(&faults));
    eprintln!(
        "groeikluis: warning: the files are at fault, so this is by the configuration that the daemon has in force"
    );
    Ok(settings)
}

/// What the daemon with that main file has in force, or last had.
fn in_force(main: &Path) -> Option<crate::config::Settings> {
    let last = crate::daemon::last_configuration(&crate::config::named_state_dir(main)?).ok()??;
    let settings = last.in_force.settings().ok()?;
    let is_same = std::path::absolute(main).is_ok_and(|main| main == settings.main_file());
    is_same.then_some(settings)
}

/// Reads the configuration's files, or ends with all their faults.
fn load_files(argument: &ConfigArgument) -> anyhow::Result<crate::config::Settings> {
    crate::config::load(&argument.config).map_err(|faults| ConfigFaults(faults).into())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Texts for people that tell them what to type, as the programs that show them have them.
    const TEXTS: [&str; 3] = [
        include_str!("../../systemd/groeikluis.rules.yml"),
        include_str!("../../tests/golden/mail-beheer.nl.txt"),
        include_str!("../../tests/golden/mail-beheer.en.txt"),
    ];

    #[test]
    fn what_alerts_and_mails_tell_to_type_is_taken_as_it_stands() {
        let mut told = 0;
        for text in TEXTS {
            let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
            for command in text.split('`').filter(|quoted| quoted.starts_with("groeikluis ")) {
                let typed =
                    command.replace("{{ $labels.tenant }}", "bree").replace("NAAM", "bree").replace("NAME", "bree");
                // Of these the reader has yet to say of whom.
                let whole = if typed.ends_with(" retry") { format!("{typed} bree") } else { typed };
                let taken = Arguments::try_parse_from(whole.split(' '));
                assert!(taken.is_ok(), "{command}: {}", taken.err().map(|error| error.to_string()).unwrap_or_default());
                told += 1;
            }
        }
        assert!(told > 10, "{told}");
    }

    #[test]
    fn the_exit_status_is_told() {
        let help = <Arguments as clap::CommandFactory>::command().render_long_help().to_string();
        let told = help.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(told.contains("64 for a wrong command; 78 for a configuration at fault"), "{help}");
    }

    #[test]
    fn the_log_of_the_package_is_read_where_no_other_is_named() {
        let config_of = |line: &str| {
            let arguments = Arguments::try_parse_from(line.split(' ')).unwrap();
            let Command::Audit(audit::Command::Show(show)) = arguments.command else { panic!("{line}") };
            show.which.config.map(|path| path.to_str().unwrap().to_owned())
        };
        assert_eq!(config_of("groeikluis audit show").as_deref(), Some(MAIN_FILE));
        assert_eq!(config_of("groeikluis audit show --log copy"), None);
        assert_eq!(config_of("groeikluis audit show --config own.yaml").as_deref(), Some("own.yaml"));
    }
}
