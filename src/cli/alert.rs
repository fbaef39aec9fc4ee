//! `groeikluis alert`: a mail to those who run the exchange, when systemd finds a unit failed.

use anyhow::Context;

use super::{ConfigArgument, output::say};
use crate::{
    config,
    daemon::{self, Alert},
    durable::Clock,
};

#[derive(clap::Args)]
pub(super) struct Arguments {
    #[command(flatten)]
    config: ConfigArgument,
    /// The unit that failed.
    #[arg(long, value_name = "UNIT", value_parser = word)]
    unit: String,
}

/// What systemd tells a unit of `OnFailure=` about the one that failed (systemd.exec(5), from version 251 on).
const TOLD: [&str; 3] = ["MONITOR_SERVICE_RESULT", "MONITOR_EXIT_CODE", "MONITOR_EXIT_STATUS"];

/// Characters of a word at most: names of units have fewer.
const LONGEST_WORD: usize = 128;

pub(super) fn run(arguments: &Arguments) -> anyhow::Result<()> {
    let main = &arguments.config.config;
    let (mail, language) = config::mail_of(main)
        .with_context(|| format!("{} names nobody to tell under `mail`, or cannot be read", main.display()))?;
    let faults = config::load(main).err().unwrap_or_default();
    let told = TOLD.iter().filter_map(|name| word(&std::env::var(name).ok()?).ok()).collect::<Vec<_>>().join(" ");
    let ended = match told.as_str() {
        "" => "?",
        told => told,
    };
    let alert = Alert { unit: &arguments.unit, ended, faults: &faults };
    let count = daemon::alert_operators(&mail, language, &alert, &Clock::system())?;
    say(&format!("told: {count} of {}", mail.ops.len()));
    Ok(())
}

/// A word that may stand in a mail.
fn word(text: &str) -> Result<String, String> {
    let is_word = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-' | '@' | ':' | '\\');
    if !text.is_empty() && text.len() <= LONGEST_WORD && text.chars().all(is_word) {
        Ok(text.to_owned())
    } else {
        Err("not the name of a unit".to_owned())
    }
}
