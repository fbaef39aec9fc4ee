//! `groeikluis assignment simulate`: whom an assignment is about, and what it would cost.

use std::path::PathBuf;

use super::{
    super::{
        ConfigArgument,
        output::{Table, print_json, say},
    },
    load_with,
};
use crate::{
    daemon,
    domain::{AssignmentId, statistics},
    exchange::assignment::{Simulation, Variation},
};

#[derive(clap::Args)]
pub(in super::super) struct Arguments {
    /// The assignment.
    id: AssignmentId,
    #[command(flatten)]
    config: ConfigArgument,
    /// Compare with other values: `born.from=2014-01-01,2016-01-01`; `+` joins several, `-` takes a demand away.
    #[arg(long, value_name = "CRITERION=VALUES", allow_hyphen_values = true)]
    vary: Vec<String>,
    /// Write the overview for the local authority, a PDF in Dutch, to this file.
    #[arg(long, value_name = "FILE")]
    pdf: Option<PathBuf>,
    /// As JSON.
    #[arg(long)]
    json: bool,
}

pub(super) fn run(arguments: &Arguments) -> anyhow::Result<()> {
    let settings = load_with(&arguments.config, &arguments.id)?;
    let simulation = daemon::simulate(&settings, &arguments.id, &arguments.vary)?;
    if arguments.json {
        print_json(&serde_json::to_value(&simulation)?)?;
    } else {
        print(&simulation)?;
    }
    Ok(())
}

fn print(simulation: &Simulation) -> anyhow::Result<()> {
    let Simulation { assignment, register_month, day, statistics, budget, kept_out, undated, variations } = simulation;
    say(&format!("{assignment}, from the register of {register_month}, on {day}"));
    say("");
    say(&format!("children       {}", statistics.children));
    say(&format!("families       {}", statistics.families));
    say(&format!("beneficiaries  {}", statistics.beneficiaries));
    if let Some(budget) = budget {
        let total = budget.total.as_deref().unwrap_or("…");
        say(&format!("budget         € {total} ({} × € {} per {})", budget.units, budget.amount, budget.unit));
    }
    for (title, table) in [
        ("age", &statistics.by_age),
        ("postcode", &statistics.by_postcode),
        ("source", &statistics.by_source),
        ("family size (families)", &statistics.by_family_size),
    ] {
        print_table(title, table)?;
    }
    if !kept_out.is_empty() {
        say("");
        let mut table = Table::new(&["criterion", "keeps out alone"]);
        for kept in kept_out {
            table.row(vec![kept.criterion.clone(), kept.children.to_string()]);
        }
        table.print()?;
        if undated.shown() != Some(0) {
            say(&format!("for nothing but an unknown birth date: {undated}"));
        }
    }
    if !variations.is_empty() {
        say("");
        let mut table = Table::new(&["with", "children", "families", "budget"]);
        for Variation { change, families, children, total } in variations {
            let total = total.clone().unwrap_or_else(|| "…".to_owned());
            table.row(vec![change.clone(), children.to_string(), families.to_string(), total]);
        }
        table.print()?;
    }
    say("");
    say("… stands for fewer than 5, and for what would tell such a number");
    Ok(())
}

fn print_table(title: &'static str, table: &statistics::Table) -> anyhow::Result<()> {
    say("");
    if table.cells.is_empty() {
        say(&format!("{title}: too few to be told"));
        return Ok(());
    }
    let mut printed = Table::new(&[title, "number"]);
    for cell in &table.cells {
        printed.row(vec![cell.label.clone(), cell.count.to_string()]);
    }
    Ok(printed.print()?)
}
