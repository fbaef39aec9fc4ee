//! Every shape of a list, through the front door.

mod workbooks;

use jiff::civil::date;
use proptest::prelude::*;

use super::*;
use crate::domain::niss::find_in;

const TODAY: Date = date(2026, 11, 21);

/// Born 2000, 2017, 2019, 2023; the first one loses zeros in a spreadsheet.
const NUMBERS: [&str; 4] = ["05060700261", "17073003384", "19081300193", "23012300221"];

fn read_bytes(bytes: &[u8]) -> Result<List, ListFault> {
    read(bytes, "lijst.csv", &Limits::default(), TODAY)
}

fn numbers(list: &List) -> Vec<String> {
    list.children.iter().map(|child| String::from_utf8(child.niss.digits().to_vec()).unwrap()).collect()
}

fn utf_16(text: &str, big: bool) -> Vec<u8> {
    let units = std::iter::once(0xFEFF).chain(text.encode_utf16());
    units.flat_map(|unit: u16| if big { unit.to_be_bytes() } else { unit.to_le_bytes() }).collect()
}

/// Lists that all hold [`NUMBERS`] and nothing else, with the lines on which they stand.
fn shapes() -> Vec<(&'static str, Vec<u8>, [u32; 4])> {
    let plain = NUMBERS.join("\n");
    let with_header = |header: &str, end: &str| format!("{header}{end}{}{end}", NUMBERS.join(end));
    let rows = |before: &str, after: &str| NUMBERS.map(|number| format!("{before}{number}{after}")).join("\n");
    let from_1 = [1, 2, 3, 4];
    let from_2 = [2, 3, 4, 5];
    let mut shapes: Vec<(&str, Vec<u8>, [u32; 4])> = vec![
        ("bare, no end", plain.clone().into(), from_1),
        ("bare", format!("{plain}\n").into(), from_1),
        ("CR LF", NUMBERS.join("\r\n").into(), from_1),
        ("CR alone", format!("niss\r{}\r", NUMBERS.join("\r")).into(), from_2),
        ("blank lines", format!("\n\n{}\n\n\n", NUMBERS.join("\n\n")).into(), [3, 5, 7, 9]),
        ("header", with_header("niss", "\n").into(), from_2),
        ("header with CR LF", with_header("INSZ", "\r\n").into(), from_2),
        ("UTF-8 BOM", format!("\u{FEFF}{}", with_header("RRN", "\r\n")).into(), from_2),
        ("UTF-16 LE", utf_16(&with_header("Rijksregisternummer", "\r\n"), false), from_2),
        ("UTF-16 BE", utf_16(&with_header("Rijksregisternr", "\r\n"), true), from_2),
        ("DOS end", format!("{plain}\r\n\u{1A}").into(), from_1),
        ("semicolons", format!("naam;niss;postcode\n{}", rows("Peeters, Jan;", ";3960")).into(), from_2),
        ("commas", format!("niss,naam\n{}", rows("", ",Jan")).into(), from_2),
        ("tabs", format!("naam\tRijksregister nr.\n{}", rows("Jan\t", "")).into(), from_2),
        ("bars", format!("naam|insz|\n{}", rows("Jan|", "|")).into(), from_2),
        ("quotes", rows("\"", "\"").into(), from_1),
        ("quoted cells", format!("\"naam\";\"niss\"\n{}", rows("\"Jan; \"\"Jo\"\"\";\"", "\"")).into(), from_2),
        ("line ends in quotes", format!("adres;niss\n{}", rows("\"Kerkstraat 1\nBree\";", "")).into(), [2, 4, 6, 8]),
        ("formula text", rows("=\"", "\"").into(), from_1),
        ("quoted formula text", rows("\"=\"\"", "\"\"\"").into(), from_1),
        ("apostrophes", rows("'", "").into(), from_1),
        ("no-break spaces", rows("\u{A0}", "\u{A0}").into(), from_1),
        ("trailing delimiters", format!("niss;;;\n{};;;\n;;;\n", rows("", ";;;")).into(), from_2),
        ("decimal", rows("", ".0").into(), from_1),
        ("decimal comma", rows("", ",00").into(), from_1),
        ("declared delimiter", format!("sep=,\nniss,naam\n{}", rows("", ",x;y")).into(), [3, 4, 5, 6]),
        (
            "titles",
            format!("Kinderen van Bree;;\n21/11/2026;;\n\nnaam;NISS kind;x\n{}", rows("Jan;", ";")).into(),
            [5, 6, 7, 8],
        ),
        ("unknown header", format!("voornaam;getal\n{}", rows("Jan;", "")).into(), from_2),
        ("no header, columns", rows("Jan;3960;", ";x").into(), from_1),
        ("parents too", format!("NISS;NISS ouder\n{}", rows("", ";85073003328")).into(), from_2),
        ("header with accents", format!("Numéro;Rijksregister-nummer\n{}", rows("x;", "")).into(), from_2),
        ("stray quote", format!("naam;niss\n{}", rows("\"Jan;", "")).into(), from_2),
        (
            "quotes at odds",
            format!(
                "naam;niss\n\"Jan;{}\n\"An\";{}\nJo;{}\n\"Li\" ;{}",
                NUMBERS[0], NUMBERS[1], NUMBERS[2], NUMBERS[3]
            )
            .into(),
            from_2,
        ),
        ("inner quote", format!("naam;niss\n{}", rows("Jan \"Jo\" P;", "")).into(), from_2),
    ];
    let printed = |number: &str, dot: &str, dash: &str| {
        let (birth, serial, check) = (&number[..6], &number[6..9], &number[9..]);
        let birth = [&birth[..2], &birth[2..4], &birth[4..]].join(dot);
        format!("{birth}{dash}{serial}{dot}{check}\n")
    };
    for (name, dot, dash) in
        [("printed", ".", "-"), ("with spaces", " ", " "), ("typographic", ".", "–"), ("no-break", "\u{A0}", "-")]
    {
        let text: String = NUMBERS.iter().map(|number| printed(number, dot, dash)).collect();
        shapes.push((name, text.into(), from_1));
    }
    let windows_1252: Vec<u8> = rows("Jos\u{1},", "").bytes().map(|byte| if byte == 1 { 0xE9 } else { byte }).collect();
    shapes.push(("Windows-1252", windows_1252, from_1));
    let (no_break, plain) = (b"\xA0".as_slice(), plain.as_bytes());
    shapes.push(("Windows-1252 no-break space", [no_break, plain].concat(), from_1));
    shapes
}

#[test]
fn every_shape_gives_its_numbers_and_lines() {
    let shapes = shapes();
    assert!(shapes.len() >= 30);
    for (name, bytes, lines) in shapes {
        let list = read_bytes(&bytes).unwrap_or_else(|fault| panic!("{name}: {fault}"));
        assert_eq!(numbers(&list), NUMBERS, "{name}");
        assert_eq!(list.children.iter().map(|child| child.line).collect::<Vec<_>>(), lines, "{name}");
        assert_eq!((list.counts.rows, list.counts.valid, list.remarks.as_slice()), (4, 4, &[][..]), "{name}");
    }
}

#[test]
fn spreadsheet_losses_are_restored_and_told() {
    let list = read_bytes(b"INSZ;naam\r\n5060700261;a\r\n30400126;b\r\n17073003384;c\r\n").unwrap();
    assert_eq!(numbers(&list), ["05060700261", "00030400126", "17073003384"]);
    let remarks: Vec<_> = list.remarks.iter().map(|remark| (remark.line, remark.column, remark.problem)).collect();
    assert_eq!(remarks, [(2, 1, Problem::Restored), (3, 1, Problem::Restored), (3, 1, Problem::OutsideAge)]);
    assert_eq!((list.counts.repaired, list.counts.ignored_columns), (2, 1));
}

#[test]
fn a_column_of_rounded_numbers_is_refused_by_line() {
    let fault = read_bytes(b"1,70730E+10\n1,90813E+10\n2,30123E+10\n").unwrap_err();
    let problems: Vec<_> = fault.remarks().iter().map(|remark| (remark.line, remark.problem)).collect();
    let expected = [(1, Problem::Unrecoverable), (2, Problem::Unrecoverable), (3, Problem::Unrecoverable)];
    assert_eq!(problems, expected);
}

#[test]
fn what_is_no_list_is_refused_by_name() {
    let wide: Vec<u8> = "niss\n17073003384\n".encode_utf16().flat_map(u16::to_le_bytes).collect();
    for (bytes, code) in [
        (&b""[..], "list-empty"),
        (b"\n\r\n;;\n", "list-empty"),
        (b"niss\n", "list-empty"),
        (b"\xEF\xBB\xBF", "list-empty"),
        (b"naam;postcode\nJan;3960\n", "list-no-niss-column"),
        (b"naam;niss ouder\nJan;17073003384\n", "list-no-niss-column"),
        (b"17073003384;19081300193\n", "list-ambiguous-columns"),
        (b"niss;insz\n17073003384;19081300193\n", "list-ambiguous-columns"),
        (&wide, "list-encoding"),
        (b"\xFF\xFEn\0i\0s", "list-encoding"),
        (b"%PDF-1.4\n", "list-wrong-type"),
        (b"\x89PNG\r\n\x1A\n\0", "list-wrong-type"),
        (b"niss\n1707\x003384\n", "list-wrong-type"),
        (b"niss\n\x02\n", "list-wrong-type"),
        (b"<html><table></table></html>", "list-wrong-type"),
        (b"{\"niss\": []}", "list-wrong-type"),
        (b"age-encryption.org/v1\n", "list-wrong-type"),
        (b"PK\x05\x06\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0", "list-wrong-type"),
        (b"PK\x03\x04\0\0", "list-workbook"),
        (b"niss\nJan\nPiet\n", "list-too-many-invalid"),
        (b"naam;niss\nJan;17073003384\nPie", "list-cut-off"),
        (b"niss\n17073003384\n190813", "list-cut-off"),
        (b"naam;niss\nJan;17073003384\nPiet;1", "list-cut-off"),
        (b"niss\n17073003384\n\"190813", "list-cut-off"),
    ] {
        let fault = read_bytes(bytes).unwrap_err();
        assert_eq!(fault.code(), code, "{:?}", String::from_utf8_lossy(bytes));
        assert_eq!(find_in(&fault.explanation_nl()), None);
        assert!(fault.explanation_nl().lines().count() == 2, "{fault:?}");
    }
}

#[test]
fn an_unfinished_last_row_is_told_apart_from_a_total() {
    let many = format!("{}\n", NUMBERS.join("\n")).repeat(5);
    let invalid = |text: String| read_bytes(text.as_bytes()).map(|list| list.counts.invalid);
    assert_eq!(invalid(format!("{many}Totaal")), Ok(1));
    assert_eq!(invalid(format!("{many}17073003384")), Ok(0));
    assert_eq!(invalid(format!("{many}170730\n")), Ok(1));
    let named = many.replace('\n', ";x\n");
    assert_eq!(invalid(format!("{named}170730;Jan")), Ok(1));
    // A row that stops before its number.
    let second = many.lines().fold(String::from("naam;niss\n"), |text, niss| text + "Jan;" + niss + "\n");
    assert_eq!(invalid(format!("{second}Pie")), Err(ListFault::CutOff { line: 22 }));
    assert_eq!(invalid(format!("{second}Pie;")), Ok(1));
}

/// From 256 KiB on two threads read a text; what each finds has the lines of the whole.
#[test]
fn a_long_list_has_the_lines_of_a_short_one() {
    let numbers = format!("{};naam\n", NUMBERS[2]).repeat(20_000);
    let list = |title: &str, end: &str| format!("{title}rijksregisternummer;naam\n{}\n{numbers}x\n{end}", NUMBERS[1]);
    let last = 20_004;
    for (title, above) in [(String::new(), 0), ("titel\n".repeat(3), 3), (format!("{}\n", "t".repeat(400_000)), 1)] {
        let read = read_bytes(list(&title, NUMBERS[0]).as_bytes()).unwrap();
        let lines: Vec<u32> = read.children.iter().map(|child| child.line).collect();
        assert_eq!(lines, [2 + above, 3 + above, last + above], "{above}");
        assert_eq!((read.counts.rows, read.counts.duplicate, read.counts.invalid), (20_003, 19_999, 1));
        let wrong = read.remarks.iter().filter(|remark| remark.problem == Problem::Format);
        assert_eq!(wrong.map(|remark| remark.line).collect::<Vec<_>>(), [last - 1 + above]);
        let fault = read_bytes(list(&title, "170730").as_bytes()).unwrap_err();
        assert_eq!(fault, ListFault::CutOff { line: last + above });
    }
}

#[test]
fn limits_hold() {
    let limits = Limits { rows: 3, max_invalid_percent: 10 };
    let text = NUMBERS.join("\n");
    let fault = read(text.as_bytes(), "x", &limits, TODAY).unwrap_err();
    assert_eq!(fault, ListFault::TooManyRows { rows: 4, limit: 3 });
    let one_in_ten = format!("{}\nx\n", [NUMBERS[0]; 9].join("\n"));
    let list = read_bytes(one_in_ten.as_bytes()).unwrap();
    assert_eq!((list.counts.invalid, list.counts.duplicate, list.counts.distinct), (1, 8, 1));
    let more = format!("{}\nx\n", [NUMBERS[0]; 8].join("\n"));
    assert_eq!(read_bytes(more.as_bytes()).unwrap_err().code(), "list-too-many-invalid");
}

/// The column of the parents, or the list of somebody else.
#[test]
fn numbers_of_nearly_nobody_but_adults_are_refused() {
    let adult = |serial: u32| {
        let first = 850_730_000 + serial;
        format!("Jan;{first:09}{:02}\n", 97 - first % 97)
    };
    let list = |adults: u32| format!("naam;niss\n{}Jan;{}\n", (1..=adults).map(adult).collect::<String>(), NUMBERS[1]);
    assert_eq!(read_bytes(list(9).as_bytes()).unwrap().counts.outside_age, 9, "nine in ten may be");
    let one = read_bytes(b"niss\n85073003328\n").unwrap_err();
    assert!(one.explanation_nl().starts_with("Het enige nummer in kolom 1 is van iemand van 25 jaar of ouder."));
    let fault = read_bytes(list(10).as_bytes()).unwrap_err();
    assert_eq!(fault, ListFault::OutsideAge { outside: 10, numbers: 11, column: 2, places: Places::Lines });
    assert!(
        fault.explanation_nl().starts_with("10 van de 11 nummers in kolom 2 zijn van iemand van 25 jaar of ouder.")
    );
    assert_eq!(find_in(&fault.explanation_nl()), None);
}

#[test]
fn a_title_with_a_comma_above_one_column_is_a_title() {
    let list = format!("Kinderen 0-25, rijksregisternummers\n{}\n{}\n", NUMBERS[1], NUMBERS[2]);
    assert_eq!(numbers(&read_bytes(list.as_bytes()).unwrap()), [NUMBERS[1], NUMBERS[2]]);
    // Of three lines for each child, one has commas.
    let child = |number: &str| format!("{number},Jan,\"Kerkstraat 1\n3960 Bree\nBelgië\"\n");
    let list = format!("niss,naam,adres\n{}{}{}", child(NUMBERS[1]), child(NUMBERS[2]), child(NUMBERS[3]));
    assert_eq!(numbers(&read_bytes(list.as_bytes()).unwrap()), NUMBERS[1..]);
}

#[test]
fn rows_of_spaces_that_do_not_break_are_blank() {
    let list = format!("niss;naam\n{};Jan\n{}", NUMBERS[1], "\u{a0};\u{2003} \n".repeat(9));
    let list = read_bytes(list.as_bytes()).unwrap();
    assert_eq!((list.counts.rows, list.counts.invalid), (1, 0));
    assert_eq!(
        read_bytes(format!("niss;naam\n{};Jan\n\u{e9};\n", NUMBERS[1]).as_bytes()).unwrap_err().code(),
        "list-too-many-invalid"
    );
}

#[test]
fn debug_output_holds_no_number() {
    let list = read_bytes(NUMBERS.join("\n").as_bytes()).unwrap();
    assert_eq!(find_in(&format!("{list:?}")), None);
}

/// A list as somebody may write it.
#[derive(Debug, Clone)]
struct Written {
    numbers: Vec<String>,
    bytes: Vec<u8>,
}

fn a_number() -> impl Strategy<Value = String> {
    // Nobody is 25 yet: a list of nearly nobody else is refused.
    (2_u64..26, 1_u64..=12, 1_u64..=28, 1_u64..=998).prop_map(|(year, month, day, serial)| {
        let nine = ((year * 100 + month) * 100 + day) * 1000 + serial;
        format!("{nine:09}{:02}", 97 - (2_000_000_000 + nine) % 97)
    })
}

fn a_list() -> impl Strategy<Value = Written> {
    let shape = (0_usize..6, 0_usize..5, 0_usize..4, 0_usize..3, any::<bool>(), any::<bool>());
    (proptest::collection::vec(a_number(), 1..60), shape).prop_map(|(numbers, shape)| {
        let (style, delimiter, encoding, end, header, quotes) = shape;
        let end = ["\n", "\r\n", "\r"][end];
        let number = |number: &String| {
            let (birth, serial, check) = (&number[..6], &number[6..9], &number[9..]);
            let text = match style {
                0 | 1 => number.clone(),
                2 => format!("{}.{}.{}-{serial}.{check}", &birth[..2], &birth[2..4], &birth[4..]),
                3 => format!("{birth} {serial} {check}"),
                4 => format!("'{number}"),
                _ => format!(" {number}.0"),
            };
            if quotes { format!("\"{text}\"") } else { text }
        };
        let row = |cell: String| match [";", ",", "\t", "|", ""][delimiter] {
            "" => cell,
            between => format!("Zoë \"x\"{between}{cell}{between}3960"),
        };
        let mut text = String::new();
        if header {
            text.push_str(&row("Rijksregisternummer".to_owned()));
            text.push_str(end);
        }
        for written in numbers.iter().map(number) {
            text.push_str(&row(written));
            text.push_str(end);
        }
        let bytes = match encoding {
            0 => text.into_bytes(),
            1 => format!("\u{FEFF}{text}").into_bytes(),
            2 => utf_16(&text, false),
            _ => encoding_rs::WINDOWS_1252.encode(&text).0.into_owned(),
        };
        Written { numbers, bytes }
    })
}

proptest! {
    #[test]
    fn a_valid_list_in_any_shape_gives_exactly_its_numbers(list in a_list()) {
        let mut once: Vec<String> = Vec::new();
        for number in &list.numbers {
            if !once.contains(number) {
                once.push(number.clone());
            }
        }
        let read = read_bytes(&list.bytes).unwrap();
        prop_assert_eq!(numbers(&read), once);
        prop_assert_eq!(read.counts.rows, list.numbers.len());
    }

    #[test]
    fn no_bytes_make_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..600)) {
        let _ = read_bytes(&bytes);
    }

    #[test]
    fn no_text_makes_it_panic(text in "([0-9]{0,12}|niss|[;,|\t\"\r\n=' .-]|E\\+10|é|\u{A0}){0,80}") {
        if let Ok(list) = read_bytes(text.as_bytes()) {
            let Counts { rows, valid, invalid, distinct, duplicate, .. } = list.counts;
            prop_assert_eq!((rows, valid), (valid + invalid, distinct + duplicate));
            prop_assert_eq!(list.children.len(), distinct);
        }
    }
}
