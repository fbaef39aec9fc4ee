//! Open, parse, check, match, write, seal, from file to file, in memory of one process, against age alone.

use std::{
    fs,
    fs::File,
    hint::black_box,
    io::{BufReader, Read, Write},
    time::{Duration, Instant},
};

use groeikluis::{
    domain::{
        Clearance, Ground, Kind, Tenant, TenantKind,
        protocol::{Outside, Reply},
        release::{Request, release},
        tenant::TenantLimits,
    },
    durable::Directory,
    exchange::{FingerprintKey, Matched, Terms, write_answer},
    lists,
    register::Register,
    seal::{Recipient, TenantSealer},
};
use jiff::civil::{Date, date};

use super::{Outcome, median, milliseconds, work::Work, work::nis_code};

/// Runs of each, alternating; the median counts.
const RUNS: usize = 15;

const TODAY: Date = date(2026, 11, 21);

/// Steps of one run, in order.
const STEPS: [&str; 4] = ["open", "parse and check", "recognise, look up", "match, write, seal"];

/// What one run took.
struct Run {
    steps: [Duration; STEPS.len()],
    answer_rows: u64,
}

/// Measures, prints, and gives the median of the whole.
pub fn measure(work: &Work) -> Outcome<Duration> {
    let recipients = work.municipality.recipients();
    let clearance = clearance(&recipients)?;
    let fingerprints = FingerprintKey::open_or_draw(&Directory::create(&work.directory)?, &work.exchange)?;
    let output = work.directory.join("answer.csv.age");
    let mut floors = Vec::new();
    let mut wholes = Vec::new();
    let mut ratios = Vec::new();
    let mut steps = vec![Vec::new(); STEPS.len()];
    let mut answer_rows = 0;
    for _ in 0..RUNS {
        let run = answer_once(work, &work.register, &fingerprints, clearance.clone(), &recipients, &output)?;
        let floor = floor(work, &output, &recipients)?;
        // As in the floor: what an answer is written to was not there before.
        fs::remove_file(&output)?;
        let whole: Duration = run.steps.iter().sum();
        ratios.push(whole.as_secs_f64() / floor.as_secs_f64());
        floors.push(floor);
        wholes.push(whole);
        for (times, step) in steps.iter_mut().zip(run.steps) {
            times.push(step);
        }
        answer_rows = run.answer_rows;
    }
    ratios.sort_by(f64::total_cmp);
    let whole = median(&mut wholes);
    println!("{} rows against {} children, {answer_rows} rows of answer", work.rows, work.register.children());
    for (name, times) in STEPS.iter().zip(&mut steps) {
        println!("  {name:<20}{:8.2} ms", milliseconds(median(times)));
    }
    println!("pipeline, file to file{:8.2} ms", milliseconds(whole));
    println!("age alone (floor)     {:8.2} ms", milliseconds(median(&mut floors)));
    println!(
        "ratio                 {:8.2}      goal 3 at most",
        ratios.get(ratios.len() / 2).copied().unwrap_or_default()
    );
    Ok(whole)
}

fn answer_once(
    work: &Work,
    register: &Register,
    fingerprints: &FingerprintKey,
    clearance: Clearance,
    recipients: &[Recipient],
    output: &std::path::Path,
) -> Outcome<Run> {
    let mut steps = [Duration::ZERO; STEPS.len()];
    let mut began = Instant::now();
    let mut lap = |at: usize| {
        let now = Instant::now();
        if let Some(step) = steps.get_mut(at) {
            *step = now - began;
        }
        began = now;
    };
    let content = work.exchange.open_file(File::open(work.list())?, 1 << 30)?;
    lap(0);
    let limits = lists::Limits { rows: work.rows + 1, ..lists::Limits::default() };
    let list = lists::read(&content, "list.csv", &limits, TODAY).map_err(|fault| fault.to_string())?;
    drop(content);
    lap(1);
    let (matched, fingerprint) = Matched::of(list, register, |list| fingerprints.of_list(list, clearance.reference()));
    black_box(fingerprint);
    lap(2);
    let source = register.catalogue().id("sociale_toeslag").ok_or("no such source")?;
    let terms = Terms {
        reply: Reply::EntitledOnly,
        outside_municipality: Outside::Answer,
        nis_code: nis_code()?,
        source,
        today: TODAY,
        trial: false,
    };
    let columns = clearance.columns().to_vec();
    let mut sealer = TenantSealer::new(clearance, recipients, File::create(output)?)?;
    let answer_rows = write_answer(&mut sealer, &columns, &matched, terms)?.rows;
    sealer.finish()?;
    lap(3);
    Ok(Run { steps, answer_rows })
}

/// Decrypts the list and encrypts the answer with the `age` crate alone, from file to file.
fn floor(work: &Work, answer: &std::path::Path, recipients: &[Recipient]) -> Outcome<Duration> {
    let plaintext = work.municipality.open_file(File::open(answer)?, 1 << 30)?;
    let output = work.directory.join("floor.age");
    let identity: age::x25519::Identity = secret_key(work).parse()?;
    let recipients: Result<Vec<age::x25519::Recipient>, _> = recipients.iter().map(|r| r.to_string().parse()).collect();
    let recipients = recipients?;
    let began = Instant::now();
    let list = age::Decryptor::new_buffered(BufReader::with_capacity(1 << 18, File::open(work.list())?))?;
    let mut content = Vec::new();
    list.decrypt(std::iter::once(&identity as &dyn age::Identity))?.read_to_end(&mut content)?;
    black_box(content);
    let encryptor =
        age::Encryptor::with_recipients(recipients.iter().map(|recipient| recipient as &dyn age::Recipient))?;
    let mut sealer = encryptor.wrap_output(File::create(&output)?)?;
    sealer.write_all(&plaintext)?;
    sealer.finish()?;
    let time = began.elapsed();
    fs::remove_file(output)?;
    Ok(time)
}

fn secret_key(work: &Work) -> String {
    let text = work.exchange.to_file();
    text.lines().find(|line| !line.starts_with('#')).unwrap_or_default().to_owned()
}

/// The gate's yes for a file of the size and columns of an answer; what it is asked is not measured here.
fn clearance(recipients: &[Recipient]) -> Outcome<Clearance> {
    let limits = TenantLimits { upload_bytes: 1 << 30, inbox_bytes: 1 << 40, outbox_bytes: 1 << 30 };
    let tenant = Tenant {
        nis_code: Some(nis_code()?),
        recipients: recipients.iter().map(ToString::to_string).collect(),
        ..Tenant::new("antwerpen".parse()?, "Stad Antwerpen".to_owned(), TenantKind::Municipality, limits)
    };
    let reference = "TEST".parse()?;
    let ground = Ground::Trial(&reference);
    let kind = Kind::SocialeToeslag;
    Ok(release(Request { tenant: &tenant, ground, kind, columns: None, today: TODAY, uses: 0 })?)
}
