//! Setting documents as PDF with Typst, within this process: everything that becomes a PDF.
//!
//! Owns the world that a document is set in: the files that it is given and the fonts of this program. There is no
//! file system, no network, no package, no clock and no other program in it. Invariants: what comes from elsewhere
//! goes in as JSON, never as source, so that a name is always printed and never run; every PDF is PDF/A-2b, has a
//! title, and says that it is in Dutch; the same input gives the same bytes.
//!
//! Refuses: a document of more pages than it may have, or one that takes too long. A thread cannot be stopped from
//! outside, so a template without end keeps one until Typst ends it (a `while` loop after 10,000 rounds, recursion at
//! 80 calls). Templates come from the configuration, which people review; the limit keeps a mistake in one from
//! holding up a run.
//!
//! What Typst holds while it works cannot be wiped. It is let go of by [`forget`], which callers that set personal
//! data call.

mod fonts;
mod pages;
mod world;

use std::{io, sync::mpsc, thread, time::Duration};

use jiff::civil::Date;
use typst::{
    World, WorldExt, comemo,
    diag::SourceDiagnostic,
    foundations::{Datetime, Smart},
};
use typst_layout::PagedDocument;
use typst_pdf::{PdfOptions, PdfStandard, PdfStandards, Timestamp};
use zeroize::Zeroizing;

pub use fonts::can_print;
pub use pages::{Mark, PageText};
pub use world::File;

use world::OwnWorld;

/// The longest that one document may take. A batch of letters takes a second or two; a machine under load in tests
/// takes ten times that.
pub const LONGEST: Duration = Duration::from_mins(2);

/// Stack of the thread that sets: Typst's deepest recursion (80 calls, 72 layouts) without optimisation needs more
/// than the two megabytes that threads have.
const STACK_BYTES: usize = 32 << 20;

/// The name in a PDF of what made it.
const CREATOR: &str = "groeikluis";

/// A document to set.
pub struct Job {
    /// The source that is compiled first: the name of one of the files.
    pub main: &'static str,
    /// All files of its world.
    pub files: Vec<File>,
    /// The day that it bears.
    pub day: Date,
    /// The most pages that it may have.
    pub most_pages: usize,
    /// The longest that it may take.
    pub longest: Duration,
    /// Whether the structure is written for screen readers: for what is read on a screen, not for what is printed.
    pub tagged: bool,
}

/// A document that was set.
pub struct Typeset {
    /// The PDF.
    pub pdf: Zeroizing<Vec<u8>>,
    /// What stands on each page.
    pub pages: Vec<PageText>,
    /// The places that the source marked with `metadata(…)` of a whole number, in their order.
    pub marks: Vec<Mark>,
}

/// Why a document could not be set.
#[derive(Debug, thiserror::Error)]
pub enum TypesetFault {
    /// A source is at fault. What Typst says of it may quote the data.
    #[error("{file}:{line}:{column}: {message}")]
    Source {
        /// The file; empty where Typst does not tell.
        file: String,
        /// The line from 1; 0 where Typst does not tell.
        line: usize,
        /// The column from 1, characters; 0 where Typst does not tell.
        column: usize,
        /// What is wrong, in Typst's words.
        message: String,
        /// What may help, in Typst's words; may be empty.
        hint: String,
    },
    /// It has too many pages.
    #[error("{pages} pages, which is more than {most}")]
    Pages {
        /// How many.
        pages: usize,
        /// The limit.
        most: usize,
    },
    /// It takes too long.
    #[error("not set within {seconds} s, as of a template that never ends")]
    Time {
        /// The limit.
        seconds: u64,
    },
    /// The thread that sets could not be started.
    #[error("no thread to set it on")]
    Thread(#[source] io::Error),
    /// The typesetter broke off.
    #[error("the typesetter broke off")]
    Broken,
}

impl TypesetFault {
    /// What may help.
    pub fn hint(&self) -> Option<&str> {
        match self {
            Self::Source { hint, .. } if !hint.is_empty() => Some(hint),
            _ => None,
        }
    }
}

/// A document that is being set, on a thread of its own.
pub struct Running {
    outcome: mpsc::Receiver<Result<Typeset, TypesetFault>>,
    longest: Duration,
}

/// Begins to set a document.
pub fn start(job: Job) -> Result<Running, TypesetFault> {
    let longest = job.longest;
    let (sender, outcome) = mpsc::sync_channel(1);
    thread::Builder::new()
        .name("typeset".to_owned())
        .stack_size(STACK_BYTES)
        // Who asked may have given up by then.
        .spawn(move || drop(sender.send(set(job))))
        .map_err(TypesetFault::Thread)?;
    Ok(Running { outcome, longest })
}

impl Running {
    /// Waits until it is set, from now on as long as it may take.
    pub fn finish(self) -> Result<Typeset, TypesetFault> {
        self.outcome.recv_timeout(self.longest).map_err(|fault| match fault {
            mpsc::RecvTimeoutError::Timeout => TypesetFault::Time { seconds: self.longest.as_secs() },
            mpsc::RecvTimeoutError::Disconnected => TypesetFault::Broken,
        })?
    }
}

/// Sets a document.
pub fn typeset(job: Job) -> Result<Typeset, TypesetFault> {
    start(job)?.finish()
}

/// Lets go of what Typst keeps of earlier documents. Nothing is kept for the next: its data differ.
pub fn forget() {
    comemo::evict(0);
}

fn set(job: Job) -> Result<Typeset, TypesetFault> {
    let Job { main, files, day, most_pages, tagged, .. } = job;
    let world = OwnWorld::new(main, files, day).ok_or(TypesetFault::Broken)?;
    let document: PagedDocument = typst::compile(&world).output.map_err(|faults| first(&world, &faults))?;
    let pages = document.pages().len();
    if pages > most_pages {
        return Err(TypesetFault::Pages { pages, most: most_pages });
    }
    let standards = PdfStandards::new(&[PdfStandard::A_2b]).map_err(|fault| nowhere(fault.message()))?;
    let options = PdfOptions {
        ident: Smart::Auto,
        creator: Smart::Custom(Some(CREATOR.to_owned())),
        timestamp: midnight(day).map(Timestamp::new_utc),
        standards,
        tagged,
        ..PdfOptions::default()
    };
    let pdf = typst_pdf::pdf(&document, &options).map_err(|faults| first(&world, &faults))?;
    Ok(Typeset { pdf: Zeroizing::new(pdf), pages: pages::texts(&document), marks: pages::marks(&document) })
}

/// The beginning of the day: PDF/A wants a time, and no clock is read here.
fn midnight(day: Date) -> Option<Datetime> {
    let (month, day_of_month) = (u8::try_from(day.month()).ok()?, u8::try_from(day.day()).ok()?);
    Datetime::from_ymd_hms(i32::from(day.year()), month, day_of_month, 0, 0, 0)
}

/// The first fault, with its place: the others most often follow from it.
fn first(world: &OwnWorld, faults: &[SourceDiagnostic]) -> TypesetFault {
    let Some(fault) = faults.first() else { return TypesetFault::Broken };
    // Where the fault is in a file of ours, the call in the template that led there says more.
    let calls = fault.trace.iter().map(|call| call.span.into());
    let place =
        std::iter::once(fault.span).chain(calls).find(|span| span.id().is_some_and(|id| world.is_from_elsewhere(id)));
    let span = place.unwrap_or(fault.span);
    let hints: Vec<&str> = fault.hints.iter().map(|hint| hint.v.as_str()).collect();
    let (mut file, mut line, mut column) = (String::new(), 0, 0);
    if let Some(id) = span.id() {
        id.vpath().get_without_slash().clone_into(&mut file);
        let start = world.range(span).map(|range| range.start);
        let at = world.source(id).ok().and_then(|source| source.lines().byte_to_line_column(start?));
        (line, column) = at.map_or((0, 0), |(line, column)| (line + 1, column + 1));
    }
    TypesetFault::Source { file, line, column, message: fault.message.to_string(), hint: hints.join("; ") }
}

fn nowhere(message: &str) -> TypesetFault {
    let message = message.to_owned();
    TypesetFault::Source { file: String::new(), line: 0, column: 0, message, hint: String::new() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::civil::date;
    use serde_json::json;

    fn job(source: &str, data: &serde_json::Value) -> Job {
        Job {
            main: "main.typ",
            files: vec![
                File::from_elsewhere("main.typ", source.as_bytes().to_vec()),
                File::own("data.json", data.to_string().into_bytes()),
            ],
            day: date(2026, 11, 21),
            most_pages: 3,
            longest: LONGEST,
            tagged: false,
        }
    }

    fn fault(source: &str) -> TypesetFault {
        match typeset(job(source, &json!({}))) {
            Ok(_) => panic!("{source} was set"),
            Err(fault) => fault,
        }
    }

    const SHOW: &str = "#set document(title: \"Proef\")\n#set text(lang: \"nl\")\n#json(\"data.json\").name";

    #[test]
    fn a_name_is_printed_and_never_run() {
        for name in ["#panic()", "*x*", "$1$ _a_ `b`", "= Kop", "\\u{41} @ref <l> // x", "Çelik-Ní Dhónaill ß"] {
            let set = typeset(job(SHOW, &json!({"name": name}))).unwrap();
            assert_eq!(set.pages[0].text(), name.replace(' ', ""));
        }
    }

    #[test]
    fn it_is_an_archival_pdf_with_a_language_and_a_title() {
        let set = typeset(job(SHOW, &json!({"name": "Jan"}))).unwrap();
        let text = String::from_utf8_lossy(&set.pdf);
        for wanted in ["<pdfaid:part>2</pdfaid:part>", "<pdfaid:conformance>B</pdfaid:conformance>", "/Lang(nl)"] {
            assert!(text.contains(wanted), "{wanted}");
        }
        assert!(text.contains("Proef") && text.contains("2026-11-21"));
        assert_eq!(*typeset(job(SHOW, &json!({"name": "Jan"}))).unwrap().pdf, *set.pdf);
    }

    #[test]
    fn there_is_nothing_outside() {
        for source in [
            "#read(\"/etc/passwd\")",
            "#read(\"../../etc/passwd\")",
            "#image(\"file:///etc/passwd\")",
            "#import \"@preview/cetz:0.3.0\": canvas",
            "#eval(\"1\")",
            "#std.eval(\"1\")",
            "#plugin(bytes((0, 97)))",
        ] {
            assert!(matches!(fault(source), TypesetFault::Source { line: 1, .. }), "{source}");
        }
    }

    #[test]
    fn the_day_is_the_one_given() {
        let set = typeset(job("#datetime.today().display()", &json!({}))).unwrap();
        assert_eq!(set.pages[0].text(), "2026-11-21");
    }

    #[test]
    fn a_fault_has_its_place() {
        let fault = fault("Goed.\n#let x = 1\nEn #y.");
        assert_eq!(fault.to_string(), "main.typ:3:5: unknown variable: y");
    }

    #[test]
    fn what_never_ends_is_ended() {
        assert!(matches!(fault("#while true {}"), TypesetFault::Source { line: 1, .. }));
        assert!(matches!(fault("#let f() = f()\n#f()"), TypesetFault::Source { .. }));
        let endless = "#let i = 0\n#while i >= 0 { let j = 0; while j < 9999 { j += 1 } }";
        let job = Job { longest: Duration::from_millis(50), ..job(endless, &json!({})) };
        assert!(matches!(typeset(job), Err(TypesetFault::Time { .. })));
        assert!(matches!(fault("#for i in range(4) { pagebreak() }"), TypesetFault::Pages { pages: 5, most: 3 }));
    }

    #[test]
    fn marks_have_their_page() {
        let set = typeset(job("#metadata(7)A#pagebreak()#metadata(\"x\")B#metadata(8)", &json!({}))).unwrap();
        assert_eq!(set.marks, [Mark { number: 7, page: 1 }, Mark { number: 8, page: 2 }]);
    }
}
