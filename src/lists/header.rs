//! Which column holds the children's numbers: by its header, or by what stands in it.

use super::{cell::Cell, fault::ListFault, problem::Places};
use crate::domain::niss;

/// The first rows of a list, cut into cells. Personal data: the cells are wiped when it goes.
pub struct Sample {
    /// Line and cells of each row that is not blank.
    pub rows: Vec<SampleRow>,
    /// How a fault names its columns.
    pub places: Places,
}

/// A row of a sample.
pub struct SampleRow {
    /// The line of the file, or the row of the sheet, from 1.
    pub line: u32,
    /// The cells from the first column on, at most [`MOST_COLUMNS`].
    pub cells: Vec<zeroize::Zeroizing<String>>,
}

/// Where the numbers stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Layout {
    /// The place of the column, from 0.
    pub column: usize,
    /// How many columns the list has.
    pub columns: usize,
    /// The line of the header; rows up to it are no data. 0 without a header.
    pub header_line: u32,
}

/// Columns looked at: real lists have fewer than fifty, and a number must stand in one of these.
pub const MOST_COLUMNS: usize = 256;

/// Rows in a sample: enough to tell a column of numbers from one with a chance hit.
pub const SAMPLE_ROWS: usize = 200;

/// Rows among which the header is looked for: titles and dates may stand above it.
const HEADER_SEARCH: usize = 10;

/// Longest header repeated in a message, characters.
const LONGEST_HEADER: usize = 40;

/// Names of the number, as one word without accents, spaces and punctuation.
const NAMES: &str = "niss insz rrn rr rrnr ssin inss rijksregisternummer rijksregisternr rijksregisternummers rijksregister \
    rijksreg rijksregnr rijksregnummer bisnummer bisnr nissnummer nissnr insznummer insznr rrnummer \
    nationaalnummer nationaalnr rijksregisterbisnummer identificatienummersocialezekerheid";

/// Names that also are an address's, as in "huisnummer; bisnummer": any other name is believed before them.
const WEAK_NAMES: &str = "bisnummer bisnr";

/// Words that say whose number it is: the child's.
const CHILD: &str = "kind kinderen kinds leerling jongere jongeren rechtgevend enfant child zoonofdochter";

/// Words that say that it is another person's.
const OTHER: &str = "ouder ouders ouder1 ouder2 moeder vader mama papa partner begunstigde begunstigden aanvrager \
    referentiepersoon refpersoon gezinshoofd voogd grootouder echtgenoot echtgenote rechthebbende \
    bijslagtrekkende pleegouder samenwonende parent titularis rekeninghouder opvoeder stiefouder";

/// Words without a meaning of their own beside a name.
const FILLERS: &str =
    "nationaal identificatienummer rijks register nummer nr no het de van of en bis sociale zekerheid num code id";

/// How well a header names the child's number; the best wins.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Rank {
    /// A name that may be something else's.
    Weak,
    /// The name with words beside it.
    Loose,
    /// The name alone.
    Exact,
    /// The name and the child.
    Child,
}

impl Sample {
    /// Finds the column.
    ///
    /// # Errors
    /// [`ListFault::Empty`], [`ListFault::NoNissColumn`] or [`ListFault::AmbiguousColumns`].
    pub fn layout(&self) -> Result<Layout, ListFault> {
        if self.rows.is_empty() {
            return Err(ListFault::Empty);
        }
        match self.header()? {
            Some((header, column)) => {
                let (columns, header_line) = (header.row.cells.len(), header.row.line);
                Ok(Layout { column, columns, header_line })
            }
            None => self.layout_by_values(),
        }
    }

    /// Whether one of these columns, from 0, holds a valid number.
    pub fn holds_number(&self, mut columns: impl Iterator<Item = usize>) -> bool {
        columns.any(|column| self.holds_number_below(0, column))
    }

    /// Whether numbers stand in one of these columns, from 0, or may: see [`Cell::may_be_number`].
    pub fn may_hold_number(&self, mut columns: impl Iterator<Item = usize>) -> bool {
        columns.any(|column| {
            let mut cells = self.rows.iter().filter_map(|row| row.cells.get(column));
            cells.any(|cell| Cell::may_be_number(cell.as_bytes()))
        })
    }

    fn holds_number_below(&self, line: u32, column: usize) -> bool {
        let below = self.rows.iter().filter(|row| row.line > line);
        below.filter_map(|row| row.cells.get(column)).any(|cell| is_valid(cell))
    }

    /// The row that names the number, and the column that it chooses.
    ///
    /// Above it a title may name the number too, and below it a remark in a row whose number is missing. So a row whose
    /// column holds numbers goes before one whose column holds none, and a name alone before one with words beside it;
    /// of equals the last is the header. A title is believed only where no other row names the number, and its column
    /// holds some.
    fn header(&self) -> Result<Option<(Header<'_>, usize)>, ListFault> {
        let above = self.rows.iter().take(HEADER_SEARCH).take_while(|row| !row.cells.iter().any(|cell| is_valid(cell)));
        let (titles, headers): (Vec<_>, Vec<_>) =
            above.filter_map(Header::read).partition(|header| self.is_title(header.row));
        let others: Vec<usize> = headers.iter().flat_map(|header| &header.others).copied().collect();
        let holds =
            |header: &Header<'_>| header.best().iter().any(|column| self.holds_number_below(header.row.line, *column));
        let candidates: Vec<_> =
            if headers.is_empty() { titles.into_iter().filter(|title| holds(title)).collect() } else { headers };
        let worth = |header: &Header<'_>| (holds(header), header.best_rank().map(|rank| rank.min(Rank::Exact)));
        let Some(header) = candidates.into_iter().max_by_key(worth) else { return Ok(None) };
        match header.column(self.places)? {
            column if others.contains(&column) => Err(ListFault::NoNissColumn),
            column => Ok(Some((header, column))),
        }
    }

    /// Whether a row has one cell, and a later one several.
    fn is_title(&self, row: &SampleRow) -> bool {
        row.filled() == 1 && self.rows.iter().any(|other| other.line > row.line && other.filled() > 1)
    }

    /// The one column whose values are numbers.
    fn layout_by_values(&self) -> Result<Layout, ListFault> {
        let above = self.rows.iter().take(HEADER_SEARCH);
        let titles = above.clone().take_while(|row| is_unknown_header(row) && self.is_title(row)).count();
        let header = above.skip(titles).take(1).find(|row| is_unknown_header(row));
        let header_line =
            header.or(titles.checked_sub(1).and_then(|last| self.rows.get(last))).map_or(0, |row| row.line);
        let data = || self.rows.iter().filter(|row| row.line > header_line);
        let columns = data().map(|row| row.cells.len()).max().unwrap_or(0);
        let (mut valid, mut at_fault, mut alike) = (Vec::new(), Vec::new(), Vec::new());
        for column in 0..columns {
            let cells = || data().filter_map(|row| row.cells.get(column)).map(|cell| cell.as_bytes());
            let filled = cells().filter(|cell| Cell::read(cell) != Cell::Empty).count();
            let good = cells().filter(|cell| matches!(Cell::read(cell), Cell::Valid { .. })).count();
            let faulty = cells().filter(|cell| Cell::is_number_at_fault(cell)).count();
            let like = cells().filter(|cell| Cell::looks_like_number(cell)).count();
            // Two in a hundred numbers of eleven digits pass by chance: a column of numbers does so mostly.
            if good > 0 && good * 2 >= filled {
                valid.push(column);
            }
            // Rounded, or with wrong check digits: that is nothing else's, as dates and telephones may be.
            if faulty > 0 && (good + faulty) * 2 >= filled {
                at_fault.push(column);
            }
            if like > 0 && like * 2 >= filled {
                alike.push(column);
            }
        }
        let candidates = [valid, at_fault, alike].into_iter().find(|columns| !columns.is_empty()).unwrap_or_default();
        match candidates.as_slice() {
            [] => Err(ListFault::NoNissColumn),
            [column] => Ok(Layout { column: *column, columns, header_line }),
            several => Err(ListFault::AmbiguousColumns {
                places: self.places,
                columns: several.iter().map(|column| place(*column)).collect(),
                headers: Vec::new(),
            }),
        }
    }
}

impl SampleRow {
    /// Cells that hold something.
    fn filled(&self) -> usize {
        self.cells.iter().filter(|cell| Cell::read(cell.as_bytes()) != Cell::Empty).count()
    }
}

fn is_valid(cell: &str) -> bool {
    matches!(Cell::read(cell.as_bytes()), Cell::Valid { .. })
}

/// Whether a header names the child's number, for choosing the delimiter.
pub fn names_number(cell: &str) -> bool {
    rank(cell).is_some() || is_other(cell)
}

/// A row that names at least one number, the child's or another person's.
struct Header<'a> {
    row: &'a SampleRow,
    ranks: Vec<(usize, Rank)>,
    /// The columns of other persons' numbers.
    others: Vec<usize>,
}

impl<'a> Header<'a> {
    fn read(row: &'a SampleRow) -> Option<Self> {
        let ranks: Vec<_> =
            row.cells.iter().enumerate().filter_map(|(at, cell)| rank(cell).map(|rank| (at, rank))).collect();
        let others: Vec<_> =
            row.cells.iter().enumerate().filter_map(|(at, cell)| is_other(cell).then_some(at)).collect();
        (!ranks.is_empty() || !others.is_empty()).then_some(Self { row, ranks, others })
    }

    fn best_rank(&self) -> Option<Rank> {
        self.ranks.iter().map(|(_, rank)| *rank).max()
    }

    /// The columns of the best rank.
    fn best(&self) -> Vec<usize> {
        let best = self.best_rank();
        self.ranks.iter().filter(|(_, rank)| Some(*rank) == best).map(|(at, _)| *at).collect()
    }

    fn column(&self, places: Places) -> Result<usize, ListFault> {
        match self.best().as_slice() {
            [] => Err(ListFault::NoNissColumn),
            [column] => Ok(*column),
            several => Err(ListFault::AmbiguousColumns {
                places,
                columns: several.iter().map(|column| place(*column)).collect(),
                headers: several
                    .iter()
                    .filter_map(|column| self.row.cells.get(*column))
                    .map(|cell| shown(cell))
                    .collect(),
            }),
        }
    }
}

/// A place as people count: from 1.
pub fn place(column: usize) -> u32 {
    u32::try_from(column + 1).unwrap_or(u32::MAX)
}

/// A header or a sheet's name as a message may repeat it: short, printable, and without anything that could be a number
/// of a person.
pub fn shown(header: &str) -> String {
    if niss::find_in(header).is_some() {
        return "…".to_owned();
    }
    header
        .trim()
        .chars()
        .filter(|character| !character.is_control() && *character != '"')
        .take(LONGEST_HEADER)
        .collect()
}

/// Longest text that is taken for a header, bytes; titles and remarks are longer.
const LONGEST_NAME: usize = 80;

/// Whether a word stands in one of the lists above.
fn among(list: &str, word: &str) -> bool {
    list.split(' ').any(|listed| listed == word)
}

/// The words of a header in lower case, without accents.
fn words(header: &str) -> Vec<String> {
    if header.len() > LONGEST_NAME {
        return Vec::new();
    }
    let mut words = vec![String::new()];
    for character in header.chars().flat_map(char::to_lowercase) {
        let plain = match character {
            'é' | 'è' | 'ê' | 'ë' => 'e',
            'à' | 'á' | 'â' | 'ä' => 'a',
            'ï' | 'î' | 'í' => 'i',
            'ö' | 'ô' | 'ó' => 'o',
            'ü' | 'û' | 'ú' => 'u',
            other => other,
        };
        if plain.is_ascii_alphanumeric() {
            if let Some(word) = words.last_mut() {
                word.push(plain);
            }
        } else if words.last().is_some_and(|word| !word.is_empty()) {
            words.push(String::new());
        }
    }
    words.retain(|word| !word.is_empty());
    words
}

/// Whether words, or neighbours among them joined, are a name of the number: `rijksregister nr.`, `R.R.N.`.
fn has_name(words: &[String]) -> bool {
    has(words, |name| among(NAMES, name))
}

/// Whether one of these names is nothing else's.
fn has_strong_name(words: &[String]) -> bool {
    has(words, |name| among(NAMES, name) && !among(WEAK_NAMES, name))
}

fn has(words: &[String], is_name: impl Fn(&str) -> bool) -> bool {
    (0..words.len()).any(|from| {
        (from + 1..=words.len().min(from + 4)).any(|to| words.get(from..to).is_some_and(|part| is_name(&part.concat())))
    })
}

/// The header's words, with the words for persons split off what they are glued to: `nisskind`, `kindniss`.
fn split_words(header: &str) -> Vec<String> {
    let mut split = Vec::new();
    for word in words(header) {
        let glued = CHILD.split(' ').chain(OTHER.split(' ')).find_map(|person| {
            let rest = word.strip_suffix(person).or_else(|| word.strip_prefix(person))?;
            among(NAMES, rest).then(|| [rest.to_owned(), person.to_owned()])
        });
        match glued {
            Some(parts) => split.extend(parts),
            None => split.push(word),
        }
    }
    split
}

fn is_other(header: &str) -> bool {
    let words = split_words(header);
    has_name(&words) && words.iter().any(|word| among(OTHER, word))
}

fn rank(header: &str) -> Option<Rank> {
    let words = split_words(header);
    if !has_name(&words) || words.iter().any(|word| among(OTHER, word)) {
        return None;
    }
    if words.iter().any(|word| among(CHILD, word)) {
        return Some(Rank::Child);
    }
    if !has_strong_name(&words) {
        return Some(Rank::Weak);
    }
    let plain = words.iter().all(|word| among(NAMES, word) || among(FILLERS, word) || word.len() == 1);
    Some(if plain { Rank::Exact } else { Rank::Loose })
}

/// Whether a first row without a known name is a header all the same: words, and nothing like a number.
fn is_unknown_header(row: &SampleRow) -> bool {
    let words = row.cells.iter().any(|cell| cell.bytes().any(|byte| byte.is_ascii_alphabetic()));
    let may_be_number = |cell: &[u8]| Cell::looks_like_number(cell) || Cell::may_be_number(cell);
    let numbers = row
        .cells
        .iter()
        .any(|cell| may_be_number(cell.as_bytes()) || cell.bytes().filter(u8::is_ascii_digit).count() >= 8);
    words && !numbers
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(rows: &[&[&str]]) -> Sample {
        let rows = (1..)
            .zip(rows)
            .map(|(line, cells)| SampleRow {
                line,
                cells: cells.iter().map(|cell| (*cell).to_owned().into()).collect(),
            })
            .collect();
        Sample { rows, places: Places::Lines }
    }

    #[test]
    fn names_of_the_number_are_known() {
        for header in [
            "niss",
            "NISS",
            " Niss ",
            "INSZ",
            "insz-nummer",
            "RRN",
            "R.R.N.",
            "rijksregisternummer",
            "Rijksregister nr.",
            "Rijksregister-nummer",
            "rijksregisternr",
            "rr nummer",
            "Nationaal nummer",
            "\"NISS\"",
            "RR-nr",
            "niss_nr",
            "Identificatienummer sociale zekerheid",
            "Rijksregisternummer (RRN)",
            "INSZ / rijksregisternummer",
        ] {
            assert_eq!(rank(header), Some(Rank::Exact), "{header}");
        }
        for header in ["NISS kind", "kind_niss", "nisskind", "INSZ van het kind", "rijksregisternummer leerling"] {
            assert_eq!(rank(header), Some(Rank::Child), "{header}");
        }
        for header in ["NISS ouder", "niss_begunstigde", "Rijksregisternummer moeder", "INSZ partner", "nissouder"] {
            assert_eq!((rank(header), is_other(header)), (None, true), "{header}");
        }
        for header in ["naam", "nummer", "dossier", "nr", "missing", "commission", "", "postcode", "00012556777"] {
            assert_eq!((rank(header), is_other(header)), (None, false), "{header}");
        }
        assert_eq!(rank("NISS (11 cijfers)"), Some(Rank::Loose));
    }

    #[test]
    fn the_header_decides_among_columns() {
        for (header, column) in [
            (&["naam", "niss"][..], 1),
            (&["niss ouder", "niss"], 1),
            (&["niss kind", "niss ouder"], 0),
            (&["niss", "niss kind"], 1),
            (&["rijksregisternummer", "rijksregisternummer gekend"], 0),
        ] {
            let layout = sample(&[header, &["00012556777", "17073003384"]]).layout().unwrap();
            assert_eq!((layout.column, layout.columns, layout.header_line), (column, 2, 1), "{header:?}");
        }
        let ambiguous = sample(&[&["NISS", "x", "INSZ"]]).layout();
        let headers = vec!["NISS".to_owned(), "INSZ".to_owned()];
        assert_eq!(ambiguous, Err(ListFault::AmbiguousColumns { columns: vec![1, 3], headers, places: Places::Lines }));
        assert_eq!(sample(&[&["naam", "niss ouder"]]).layout(), Err(ListFault::NoNissColumn));
    }

    #[test]
    fn titles_above_the_header_are_passed_over() {
        for title in ["Lijst van Bree", "Rijksregisternummers van de kinderen"] {
            let layout = sample(&[&[title], &["naam", "INSZ"], &["Jan", "00012556777"]]).layout();
            assert_eq!(layout, Ok(Layout { column: 1, columns: 2, header_line: 2 }));
        }
    }

    #[test]
    fn a_title_that_names_the_number_is_no_header() {
        for (rows, column, header_line) in [
            (
                &[
                    &["Rijksregisternummers kinderen Bree", "", ""][..],
                    &["Naam", "Voornaam", "RN"],
                    &["A", "J", "00012556777"],
                ][..],
                2,
                2,
            ),
            (&[&["Rijksregisternummers ouders en kinderen", ""], &["Naam", "Nummer"], &["Jan", "00012556777"]], 1, 2),
            (&[&["Rijksregisternummers", ""], &["Jan", "00012556777"]], 1, 1),
            (&[&["INSZ", ""], &["00012556777", "Jan"]], 0, 1),
            (&[&["Rijksregisternummers"], &["INSZ"], &["00012556777"]], 0, 2),
            (&[&["Naam", "Nationaal nr"], &["Jan", "00012556777"]], 1, 1),
        ] {
            let layout = sample(rows).layout().map(|layout| (layout.column, layout.header_line));
            assert_eq!(layout, Ok((column, header_line)), "{rows:?}");
        }
    }

    #[test]
    fn a_remark_in_a_row_without_a_number_is_no_header() {
        let (jan, an) = (["Jan", "", "rijksregisternummer aangevraagd"], ["An", "17073003384", ""]);
        for remark in [jan, ["Jan", "niss aangevraagd", ""], ["Jan", "", "NISS moeder onbekend"]] {
            let layout = sample(&[&["Naam", "INSZ", "Opmerking"], &remark, &an]).layout();
            assert_eq!(layout, Ok(Layout { column: 1, columns: 3, header_line: 1 }), "{remark:?}");
        }
        // Parents' numbers are never taken for the children's, whatever a row says.
        let parents = sample(&[&["Naam", "NISS moeder"], &["Jan", "niss onbekend"], &["An", "17073003384"]]).layout();
        assert_eq!(parents, Err(ListFault::NoNissColumn));
    }

    #[test]
    fn a_name_that_an_address_has_too_gives_way() {
        for (header, column) in [
            (&["Naam", "Bisnummer", "Rijksregisternummer"][..], 2),
            (&["Naam", "bis nr", "Rijksregisternummer burger"], 2),
            (&["Naam", "Bisnummer", "x"], 1),
        ] {
            assert_eq!(sample(&[header]).layout().map(|layout| layout.column), Ok(column), "{header:?}");
        }
        assert_eq!(rank("Rijksregister- of bisnummer"), Some(Rank::Exact));
    }

    #[test]
    fn without_a_name_the_values_decide() {
        for (rows, expected) in [
            (&[&["00012556777"][..]][..], Ok((0, 0))),
            (&[&["Jan", "00012556777", "3960"]], Ok((1, 0))),
            (&[&["voornaam", "getal"], &["Jan", "00012556777"]], Ok((1, 1))),
            (&[&["1,70730E+10"]], Ok((0, 0))),
            (&[&["12345678901"]], Ok((0, 0))),
            (&[&["Naam", "Nummer", "Geboren"], &["Jan", "1,70730E+10", "30/07/2017"]], Ok((1, 1))),
            (&[&["Jan", "An"]], Err(ListFault::NoNissColumn)),
            (&[], Err(ListFault::Empty)),
            (
                &[&["00012556777", "17073003384"]],
                Err(ListFault::AmbiguousColumns { columns: vec![1, 2], headers: Vec::new(), places: Places::Lines }),
            ),
        ] {
            let layout = sample(rows).layout().map(|layout| (layout.column, layout.header_line));
            assert_eq!(layout, expected, "{rows:?}");
        }
    }

    #[test]
    fn a_header_never_carries_a_number_into_a_message() {
        assert_eq!(shown("niss 00.01.25-567.77"), "…");
        assert_eq!(shown(" NISS\t\"x\" "), "NISSx");
    }
}
