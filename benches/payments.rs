//! What a run writes: an order of 100,000 payments and a data file of 100,000 rows, each written and sealed.
//!
//! `cargo bench --bench payments`. The people come from a synthetic extract, in memory; what is sealed goes nowhere, so
//! that the disk is not measured.

#![expect(clippy::cast_precision_loss, reason = "figures for people, far below 2^52")]

use std::{
    io::{self, Write},
    time::Instant,
};

use groeikluis::{
    documents::{
        DataRow, Payment, RemittanceLine,
        data::gegevens,
        pain::{CategoryPurpose, Order, Version, write},
    },
    domain::{Amount, Iban, Kind, Municipalities, Share, SourceCatalogue, assignment::Debtor, source::Source},
    register::{
        Household, Register,
        synth::{SOURCE_CODES, Synth},
    },
    seal::{Keyring, StorageSealer},
};
use jiff::civil::date;

/// Payments and rows, as issue 5 has them.
const LINES: usize = 100_000;

/// Children of the extract: enough that nearly all lines are somebody else's.
const CHILDREN: u32 = 100_000;

/// Runs of each; the median counts.
const RUNS: usize = 7;

type Outcome<T> = Result<T, Box<dyn std::error::Error>>;

fn main() -> Outcome<()> {
    let register = register()?;
    let keyring = Keyring::generate();
    let people: Vec<(Household<'_>, Iban)> = register
        .households()
        .filter_map(|household| household.iban().map(|iban| (household, iban)))
        .collect::<Vec<_>>()
        .into_iter()
        .cycle()
        .take(LINES)
        .collect();
    let identifiers: Vec<String> = (1..=people.len()).map(|line| format!("VUTG-2026-004-{line:06}")).collect();
    let debtor =
        Debtor { name: "Stad Torhout".to_owned(), iban: Iban::parse("BE71096123456769")?, kbo: "0692793497".parse()? };
    let order = Order {
        message_id: "torhout-schoolpremie-2026-0001",
        created_at: "2026-11-22T06:00:00Z".parse()?,
        debtor: &debtor,
        execution_date: date(2026, 12, 15),
        category_purpose: Some(CategoryPurpose::SocialSecurityBenefit),
    };
    let payments = people.iter().zip(&identifiers).map(|((household, iban), end_to_end_id)| Payment {
        holder: household.account_holder(),
        iban,
        amount: Amount::from_cents(7500),
        end_to_end_id,
        remittance: RemittanceLine::Text("Schoolpremie 2026"),
    });
    measure("pain.001.001.09", 0.4, &keyring, |out| write(out, Version::V09, &order, payments.clone()).map(|_| ()))?;
    let month = register.month();
    let rows = people.iter().map(|(household, _)| {
        let ((child_last_name, child_first_name), (last_name, first_name)) =
            (household.child_name(), household.beneficiary_name());
        DataRow {
            child: household.child_niss(),
            child_last_name,
            child_first_name,
            birth_date: household.child_birth_date(),
            beneficiary: household.beneficiary(),
            last_name,
            first_name,
            address: household.address(),
            source: "sociale_toeslag",
            share: Share::WHOLE,
            month,
        }
    });
    measure("gegevens", 1.0, &keyring, |out| gegevens(out, Kind::Gegevens.columns(), rows.clone()).map(|_| ()))
}

/// A register of synthetic people, read from memory.
fn register() -> Outcome<Register> {
    let table = Municipalities::parse(include_str!("../config/municipalities.csv"))?;
    let source = |code: &str| Source { code: code.to_owned(), name: code.to_owned() };
    let catalogue = SourceCatalogue::new(SOURCE_CODES.map(source).to_vec())?;
    let mut extract = Vec::new();
    Synth { children: CHILDREN, seed: 1, month: "2026-11".parse()? }.write(&table, &mut extract)?;
    Ok(Register::read(extract.as_slice(), &catalogue, &table)?)
}

/// Writes something through a sealer, several times, and says what it took.
fn measure(
    what: &str,
    goal_seconds: f64,
    keyring: &Keyring,
    mut make: impl FnMut(&mut StorageSealer<io::Sink>) -> io::Result<()>,
) -> Outcome<()> {
    let (mut times, mut bytes) = (Vec::new(), 0);
    for _ in 0..RUNS {
        let started = Instant::now();
        let mut sealer = StorageSealer::new(&keyring.recipients(), io::sink())?;
        make(&mut sealer)?;
        sealer.flush()?;
        bytes = sealer.finish()?.1.plaintext_size;
        times.push(started.elapsed().as_secs_f64());
    }
    times.sort_by(f64::total_cmp);
    let median = times.get(times.len() / 2).copied().ok_or("no run")?;
    let megabytes = bytes as f64 / 1e6;
    println!(
        "{what:16} {LINES} lines, {megabytes:5.1} MB  {:6.0} ms   goal {:.0} at most",
        median * 1e3,
        goal_seconds * 1e3
    );
    Ok(())
}
