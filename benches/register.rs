//! The register's load: its time against decrypting alone, its memory, and look-ups in it.
//!
//! `cargo bench --bench register -- [--children 1600000]`. Makes a synthetic sealed extract once and keeps it in the
//! directory for temporary files. Each measurement of memory runs in a process of its own, so that its peak is its own.

#![expect(clippy::cast_precision_loss, reason = "figures for people, far below 2^52")]

use std::{
    env, fs,
    fs::File,
    hint::black_box,
    io::{self, BufReader, BufWriter, Read, Write},
    iter,
    path::{Path, PathBuf},
    process::Command,
    time::{Duration, Instant},
};

use jiff::civil::date;

use groeikluis::{
    domain::{Criteria, Municipalities, NisCode, Niss, SourceCatalogue, assignment::Born, source::Source},
    register::{
        Household, Register,
        synth::{SOURCE_CODES, Synth},
    },
    seal::{Keyring, StorageSealer},
};

/// Numbers in the list of issue 2.
const LOOKUPS: usize = 165_000;

/// Runs of each, alternating; the median counts.
const RUNS: usize = 7;

type Outcome<T> = Result<T, Box<dyn std::error::Error>>;

/// A sealed extract and its key.
struct Extract {
    sealed: PathBuf,
    keyring: Keyring,
}

fn main() -> Outcome<()> {
    let arguments: Vec<String> = env::args().collect();
    let after = |name: &str| arguments.iter().position(|a| a == name).and_then(|at| arguments.get(at + 1));
    let children = after("--children").map_or(Ok(1_600_000), |count| count.parse())?;
    let extract = extract(children)?;
    if arguments.iter().any(|argument| argument == "--memory") {
        return memory(&extract);
    }
    times(&extract)?;
    let status = Command::new(env::current_exe()?).args(["--memory", "--children", &children.to_string()]).status()?;
    if status.success() { Ok(()) } else { Err("the process that measures memory failed".into()) }
}

fn catalogue() -> Outcome<SourceCatalogue> {
    let source = |code: &str| Source { code: code.to_owned(), name: code.to_owned() };
    Ok(SourceCatalogue::new(SOURCE_CODES.map(source).to_vec())?)
}

fn municipalities() -> Outcome<Municipalities> {
    Ok(Municipalities::parse(include_str!("../config/municipalities.csv"))?)
}

/// Makes the extract unless it is there.
fn extract(children: u32) -> Outcome<Extract> {
    let directory = env::temp_dir().join("groeikluis-bench");
    fs::create_dir_all(&directory)?;
    let sealed = directory.join(format!("register-{children}.csv.age"));
    let key = directory.join("register.key");
    if !key.exists() {
        fs::write(&key, Keyring::generate().to_file().as_bytes())?;
        let _ = fs::remove_file(&sealed);
    }
    let keyring = Keyring::parse(&fs::read_to_string(&key)?)?;
    if !sealed.exists() {
        let (started, part) = (Instant::now(), sealed.with_extension("part"));
        let sealer = StorageSealer::new(&keyring.recipients(), BufWriter::new(File::create(&part)?))?;
        let mut out = BufWriter::with_capacity(1 << 20, sealer);
        let synth = Synth { children, seed: 1, month: "2026-11".parse()? };
        let summary = synth.write(&municipalities()?, &mut out)?;
        out.into_inner().map_err(io::IntoInnerError::into_error)?.finish()?.0.flush()?;
        fs::rename(part, &sealed)?;
        println!("made and sealed in {:.1} s: {summary:?}", started.elapsed().as_secs_f64());
    }
    Ok(Extract { sealed, keyring })
}

/// Decrypts with the `age` crate alone and throws the plaintext away: the floor.
fn decrypt(extract: &Extract) -> Outcome<(Duration, u64)> {
    let key = extract.keyring.to_file();
    let identity: age::x25519::Identity =
        key.lines().find(|line| !line.starts_with('#')).unwrap_or_default().parse()?;
    let started = Instant::now();
    let sealed = age::Decryptor::new_buffered(BufReader::with_capacity(1 << 18, File::open(&extract.sealed)?))?;
    drain(started, sealed.decrypt(iter::once(&identity as &dyn age::Identity))?)
}

/// The same with the code that loading uses.
fn open(extract: &Extract) -> Outcome<(Duration, u64)> {
    let started = Instant::now();
    drain(started, extract.keyring.open(File::open(&extract.sealed)?)?)
}

fn drain(started: Instant, mut plaintext: impl Read) -> Outcome<(Duration, u64)> {
    let (mut buffer, mut total) = (vec![0; 256 * 1024], 0);
    loop {
        let count = plaintext.read(&mut buffer)?;
        if count == 0 {
            return Ok((started.elapsed(), total));
        }
        total += count as u64;
        black_box(&buffer);
    }
}

fn load(extract: &Extract, catalogue: &SourceCatalogue, table: &Municipalities) -> Outcome<(Duration, Register)> {
    let started = Instant::now();
    let plaintext = extract.keyring.open(File::open(&extract.sealed)?)?;
    let register = Register::read(plaintext, catalogue, table)?;
    Ok((started.elapsed(), register))
}

fn times(extract: &Extract) -> Outcome<()> {
    let (catalogue, table) = (catalogue()?, municipalities()?);
    let (mut floors, mut opens, mut loads, mut ratios, mut plain) = (vec![], vec![], vec![], vec![], 0);
    let mut latest = None;
    for _ in 0..RUNS {
        drop(latest.take());
        let (floor, bytes) = decrypt(extract)?;
        opens.push(open(extract)?.0.as_secs_f64());
        let (load, register) = load(extract, &catalogue, &table)?;
        (plain, latest) = (bytes, Some(register));
        ratios.push(load.as_secs_f64() / floor.as_secs_f64());
        floors.push(floor.as_secs_f64());
        loads.push(load.as_secs_f64());
    }
    let register = latest.ok_or("no run")?;
    let megabytes = plain as f64 / 1e6;
    let (floor, load) = (median(&mut floors), median(&mut loads));
    println!("{} rows, {} children, {megabytes:.0} MB of plaintext", register.rows(), register.children());
    println!("age alone            {:8.0} ms   {:6.0} MB/s", floor * 1e3, megabytes / floor);
    println!("opening alone        {:8.0} ms", median(&mut opens) * 1e3);
    println!("loading              {:8.0} ms   {:6.0} MB/s", load * 1e3, megabytes / load);
    println!("ratio                {:8.2}      goal 1.5 at most", median(&mut ratios));
    lookups(&register)?;
    selections(&register)
}

/// Selecting the children of the largest municipality, against reading every row once.
fn selections(register: &Register) -> Outcome<()> {
    let source = |code: &str| register.catalogue().id(code).ok_or("no source");
    let criteria = Criteria {
        any_of: vec![source("sociale_toeslag")?, source("schooltoeslag")?],
        none_of: vec![source("zorgtoeslag")?],
        born: Born { from: Some(date(2010, 1, 1)), until: Some(date(2022, 12, 31)) },
        ..Criteria::default()
    };
    let largest: NisCode = "11002".parse()?;
    let (mut floors, mut times, mut selected) = (Vec::new(), Vec::new(), 0);
    for _ in 0..RUNS {
        let started = Instant::now();
        black_box(register.households().map(|household| u64::from(household.dossier())).sum::<u64>());
        floors.push(started.elapsed().as_secs_f64());
        let started = Instant::now();
        selected = black_box(register.select(largest, &criteria)).children().len();
        times.push(started.elapsed().as_secs_f64());
    }
    let (floor, time) = (median(&mut floors), median(&mut times));
    println!("reading every row    {:8.1} ms", floor * 1e3);
    println!(
        "selecting            {:8.1} ms   {selected} children; goal 50 at most, {:.1} x reading",
        time * 1e3,
        time / floor
    );
    Ok(())
}

fn lookups(register: &Register) -> Outcome<()> {
    // A random list: nine in ten of the register's children, one in ten that it does not have.
    let step = register.rows() / LOOKUPS.min(register.rows());
    let mut list: Vec<Niss> = register.households().step_by(step).map(Household::child_niss).take(LOOKUPS).collect();
    let mut state = 0x9e37_79b9_u64;
    for at in (1..list.len()).rev() {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        list.swap(at, (state >> 33) as usize % (at + 1));
    }
    for niss in list.iter_mut().step_by(10) {
        // The serial before the last that the register gives: hardly ever given.
        *niss = Niss::from_key(niss.key() - niss.key() % 1000 + 997).ok_or("no number")?;
    }
    let mut times = Vec::new();
    let mut found = 0;
    for _ in 0..RUNS {
        let started = Instant::now();
        found =
            list.iter().filter(|niss| register.find(**niss).is_some_and(|child| child.nis_code().is_some())).count();
        times.push(started.elapsed().as_secs_f64() * 1e9 / list.len() as f64);
    }
    println!("looking one up       {:8.0} ns   goal 60 at most ({found} of {} found)", median(&mut times), list.len());
    Ok(())
}

fn memory(extract: &Extract) -> Outcome<()> {
    let (catalogue, table) = (catalogue()?, municipalities()?);
    let before = status("VmRSS:")?;
    let (_, register) = load(extract, &catalogue, &table)?;
    let (after, peak) = (status("VmRSS:")?, status("VmHWM:")?);
    let rows = register.rows() as f64;
    let (heap, resident) = (register.heap_bytes() as f64, (after - before) as f64);
    println!("at rest, its own count {:6.1} bytes a row   {:4.0} MB", heap / rows, heap / 1e6);
    println!(
        "at rest, resident      {:6.1} bytes a row   {:4.0} MB   goal 130 at most",
        resident / rows,
        resident / 1e6
    );
    let over = (peak - before) as f64;
    println!("at its peak            {:6.1} bytes a row   {:4.0} MB", over / rows, over / 1e6);
    println!("peak to rest         {:8.2}      goal 2 at most", over / resident);
    Ok(())
}

/// A line of this process's status, in bytes.
fn status(name: &str) -> Outcome<u64> {
    let status = fs::read_to_string(Path::new("/proc/self/status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix(name)).ok_or("no such line")?;
    let kibibytes: u64 = line.trim().trim_end_matches(" kB").parse()?;
    Ok(kibibytes * 1024)
}

fn median(times: &mut [f64]) -> f64 {
    times.sort_by(f64::total_cmp);
    times.get(times.len() / 2).copied().unwrap_or(f64::NAN)
}
