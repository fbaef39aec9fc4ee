//! Letters: how long 10,000 of them take, and how much memory.
//!
//! `cargo bench --bench letters -- [--letters 10000] [--out DIR]`. With `--out` the PDFs and their index are kept.

#![expect(clippy::cast_precision_loss, reason = "figures for people, far below 2^52")]

use std::{
    env, fs,
    path::{Path, PathBuf},
    time::Instant,
};

use groeikluis::{
    documents::letters::{AddressBlock, Confidence, Index, Letter, LetterDesign, Parts},
    domain::Amount,
    register::Address,
};
use jiff::civil::date;

type Outcome<T> = Result<T, Box<dyn std::error::Error>>;

/// A text of an ordinary length.
const TEXT: &str = "# Schoolpremie voor {kinderen}\n\nBeste {naam},\n\n\
    {gemeente} kent uw gezin een **schoolpremie** van {bedrag} toe. U hoeft daarvoor niets te doen: het bedrag komt op \
    de rekening waarop u het Groeipakket krijgt.\n\n\
    - De premie is eenmalig.\n- Ze wordt in december betaald.\n- Ze telt niet mee voor uw belastingen.\n\n\
    Meer weten? Kijk op [onze webstek](https://www.torhout.be/schoolpremie) of ga langs bij {dienst}.\n\n\
    Met vriendelijke groeten\\\nHet college van burgemeester en schepenen";

const LOGO: &[u8] = b"<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"200\" height=\"80\">\
    <rect width=\"200\" height=\"80\" rx=\"12\" fill=\"#1d4f91\"/><circle cx=\"40\" cy=\"40\" r=\"22\" fill=\"#f2c14e\"/></svg>";

const LAST: [&str; 8] = ["Peeters", "Janssens", "Çelik", "El Amrani", "Van den Bossche", "D'Hondt", "Nowak", "Öztürk"];
const FIRST: [&str; 9] = ["Emma", "Noah", "Zoë", "Loïc", "Gürkan", "Miłosz", "Amélie", "Yusuf", "Françoise"];
const STREETS: [&str; 5] = ["Oude Stationsstraat", "Markt", "Burgemeester Lauwersstraat", "Ring", "Conscienceplein"];

fn main() -> Outcome<()> {
    let arguments: Vec<String> = env::args().collect();
    let after = |name: &str| arguments.iter().position(|a| a == name).and_then(|at| arguments.get(at + 1));
    let count = after("--letters").map_or(Ok(10_000), |count| count.parse())?;
    let out = after("--out").map(PathBuf::from);
    let letters: Vec<Letter> = (0..count).map(letter).collect::<Outcome<_>>()?;

    let started = Instant::now();
    let design = LetterDesign::new(&Parts {
        text: TEXT,
        logo: Some(LOGO),
        template: None,
        service: "Sociaal Huis, Markt 1, 8820 Torhout, 050 00 00 00",
        municipality: "Stad Torhout",
        confidence: Confidence::SharedUnderProtocol,
    })?;
    println!("checking the design  {:8.2} s", started.elapsed().as_secs_f64());

    let before = status("VmRSS:")?;
    let (started, mut index, mut bytes, mut pages) = (Instant::now(), Index::new(), 0, 0);
    for batch in design.print(&letters, date(2026, 11, 21)) {
        let batch = batch?;
        let name = format!("brieven-{:04}.pdf", batch.number);
        index.add(&name, &batch);
        bytes += batch.pdf.len();
        pages += batch.pages;
        if let Some(out) = &out {
            fs::write(out.join(&name), &*batch.pdf)?;
        }
        println!("batch {:3} of {:3}     {:8.2} s", batch.number, batch.of, started.elapsed().as_secs_f64());
    }
    let elapsed = started.elapsed().as_secs_f64();
    let index = index.finish();
    if let Some(out) = &out {
        fs::write(out.join("index.csv"), &*index)?;
    }
    println!(
        "{count} letters, {pages} pages, {:.1} MB of PDF, {:.1} MB of index",
        bytes as f64 / 1e6,
        index.len() as f64 / 1e6
    );
    println!("printing             {elapsed:8.2} s    goal 20 at most for 10,000");
    println!("memory at its peak   {:8.0} MiB  goal 1024 at most", status("VmHWM:")? as f64 / f64::from(1 << 20));
    println!(
        "memory before, after {:8.0} MiB, {:.0} MiB",
        before as f64 / f64::from(1 << 20),
        status("VmRSS:")? as f64 / f64::from(1 << 20)
    );
    Ok(())
}

fn letter(at: usize) -> Outcome<Letter> {
    let pick = |of: &[&'static str], by: usize| of.get(at / by % of.len()).copied().unwrap_or_default();
    let name = format!("{} {}", pick(&FIRST, 1), pick(&LAST, 9));
    let (house_number, box_number) = ((at % 250 + 1).to_string(), (at % 30 + 1).to_string());
    let address = Address {
        street: pick(&STREETS, 3),
        house_number: &house_number,
        box_number: if at.is_multiple_of(4) { &box_number } else { "" },
        postcode: "8820",
        municipality: "Torhout",
        country: "BE",
    };
    let children = (0..=at % 3).map(|child| pick(&FIRST, child + 2).to_owned()).collect();
    let address = AddressBlock::new(&name, &address)?;
    Ok(Letter { id: format!("T-{at:06}"), address, name, children, amount: Some(Amount::from_cents(7_500)) })
}

/// A line of this process's status, in bytes.
fn status(name: &str) -> Outcome<u64> {
    let status = fs::read_to_string(Path::new("/proc/self/status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix(name)).ok_or("no such line")?;
    let kibibytes: u64 = line.trim().trim_end_matches(" kB").parse()?;
    Ok(kibibytes * 1024)
}
