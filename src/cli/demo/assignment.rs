//! The route of an assignment: Torhout's, from the simulation to the bill.
//!
//! What ops do goes the way of their commands, over the running daemon's control socket; what Torhout and the printer do
//! goes over SFTP.

use std::time::Instant;

use anyhow::{Context, ensure};
use zeroize::Zeroizing;

use super::{
    super::{
        assignment::{bill, simulate},
        output::say,
    },
    layout::{DRUKKERIJ, Layout, TORHOUT},
    route::{LOOK_EVERY, PATIENCE, SHOWN_ROWS, Visitor},
};
use crate::{
    config::{self, Settings},
    daemon::{self, DaemonError},
    documents::Manifest,
    domain::{AssignmentId, Kind},
    durable::Clock,
    exchange::assignment::{MadeFile, RunOrder, RunOutcome, TestFile},
};

/// The demo's assignment.
pub(super) const ASSIGNMENT: &str = "torhout-schoolpremie";

/// Orders wait for the daemon: they are given on a thread of their own.
async fn order<T: Send + 'static>(
    layout: &Layout,
    give: impl FnOnce(&Settings, &AssignmentId) -> Result<T, DaemonError> + Send + 'static,
) -> anyhow::Result<T> {
    let settings = config::load(&layout.config()).map_err(DaemonError::Configuration)?;
    let id: AssignmentId = ASSIGNMENT.parse()?;
    Ok(tokio::task::spawn_blocking(move || give(&settings, &id)).await.context("an order panicked")??)
}

pub(super) async fn perform(layout: &Layout, address: std::net::SocketAddr) -> anyhow::Result<()> {
    say(&format!("\n5. VUTG simulates an assignment for {}: no protocol is needed to count.", TORHOUT.name));
    let simulation = order(layout, |settings, id| {
        daemon::simulate(settings, id, &["any_of=sociale_toeslag".to_owned(), "any_of=schooltoeslag".to_owned()])
    });
    let simulation = simulation.await?;
    let statistics = &simulation.statistics;
    say(&format!("   | {} children in {} families", statistics.children, statistics.families));
    if let Some(budget) = &simulation.budget {
        say(&format!("   | {}", simulate::budget_line(budget)));
    }
    for variation in &simulation.variations {
        say(&format!("   | with {}: {} children", variation.change, simulate::about(variation.children)));
    }

    let torhout = Visitor::log_in(layout, &TORHOUT, address).await?;
    say(&format!(
        "\n6. Nothing leaves before the onboarding tests: {} fetches one file and imports another.",
        TORHOUT.name
    ));
    let refused = order(layout, |settings, id| daemon::run(settings, id, RunOrder::default(), |_| ())).await;
    let refused = refused.err().context("a run before the onboarding tests was not refused")?;
    say(&format!("   | {refused:#}"));
    for (file, recorded) in [(TestFile::Technical, false), (TestFile::Functional, true)] {
        let made = order(layout, move |settings, id| daemon::send_test(settings, id, file)).await?;
        for made in &made {
            let opened = torhout.fetch("/test/outbox", &made.file).await?;
            say(&format!("   {}: {} rows, {} bytes opened", made.file, made.rows, opened.len()));
        }
        if recorded {
            layout.record_functional_test()?;
        }
    }
    wait_until_released(layout).await?;

    say("\n7. VUTG runs it: data, payments and a report for Torhout, letters for the printer.");
    let outcome = order(layout, |settings, id| daemon::run(settings, id, RunOrder::default(), |_| ())).await?;
    show_run(&outcome);
    let again = order(layout, |settings, id| daemon::run(settings, id, RunOrder::default(), |_| ())).await;
    let again = again.err().context("a second run was not refused")?;
    say(&format!("   A second run is refused: {again:#}"));

    say(&format!("\n8. {} and {} fetch and open what is theirs.", TORHOUT.name, DRUKKERIJ.name));
    let printer = Visitor::log_in(layout, &DRUKKERIJ, address).await?;
    for made in &outcome.made {
        let visitor = if made.tenant == TORHOUT.id { &torhout } else { &printer };
        let opened = visitor.fetch("/outbox", &made.file).await?;
        show_fetched(made, &opened)?;
    }
    torhout.client.close().await?;
    printer.client.close().await?;
    let report = order(layout, daemon::report).await?;
    say("   The report as it stands after that:");
    report.iter().for_each(show_made);

    say(&format!("\n9. What {} pays for the year, from the transfer log:", TORHOUT.name));
    let settings = config::load(&layout.config()).map_err(DaemonError::Configuration)?;
    let year = Clock::system().today().year();
    let bills = tokio::task::spawn_blocking(move || bill::bills(&settings, year, None)).await??;
    let bill::TenantBill { bill, .. } = bills.first().context("there is no bill")?;
    for line in &bill.lines {
        let (each, number) = (bill::tariff_nl(line.item), line.number);
        say(&format!("   | {each:<15} {number:>3} × € {:>7} = € {}", line.price.to_string(), line.total()));
    }
    say(&format!("   | together € {}", bill.total()));
    Ok(())
}

/// The daemon takes the changed file of the tenant by itself.
async fn wait_until_released(layout: &Layout) -> anyhow::Result<()> {
    let changed = config::load(&layout.config()).map_err(DaemonError::Configuration)?;
    let began = Instant::now();
    loop {
        let last = daemon::last_configuration(&changed.state_dir)?.context("the daemon keeps no configuration")?;
        if last.in_force.fingerprint() == changed.fingerprint() {
            return Ok(());
        }
        ensure!(began.elapsed() < PATIENCE, "the functional test is not in force after {} s", PATIENCE.as_secs());
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

fn show_run(outcome: &RunOutcome) {
    say(&format!("   {} children of the register of {}:", outcome.children, outcome.register_month));
    outcome.made.iter().for_each(show_made);
}

fn show_made(made: &MadeFile) {
    let MadeFile { tenant, file, rows, amount_total } = made;
    let sum = amount_total.as_ref().map(|sum| format!(", € {sum}")).unwrap_or_default();
    say(&format!("   | {tenant:<10} {file} ({rows}{sum})"));
}

/// The first rows of a table; of other files how large they are.
fn show_fetched(made: &MadeFile, opened: &[u8]) -> anyhow::Result<()> {
    say(&format!("   {}: {} bytes opened", made.file, opened.len()));
    let is_table = made.file.ends_with(".csv.age") && !made.file.starts_with(Kind::Rapport.name());
    if is_table {
        let text = std::str::from_utf8(opened)?;
        ensure!(text.lines().count() as u64 == made.rows + 1, "{} has another number of rows", made.file);
        text.lines().take(SHOWN_ROWS).for_each(|line| say(&format!("   | {line}")));
    }
    Ok(())
}

impl Visitor<'_> {
    /// Fetches a delivery, checks it against its manifest, and opens it.
    async fn fetch(&self, outbox: &str, file: &str) -> anyhow::Result<Zeroizing<Vec<u8>>> {
        let manifest = file.strip_suffix(".age").unwrap_or(file);
        let manifest = self.client.download(&format!("{outbox}/{manifest}.manifest.json")).await?;
        let manifest = Manifest::from_json(std::str::from_utf8(&manifest)?)?;
        self.open(outbox, &manifest).await
    }
}
