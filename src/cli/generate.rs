//! `groeikluis generate`: what packages carry beside the program, made of the same tables that it reads by.

use std::{
    fs,
    io::{self, Write},
    path::{Path, PathBuf},
};

use anyhow::Context;
use clap::CommandFactory;
use clap_complete::Shell;

#[derive(clap::Subcommand)]
pub(super) enum Command {
    /// Write a man page for each command.
    Man(Directory),
    /// Write a JSON Schema for each kind of configuration file, for editors.
    Schema(Directory),
    /// Print the completions of a shell.
    Completions {
        /// Which shell.
        #[arg(value_enum)]
        shell: Shell,
    },
}

#[derive(clap::Args)]
pub(super) struct Directory {
    /// Where the files go; made when it is not there. Files of the same names are replaced.
    #[arg(long, value_name = "DIR")]
    dir: PathBuf,
}

pub(super) fn run(command: &Command) -> anyhow::Result<()> {
    match command {
        Command::Man(directory) => man(&directory.dir),
        Command::Schema(directory) => schema(&directory.dir),
        Command::Completions { shell } => completions(*shell),
    }
}

/// The commands, without `help`, which needs no page.
fn commands() -> clap::Command {
    super::Arguments::command().disable_help_subcommand(true)
}

fn man(dir: &Path) -> anyhow::Result<()> {
    let wrong = || format!("cannot write to {}", dir.display());
    fs::create_dir_all(dir).with_context(wrong)?;
    clap_mangen::generate_to(commands(), dir).with_context(wrong)
}

fn schema(dir: &Path) -> anyhow::Result<()> {
    fs::create_dir_all(dir).with_context(|| format!("cannot make {}", dir.display()))?;
    for (name, schema) in crate::config::schemas() {
        let path = dir.join(name);
        let text = serde_json::to_string_pretty(&schema)? + "\n";
        fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))?;
    }
    Ok(())
}

fn completions(shell: Shell) -> anyhow::Result<()> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut commands(), "groeikluis", &mut script);
    Ok(io::stdout().lock().write_all(&script)?)
}
