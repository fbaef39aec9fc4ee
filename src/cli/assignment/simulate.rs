//! `groeikluis assignment simulate`: whom an assignment is about, and what it would cost.

use std::{fs, path::PathBuf};

use anyhow::Context;

use super::{
    super::{
        ConfigArgument,
        output::{Table, print_json_first, say},
    },
    load_with,
};
use crate::{
    config::Settings,
    daemon,
    documents::{
        criteria::{criteria_nl, criterion_nl},
        register_month_nl,
        simulation::{self, Effect, Price},
    },
    domain::{Amount, AssignmentId, Count, Criteria, statistics},
    exchange::assignment::{Around, Budget, Simulation, Variation, vary},
    register::Criterion,
};

#[derive(clap::Args)]
pub(in super::super) struct Arguments {
    /// The assignment.
    id: AssignmentId,
    #[command(flatten)]
    config: ConfigArgument,
    /// Compare with other values: `born.from=2014-01-01,2016-01-01`; `+` joins several, `-` takes a demand away. The numbers
    /// are rounded to a multiple of 5.
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
        print_json_first(&serde_json::to_value(&simulation)?)?;
    } else {
        print(&simulation)?;
    }
    if let Some(path) = &arguments.pdf {
        let pdf = paper(&settings, arguments, &simulation)?;
        fs::write(path, &pdf).with_context(|| format!("cannot write {}", path.display()))?;
        eprintln!("groeikluis: {} is written", path.display());
    }
    Ok(())
}

/// The overview for the local authority.
fn paper(settings: &Settings, arguments: &Arguments, simulation: &Simulation) -> anyhow::Result<Vec<u8>> {
    let assignment = settings.assignments.get(&arguments.id).context("the assignment is gone")?;
    let tenant = settings.tenants.get(&assignment.tenant).context("its tenant is gone")?;
    let municipality = tenant.nis_code.and_then(|code| settings.municipalities.by_code(code));
    let municipality = municipality.context("its tenant is no municipality")?;
    let catalogue = &settings.sources;
    let others = vary(&assignment.criteria, &arguments.vary, &Around { catalogue, municipality })?;
    let named = |name: &str| {
        let name = name.split(['.', '=']).next().unwrap_or_default();
        Criterion::ALL.into_iter().find(|criterion| criterion.name() == name)
    };
    let words = |name: &str, criteria: &Criteria| {
        named(name).map_or_else(|| name.to_owned(), |criterion| criterion_nl(criterion, criteria, catalogue))
    };
    let effects: Vec<Effect> = simulation
        .kept_out
        .iter()
        .map(|kept| Effect { criterion: words(&kept.criterion, &assignment.criteria), removes: kept.children })
        .collect();
    let variations: Vec<simulation::Variation> = simulation
        .variations
        .iter()
        .zip(&others)
        .map(|(counted, (name, criteria))| simulation::Variation {
            change: words(name, criteria),
            families: counted.families,
            children: counted.children,
            beneficiaries: counted.beneficiaries,
            total: counted.total.as_deref().and_then(Amount::of_sum),
        })
        .collect();
    let priced = assignment.payment.as_ref().zip(simulation.budget.as_ref());
    let price = priced.map(|(terms, budget)| Price {
        unit: assignment.unit,
        amount: terms.amount,
        units: budget.units,
        payments: budget.payments,
        total: budget.total.as_deref().and_then(Amount::of_sum),
    });
    let paper = simulation::Simulation {
        authority: &tenant.name,
        assignment: &simulation.assignment,
        purpose: &assignment.purpose,
        day: simulation.day,
        register_month: &register_month_nl(&simulation.register_month),
        criteria: &criteria_nl(&assignment.criteria, catalogue),
        statistics: &simulation.statistics,
        catalogue,
        price,
        effects: &effects,
        variations: &variations,
    };
    Ok(paper.pdf()?.to_vec())
}

fn print(simulation: &Simulation) -> anyhow::Result<()> {
    let Simulation { assignment, register_month, day, statistics, budget, kept_out, undated, variations } = simulation;
    say(&format!("{assignment}, from the register of {register_month}, on {day}"));
    say("");
    say(&format!("children       {}", statistics.children));
    say(&format!("families       {}", statistics.families));
    say(&format!("beneficiaries  {}", statistics.beneficiaries));
    if let Some(budget) = budget {
        say(&format!("budget         {}", budget_line(budget)));
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
            table.row(vec![kept.criterion.clone(), about(kept.children)]);
        }
        table.print()?;
        if undated.shown() != Some(0) {
            say(&format!("for nothing but an unknown birth date: {}", about(*undated)));
        }
    }
    if !variations.is_empty() {
        say("");
        let mut table = Table::new(&["with", "children", "families", "beneficiaries", "budget"]);
        for Variation { change, families, children, beneficiaries, total } in variations {
            let [children, families, beneficiaries] = [children, families, beneficiaries].map(|count| about(*count));
            let total = total.as_ref().map(|total| format!("about {total}")).unwrap_or_default();
            table.row(vec![change.clone(), children, families, beneficiaries, total]);
        }
        table.print()?;
    }
    say("");
    say("… stands for fewer than 5, and for what would tell such a number");
    if !kept_out.is_empty() || !variations.is_empty() {
        say("about: rounded up or down to a multiple of 5, so that no difference tells such a number");
    }
    Ok(())
}

/// A rounded count: `about 15`.
pub(in super::super) fn about(count: Count) -> String {
    if count.shown().is_none_or(|number| number == 0) { count.to_string() } else { format!("about {count}") }
}

/// What would be paid, in how many payments, and for what.
pub(in super::super) fn budget_line(budget: &Budget) -> String {
    let Budget { unit, amount, units, payments, total } = budget;
    let most = Amount::of_sum(amount).zip(units.shown()).map(|(amount, number)| amount.times(number).to_string());
    let (sum, in_part) = match (total, most) {
        (Some(total), most) if most.as_ref() == Some(total) => (total.clone(), ""),
        (Some(total), _) => (total.clone(), ", some in part"),
        (None, Some(most)) => (format!("{most} at most"), ", some in part"),
        (None, None) => ("…".to_owned(), ""),
    };
    format!("€ {sum} in {payments} payments ({units} × € {amount} per {unit}{in_part})")
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
