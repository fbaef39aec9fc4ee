"""Makes municipalities' lists in the shapes of FORMATS.md section 3, and says what their answers must be.

A second opinion: nothing here comes from the program under test. Numbers are checked, children are matched and files
are written by this script, by openpyxl and by the `age` command. Reads the register in clear on standard input, writes
the lists to a directory and, on standard output, a JSON list of what each must be answered with.
"""

import argparse
import codecs
import csv
import datetime
import io
import json
import pathlib
import random
import subprocess
import sys

import openpyxl


# --- National numbers -------------------------------------------------------------------------------------------------


def with_check_digits(nine, born_after_1999):
    """The whole number for its first nine digits."""
    number = int(nine) + (2_000_000_000 if born_after_1999 else 0)
    return f"{nine}{97 - number % 97:02}"


def judge(digits, today):
    """What eleven digits are: (problem or None, birth date or None, whether the date is not fully known)."""
    if len(digits) != 11 or not digits.isdigit():
        return "ongeldig-formaat", None, False
    nine, check = digits[:9], int(digits[9:])
    if 97 - int(nine) % 97 == check:
        century = 1900
    elif 97 - (2_000_000_000 + int(nine)) % 97 == check:
        century = 2000
    else:
        return "ongeldig-controlegetal", None, False
    year, month, day, serial = century + int(digits[:2]), int(digits[2:4]), int(digits[4:6]), int(digits[6:9])
    month = month - 40 if month >= 40 else month - 20 if month >= 20 else month
    if month > 12:
        return "ongeldige-datum", None, False
    try:
        born = datetime.date(year, month, day)
    except ValueError:
        return None, None, True
    if born > today:
        return "ongeldige-datum", None, False
    if serial in (0, 999):
        return "ongeldig-volgnummer", None, False
    return None, born, False


def is_25(born, today):
    """Whether the 25th birthday has come."""
    return (born.year + 25, born.month, born.day) <= (today.year, today.month, today.day)


# --- The register -----------------------------------------------------------------------------------------------------


class Register:
    def __init__(self, lines, today):
        self.home, self.allowances = {}, {}
        for row in csv.DictReader(lines, delimiter=";"):
            child = row["child_niss"]
            if row["child_nis_code"]:
                self.home.setdefault(child, row["child_nis_code"])
            else:
                self.home.setdefault(child, "")
            shares = dict(source.split("=") for source in row["sources"].split("|") if source)
            if "sociale_toeslag" in shares:
                name = f"{row['beneficiary_last_name']} {row['beneficiary_first_name']}"
                line = f"{child};ja;{row['beneficiary_niss']};{name};{shares['sociale_toeslag']}"
                self.allowances.setdefault(child, []).append(line)
        self.today = today

    def children(self, wanted):
        """Children whose home fits, of an age to be asked about."""
        for child, home in self.home.items():
            problem, born, unknown = judge(child, self.today)
            if problem is None and not unknown and not is_25(born, self.today) and wanted(home):
                yield child


# --- Rows of a list, and what becomes of them -------------------------------------------------------------------------


class List:
    """A list in the making. `rows` holds (what is written, the number that is meant or None, its problem or None)."""

    def __init__(self, rows):
        self.rows = list(rows)

    def expected(self, register, nis_code, every_child, first_line):
        answer, problems, seen = [], [], set()
        for line, (_, number, problem) in enumerate(self.rows, first_line):
            if number is None:
                if problem is not None:
                    problems.append([line, problem])
                continue
            if problem is not None:
                problems.append([line, problem])
            if number in seen:
                problems.append([line, "dubbel"])
                continue
            seen.add(number)
            _, born, unknown = judge(number, register.today)
            if unknown:
                problems.append([line, "onbekende-datum"])
            elif is_25(born, register.today):
                problems.append([line, "buiten-leeftijd"])
                continue
            if number in register.home and register.home[number] != nis_code:
                problems.append([line, "andere-gemeente"])
                continue
            if number in register.allowances:
                answer.append(sorted(register.allowances[number]))
            elif every_child:
                answer.append([f"{number};nee;;;"])
        return {"answer": answer, "problems": sorted(problems)}


def plain(numbers):
    return List((number, number, None) for number in numbers)


class Chooser:
    """Takes children of each sort, others for each list."""

    def __init__(self, register, nis_code, seed):
        self.random = random.Random(seed)
        self.register = register
        self.here = sorted(register.children(lambda home: home == nis_code))
        self.elsewhere = sorted(register.children(lambda home: home != nis_code))
        self.stripped = [number for number in self.here if number.startswith("0")]

    def some(self, count=20):
        return self.random.sample(self.here, min(count, len(self.here)))

    def strange(self, count, born=(2005, 2020)):
        """Numbers of children who are not in the register."""
        found = []
        while len(found) < count:
            year, month, day = self.random.randint(*born), self.random.randint(1, 12), self.random.randint(1, 28)
            number = with_check_digits(f"{year % 100:02}{month:02}{day:02}{self.random.randint(1, 998):03}", True)
            if number not in self.register.home:
                found.append(number)
        return found

    def born(self, day):
        return with_check_digits(f"{day:%y%m%d}{self.random.randint(1, 998):03}", day.year > 1999)


def dotted(number):
    return f"{number[:2]}.{number[2:4]}.{number[4:6]}-{number[6:9]}.{number[9:]}"


def spaced(number):
    return f" {number[:2]} {number[2:4]} {number[4:6]} {number[6:9]} {number[9:]} "


def as_excel_leaves_it(number):
    """A number from which a spreadsheet took the leading zeros."""
    bare = number.lstrip("0")
    return (bare, number, "hersteld") if 8 <= len(bare) <= 10 else (number, number, None)


# --- Shapes -----------------------------------------------------------------------------------------------------------


def text(rows, header="niss", end="\n", encoding="utf-8", bom=b""):
    lines = ([header] if header else []) + [written for written, _, _ in rows.rows]
    return bom + (end.join(lines) + end).encode(encoding)


def table(rows, header, separator, extra, quoting=csv.QUOTE_MINIMAL, encoding="utf-8", end="\r\n"):
    """With columns beside the number; `extra` makes those of a row, before and after it."""
    out = io.StringIO()
    writer = csv.writer(out, delimiter=separator, quoting=quoting, lineterminator=end)
    writer.writerow(header)
    for at, (written, _, _) in enumerate(rows.rows):
        before, after = extra(at)
        writer.writerow([*before, written, *after])
    return out.getvalue().encode(encoding)


def workbook(fill):
    book = openpyxl.Workbook()
    fill(book)
    out = io.BytesIO()
    book.save(out)
    return out.getvalue()


def sheet_of(rows, header="niss", value=str, number_format=None):
    def fill(book):
        sheet = book.active
        sheet.append([header])
        for written, _, _ in rows.rows:
            sheet.append([value(written)])
        if number_format:
            for cell in sheet["A"][1:]:
                cell.number_format = number_format

    return workbook(fill)


def sheet_with_surplus(rows):
    def fill(book):
        sheet = book.active
        sheet.title = "Kinderen"
        sheet.append(["Kinderen van de gemeente"])
        sheet.append([])
        sheet.append(["Naam", "Geboortedatum", "INSZ", "Opmerking"])
        for at, (written, _, _) in enumerate(rows.rows):
            sheet.append([f"Kind {at}", datetime.date(2015, 1, 1 + at % 28), written, "é"])
        book.create_sheet("Uitleg").append(["dit blad telt niet mee"])

    return workbook(fill)


def age(recipient, content, *options):
    return subprocess.run(["age", "-r", recipient, *options], input=content, capture_output=True, check=True).stdout


def faulty(choose):
    """At most a tenth is at fault, one row of each kind."""
    good = [(number, number, None) for number in choose.some(90) + choose.strange(30)]
    tomorrow = choose.register.today + datetime.timedelta(days=1)
    number = choose.some(1)[0]
    broken = f"{(int(number[:2]) + 1) % 100:02}{number[2:]}"
    bad = [
        ("12345678901", "ongeldig-controlegetal"),
        (with_check_digits("101332001", True), "ongeldige-datum"),
        (with_check_digits(f"{tomorrow:%y%m%d}001", True), "ongeldige-datum"),
        (with_check_digits("101001000", True), "ongeldig-volgnummer"),
        (with_check_digits("101001999", True), "ongeldig-volgnummer"),
        ("1,70730E+10", "onherstelbaar"),
        ("1.70730E+10", "onherstelbaar"),
        ("123456789012", "ongeldig-formaat"),
        ("onbekend", "ongeldig-formaat"),
    ]
    if judge(broken, choose.register.today)[0] == "ongeldig-controlegetal":
        bad.append((broken, "ongeldig-controlegetal"))
    rows = good + [(written, None, problem) for written, problem in bad]
    choose.random.shuffle(rows)
    # The first row decides whether there is a header: it is a good one.
    rows.sort(key=lambda row: row != good[0])
    return List(rows)


def ages(choose):
    today = choose.register.today
    turns_today = choose.born(today.replace(year=today.year - 25))
    tomorrow = today + datetime.timedelta(days=1)
    turns_tomorrow = choose.born(tomorrow.replace(year=tomorrow.year - 25))
    grown = [choose.born(datetime.date(year, 5, 17)) for year in (1917, 1950, 1985, 1999, 2000)]
    newborn = choose.born(today)
    return plain([*choose.some(10), turns_today, turns_tomorrow, *grown, newborn])


def unknown_dates(choose):
    half = [with_check_digits(nine, True) for nine in ("140000011", "160701000", "150200012", "104000015", "122900001")]
    bis = [with_check_digits(nine, True) for nine in ("164715002", "162715003")]
    known = [number for number in half if judge(number, choose.register.today)[0] is None]
    return plain([*choose.some(10), *known, *bis])


def shapes(choose, recipient):
    """(name, the list, its first line with data, its bytes) of each."""
    some = choose.some

    def one(name, rows, content, first_line=2):
        return name, rows, first_line, content(rows)

    def also(at):
        return [f"Janssens-{at}"], ["Zoë; met bijnaam", "3960 Bree"]

    def ascii_also(at):
        return [str(at)], ["ja, zeker"]

    stripped = [as_excel_leaves_it(number) for number in choose.stripped[:40] + some(5)]
    twice = some(25)
    twice += twice[3:9] + [twice[0]]
    mixed = some(15) + choose.random.sample(choose.elsewhere, 15) + choose.strange(15)
    choose.random.shuffle(mixed)
    punctuated = List((dotted(number), number, None) for number in some())
    with_spaces = List((spaced(number), number, None) for number in some())
    wrapped = List((f'"=""{number}"""', number, None) for number in some())
    quoted = List((f"'{number}", number, None) for number in some())
    decimals = List((f"{number}.0", number, None) for number in some())
    blanks = some(12)
    blanks = List(
        row for number in blanks for row in ((number, number, None), ("", None, None), ("   ", None, None))
    )
    yield one("kop.csv", plain(some()), text)
    yield one("zonder-kop.csv", plain(some()), lambda rows: text(rows, header=None), 1)
    yield one("crlf.csv", plain(some()), lambda rows: text(rows, header="INSZ", end="\r\n"))
    yield one("regels.txt", plain(some()), lambda rows: text(rows, header=None).rstrip(b"\n"), 1)
    yield one("bom.csv", plain(some()), lambda rows: text(rows, header="RRN", bom=codecs.BOM_UTF8))
    yield one(
        "puntkomma.csv",
        plain(some()),
        lambda rows: table(rows, ["Naam", "Rijksregisternummer", "Alias", "Plaats"], ";", also),
    )
    yield one(
        "aanhalingstekens.csv",
        plain(some()),
        lambda rows: table(rows, ["Nr", "rijksregisternr", "Ok"], ",", ascii_also, csv.QUOTE_ALL, end="\n"),
    )
    yield one("tab.txt", plain(some()), lambda rows: table(rows, ["Nr", "Niss", "Ok"], "\t", ascii_also))
    yield one("streep.csv", plain(some()), lambda rows: table(rows, ["Nr", "rrn", "Ok"], "|", ascii_also))
    yield one(
        "windows-1252.csv",
        plain(some()),
        lambda rows: table(rows, ["Naam", "INSZ", "Alias", "Gemeente é"], ";", also, encoding="cp1252"),
    )
    yield one(
        "utf-16-le.csv", plain(some()), lambda rows: text(rows, encoding="utf-16-le", bom=codecs.BOM_UTF16_LE)
    )
    yield one(
        "utf-16-be.txt",
        plain(some()),
        lambda rows: text(rows, end="\r\n", encoding="utf-16-be", bom=codecs.BOM_UTF16_BE),
    )
    yield one("leestekens.csv", punctuated, text)
    yield one("spaties.csv", with_spaces, text)
    yield one("formule.csv", wrapped, text)
    yield one("weglatingsteken.csv", quoted, text)
    yield one("decimalen.csv", decimals, text)
    yield one("voorloopnullen.csv", List(stripped), text)
    yield one("dubbel.csv", plain(twice), text)
    yield one("gemengd.csv", plain(mixed), text)
    yield one("leeftijden.csv", ages(choose), text)
    yield one("onbekende-data.csv", unknown_dates(choose), text)
    yield one("fouten.csv", faulty(choose), text)
    yield one("lege-regels.csv", blanks, text)
    yield one("HOOFDLETTERS.CSV", plain(some()), lambda rows: text(rows, header="RIJKSREGISTERNUMMER"))
    yield one("veel.csv", plain(some(100) + choose.strange(4000)), text)
    yield one("tekst.xlsx", plain(some()), sheet_of)
    numeric = List(as_excel_leaves_it(number) for number in choose.stripped[40:60] + some(20))
    yield one("getallen.xlsx", numeric, lambda rows: sheet_of(rows, value=int))
    shown = List(as_excel_leaves_it(number) for number in choose.stripped[60:70] + some(20))
    yield one("getallen-met-opmaak.xlsx", shown, lambda rows: sheet_of(rows, value=int, number_format="0" * 11))
    yield one("met-titel.xlsx", plain(some()), sheet_with_surplus, 4)
    yield one("fouten.xlsx", faulty(choose), sheet_of)
    yield one("verzegeld.csv.age", plain(some()), lambda rows: age(recipient, text(rows)))
    yield one("verzegeld.xlsx.age", plain(some()), lambda rows: age(recipient, sheet_of(rows)))
    yield one("verzegeld-als-tekst.txt.age", plain(some()), lambda rows: age(recipient, text(rows), "--armor"))


def main():
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--out", type=pathlib.Path, required=True)
    arguments.add_argument("--nis-code", required=True)
    arguments.add_argument("--recipient", required=True)
    arguments.add_argument("--every-child", action="store_true")
    arguments.add_argument("--today", type=datetime.date.fromisoformat, required=True)
    arguments.add_argument("--seed", type=int, default=1)
    given = arguments.parse_args()
    register = Register(io.TextIOWrapper(sys.stdin.buffer, encoding="utf-8", newline=""), given.today)
    choose = Chooser(register, given.nis_code, given.seed)
    given.out.mkdir(parents=True, exist_ok=True)
    expected = []
    for name, rows, first_line, content in shapes(choose, given.recipient):
        (given.out / name).write_bytes(content)
        expectation = rows.expected(register, given.nis_code, given.every_child, first_line)
        expected.append({"name": name, **expectation})
    json.dump(expected, sys.stdout)


main()
